import tseslint from "typescript-eslint";

const HTML = "Text from a metric must never be parsed as HTML.";

export default tseslint.config(
  { ignores: ["node_modules/", "dist/"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["eslint.config.js", "tools/compare.js"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-console": "error",
      "no-eval": "error",
      "no-restricted-globals": [
        "error",
        { name: "fetch", message: "Use api/http.ts: it sends the CSRF token and handles errors." },
        { name: "localStorage", message: "Use lib/storage.ts: it works where storage is blocked." },
        { name: "sessionStorage", message: "Use lib/storage.ts: it works where storage is blocked." },
      ],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: HTML },
        { property: "outerHTML", message: HTML },
        { property: "insertAdjacentHTML", message: HTML },
        { property: "createContextualFragment", message: HTML },
        { property: "setHTMLUnsafe", message: HTML },
        { object: "document", property: "write", message: HTML },
        { object: "document", property: "writeln", message: HTML },
        { property: "cssText", message: "The Content-Security-Policy permits single properties only." },
      ],
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: HTML },
        { selector: "Property[key.name='dangerouslySetInnerHTML']", message: HTML },
        {
          selector: "CallExpression[callee.property.name='setAttribute'][arguments.0.value='style']",
          message: "The Content-Security-Policy forbids style attributes; set properties of element.style.",
        },
        { selector: "JSXAttribute[name.name='style'] > Literal", message: "Pass an object: style attributes are forbidden." },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  { files: ["src/api/http.ts"], rules: { "no-restricted-globals": "off" } },
  { files: ["src/lib/storage.ts"], rules: { "no-restricted-globals": "off" } },
  { files: ["**/*.js"], ...tseslint.configs.disableTypeChecked },
);

import { defineConfig } from "vitest/config";

import { compressed, licences } from "./tools/files.ts";

const output = process.env["WEB_OUTPUT"] ?? "../src/chrysaetos/web/static";

export default defineConfig({
  base: "",
  plugins: [licences(), compressed()],
  experimental: {
    // The page is at PREFIX/ui, its files are at PREFIX/ui/static/.
    renderBuiltUrl: (filename, { hostType }) =>
      hostType === "html" ? `ui/static/${filename}` : { relative: true },
  },
  build: {
    target: "es2022",
    // The first versions with light-dark().
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    outDir: output,
    emptyOutDir: true,
    assetsDir: "",
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    manifest: "manifest.json",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"] },
});

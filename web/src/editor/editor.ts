/** The PromQL editor: CodeMirror with completion from the project's own series. */

import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { linter, lintKeymap, type Diagnostic } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";
import type { PrometheusClient } from "@prometheus-io/codemirror-promql/dist/esm/client/prometheus";

export interface EditorOptions {
  host: HTMLElement;
  text: string;
  label: string;
  placeholder: string;
  client: PrometheusClient;
  onChange: (text: string) => void;
  onRun: () => void;
  /** Asks the gateway what is wrong with a text. */
  check: (text: string) => Promise<Diagnostic[]>;
}

export interface Editor {
  /** Replaces the text. */
  set: (text: string) => void;
  focus: () => void;
  destroy: () => void;
}

// The page's custom properties reach into the shadow tree, so both appearances follow from one theme.
const theme = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "transparent", fontSize: "14px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6", maxHeight: "220px" },
  ".cm-content": { padding: "7px 0", caretColor: "var(--text)", minHeight: "22px" },
  ".cm-line": { padding: "0 12px" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-placeholder": { color: "var(--muted)", fontFamily: "var(--sans)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, ::selection": { backgroundColor: "var(--selection)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--selection)", outline: "1px solid var(--line-strong)" },
  ".cm-tooltip": {
    backgroundColor: "var(--raised)",
    color: "var(--text)",
    border: "1px solid var(--line)",
    borderRadius: "8px",
    boxShadow: "var(--shadow)",
    overflow: "hidden",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "13px", maxHeight: "300px", maxWidth: "min(560px, 88vw)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "4px 10px", textOverflow: "ellipsis" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionDetail": { color: "var(--muted)", fontStyle: "normal", marginLeft: "10px" },
  "li[aria-selected] .cm-completionDetail": { color: "inherit" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-completionIcon": { display: "none" },
  ".cm-completionInfo": { padding: "8px 10px", fontFamily: "var(--sans)", fontSize: "13px", maxWidth: "340px", whiteSpace: "pre-wrap", overflowWrap: "anywhere" },
  ".cm-diagnostic": { padding: "6px 10px", fontFamily: "var(--sans)", fontSize: "13px", borderLeft: "3px solid var(--danger)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--danger)", textUnderlineOffset: "3px" },
  ".cm-lintPoint-error:after": { borderBottomColor: "var(--danger)" },
});

const highlight = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--code-keyword)" },
  { tag: [tags.function(tags.variableName), tags.operator], color: "var(--code-function)" },
  { tag: [tags.labelName, tags.propertyName], color: "var(--code-label)" },
  { tag: tags.string, color: "var(--code-string)" },
  { tag: [tags.number, tags.literal], color: "var(--code-number)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--muted)", fontStyle: "italic" },
  { tag: tags.invalid, color: "var(--danger)" },
]);

/** Makes an editor in a host element. */
export function createEditor(options: EditorOptions): Editor {
  // In a shadow tree CodeMirror uses constructed style sheets, which the Content-Security-Policy permits; in a
  // document it would add style elements, which it forbids.
  const root = options.host.shadowRoot ?? options.host.attachShadow({ mode: "open" });
  const promql = new PromQLExtension().activateLinter(false).setComplete({ remote: options.client, maxMetricsMetadata: 5000 });
  let quiet = false;
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        theme,
        syntaxHighlighting(highlight),
        history(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ icons: false, maxRenderedOptions: 200 }),
        promql.asExtension(),
        linter((editor) => options.check(editor.state.doc.toString()), { delay: 700 }),
        placeholder(options.placeholder),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": options.label, spellcheck: "false", autocapitalize: "none" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !quiet) options.onChange(update.state.doc.toString());
        }),
        Prec.highest(
          keymap.of([
            {
              key: "Enter",
              run: (editor) => {
                if (completionStatus(editor.state) === "active" && acceptCompletion(editor)) return true;
                options.onRun();
                return true;
              },
              shift: (editor) => {
                editor.dispatch(editor.state.replaceSelection("\n"));
                return true;
              },
            },
            { key: "Ctrl-Enter", mac: "Cmd-Enter", run: () => (options.onRun(), true) },
            { key: "Ctrl-Space", run: startCompletion },
          ]),
        ),
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...lintKeymap, ...historyKeymap, ...defaultKeymap]),
      ],
    }),
  });
  return {
    set(text) {
      if (text === view.state.doc.toString()) return;
      quiet = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      quiet = false;
    },
    focus: () => view.focus(),
    destroy() {
      promql.destroy();
      view.destroy();
    },
  };
}

/** The editor of a panel: a plain text area until CodeMirror has been loaded. */

import { useEffect, useRef, useState } from "preact/hooks";

import { ApiError } from "../api/http";
import { explain } from "../api/prometheus";
import { completions } from "../editor/client";
import type { Editor } from "../editor/editor";
import { parseProblem } from "../lib/position";
import { texts } from "../texts";

/** A text that replaces the editor's. It is an object, so that the same text can be given again. */
export interface Given {
  text: string;
}

interface EditorBoxProps {
  given: Given;
  label: string;
  focus: boolean;
  onChange: (text: string) => void;
  onRun: () => void;
}

interface Marked {
  from: number;
  to: number;
  severity: "error";
  message: string;
}

/** Asks the gateway, which shows mistakes at its own line and column; other errors are shown when the query runs. */
async function check(text: string): Promise<Marked[]> {
  if (!text.trim()) return [];
  try {
    await explain(text, "/api/v1/query_range");
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 400)) return [];
    const problem = parseProblem(error.message, text);
    if (problem !== null) return [{ from: problem.from, to: problem.to, severity: "error", message: problem.reason }];
  }
  return [];
}

export function EditorBox({ given, label, focus, onChange, onRun }: EditorBoxProps) {
  const host = useRef<HTMLDivElement>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const editor = useRef<Editor | null>(null);
  const latest = useRef({ onChange, onRun });
  latest.current = { onChange, onRun };
  const [ready, setReady] = useState(false);

  useEffect(() => {
    let gone = false;
    void import("../editor/editor").then(
      ({ createEditor }) => {
        if (gone || host.current === null) return;
        const focused = focus || document.activeElement === area.current;
        editor.current = createEditor({
          host: host.current,
          text: area.current?.value ?? given.text,
          label,
          placeholder: texts.explore.placeholder,
          client: completions,
          onChange: (next) => latest.current.onChange(next),
          onRun: () => latest.current.onRun(),
          check,
        });
        setReady(true);
        if (focused) editor.current.focus();
      },
      () => {
        // The text area works without it.
      },
    );
    return () => {
      gone = true;
      editor.current?.destroy();
      editor.current = null;
    };
  }, []);

  // What is typed stays in the editor: to give it back would overwrite what has been typed since.
  useEffect(() => {
    editor.current?.set(given.text);
    if (area.current !== null) area.current.value = given.text;
  }, [given]);

  return (
    <div class="editor">
      {ready ? null : (
        <textarea
          ref={area}
          class="editor-plain"
          aria-label={label}
          rows={Math.min(8, given.text.split("\n").length)}
          defaultValue={given.text}
          spellcheck={false}
          autocapitalize="none"
          placeholder={texts.explore.placeholder}
          onInput={(event) => onChange(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey) return;
            event.preventDefault();
            onRun();
          }}
        />
      )}
      <div ref={host} class="editor-host" />
    </div>
  );
}

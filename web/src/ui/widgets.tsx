/** Small parts that all pages share. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import { visible } from "../lib/format";
import type { Labels } from "../lib/labels";
import { texts } from "../texts";

const PATHS: Readonly<Record<string, string>> = {
  add: "M8 3v10M3 8h10",
  check: "M3 8.5 6.5 12 13 4.5",
  chevron: "M4 6l4 4 4-4",
  clock: "M8 4.5V8l2.5 1.5M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M6 5V3h7v8h-2M3 5h8v8H3z",
  left: "M10 4 6 8l4 4",
  list: "M3 4h10M3 8h10M3 12h6",
  minus: "M3 8h10",
  more: "M8 3.5v.01M8 8v.01M8 12.5v.01",
  person: "M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM3 13.5c.6-2.3 2.6-3.5 5-3.5s4.4 1.2 5 3.5",
  play: "M5 3.5v9l7-4.5z",
  refresh: "M13 3v3.5H9.5M12.7 6.5A5 5 0 1 0 13 9",
  right: "M6 4l4 4-4 4",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM11 11l3 3",
  sort: "M5 6l3-3 3 3M5 10l3 3 3-3",
  stop: "M4.5 4.5h7v7h-7z",
  warning: "M8 6v3M8 11.5v.01M8 2 1.8 13.5h12.4z",
  info: "M8 7.5v3.5M8 5v.01M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
};

/** An icon beside a text, or in a button with a label; screen readers skip it. */
export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A text from outside: isolated from the direction of its surroundings, clipped, without control characters. */
export function Foreign({ text, limit }: { text: string; limit?: number }) {
  return <bdi>{visible(text, limit)}</bdi>;
}

/** Labels of a series, an alert or a target. */
export function Pairs({ labels }: { labels: Labels }) {
  return (
    <div class="pairs">
      {Object.entries(labels).map(([name, value]) => (
        <span key={name}>
          <Foreign text={`${name}=${value}`} limit={200} />
        </span>
      ))}
    </div>
  );
}

interface NoticeProps {
  kind: "error" | "warning" | "info";
  title?: string | undefined;
  children?: ComponentChildren;
}

export function Notice({ kind, title, children }: NoticeProps) {
  return (
    <div class={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
      <Icon name={kind === "info" ? "info" : "warning"} />
      <div class="notice-body">
        {title === undefined ? null : <strong>{title}</strong>}
        {children}
      </div>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <svg class="empty-mark" viewBox="0 0 64 40" aria-hidden="true" focusable="false">
        <path d="M2 38h60M6 30l12-10 9 7 13-17 9 9 9-13" />
      </svg>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Grey bars in place of what is being loaded. */
export function Skeleton({ rows = 4 }: { rows?: number }) {
  return (
    <div class="skeleton" role="status" aria-label={texts.loading}>
      {Array.from({ length: rows }, (_, index) => (
        <span key={index} />
      ))}
    </div>
  );
}

interface FieldProps {
  label: string;
  hint?: string;
  error?: string | null;
  children: (attributes: { id: string; "aria-describedby"?: string; "aria-invalid"?: "true" }) => ComponentChildren;
}

/** A labelled control with a hint and an error that screen readers connect with it. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const described = [hint === undefined ? "" : `${id}-hint`, error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({
        id,
        ...(described ? { "aria-describedby": described } : {}),
        ...(error ? { "aria-invalid": "true" as const } : {}),
      })}
      {hint === undefined ? null : (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error ? (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      ) : null}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; text: string }[];
  onChange: (value: T) => void;
  hideLabel?: boolean;
}

/** Radio buttons in one row. */
export function Choice<T extends string>({ label, value, options, onChange, hideLabel = false }: ChoiceProps<T>) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend class={hideLabel ? "hidden" : ""}>{label}</legend>
      <div class="choice-options">
        {options.map((option) => (
          <label key={option.value} class={option.value === value ? "chosen" : ""}>
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              onChange={() => onChange(option.value)}
            />
            <span>{option.text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface PopoverProps {
  label: string;
  button: ComponentChildren;
  class?: string;
  align?: "left" | "right";
  children: (close: () => void) => ComponentChildren;
}

/** A button that opens a small panel. Escape and a click elsewhere close it. */
export function Popover({ label, button, class: name = "button", align = "right", children }: PopoverProps) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const id = useId();
  const close = () => {
    setOpen(false);
    trigger.current?.focus();
  };
  useEffect(() => {
    if (!open) return undefined;
    const onPointer = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape") close();
    };
    const onFocus = (event: FocusEvent) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPointer);
    document.addEventListener("keydown", onKey);
    document.addEventListener("focusin", onFocus);
    root.current?.querySelector<HTMLElement>(".popover input, .popover button:enabled, .popover a")?.focus();
    return () => {
      document.removeEventListener("pointerdown", onPointer);
      document.removeEventListener("keydown", onKey);
      document.removeEventListener("focusin", onFocus);
    };
  }, [open]);
  return (
    <div class="popover-root" ref={root}>
      <button
        type="button"
        ref={trigger}
        class={name}
        aria-label={label}
        title={label}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open ? (
        <div class={`popover ${align}`} id={id} role="group" aria-label={label}>
          {children(close)}
        </div>
      ) : null}
    </div>
  );
}

interface DialogProps {
  title: string;
  onClose: (() => void) | null;
  class?: string;
  children: ComponentChildren;
}

/** A modal dialog; without `onClose` it stays until its content removes it. */
export function Dialog({ title, onClose, class: name = "", children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  const shown = useRef(true);
  // Before the effects of the content, which may focus a field.
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => {
      shown.current = false;
      dialog?.close();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={`dialog ${name}`}
      aria-labelledby={id}
      onCancel={(event: Event) => {
        event.preventDefault();
        onClose?.();
      }}
      onClose={() => {
        // A browser closes it at the second Escape, whatever the first one's handler did.
        if (!shown.current) return;
        if (onClose === null) element.current?.showModal();
        else onClose();
      }}
      onClick={(event: Event) => {
        if (event.target === element.current) onClose?.();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={id}>{title}</h2>
          {onClose === null ? null : (
            <button type="button" class="button quiet square" aria-label={texts.close} onClick={onClose}>
              <Icon name="close" />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** A button that copies a text and says so. */
export function Copy({ text, label = texts.copy, small = true }: { text: string; label?: string; small?: boolean }) {
  const [state, setState] = useState<"" | "copied" | "failed">("");
  useEffect(() => {
    if (!state) return undefined;
    const timer = setTimeout(() => setState(""), 3000);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setState("copied"),
      () => setState("failed"),
    );
  };
  return (
    <button type="button" class={small ? "button small" : "button"} onClick={copy}>
      <Icon name={state === "copied" ? "check" : "copy"} />
      <span aria-live="polite">{state === "copied" ? texts.copied : state === "failed" ? texts.copyFailed : label}</span>
    </button>
  );
}

/** A text in fixed-width letters that can be copied. */
export function Code({ text, shown = text, label }: { text: string; shown?: string; label: string }) {
  return (
    <div class={text.includes("\n") ? "code" : "code line"}>
      <pre tabIndex={0} aria-label={label}>
        {shown}
      </pre>
      <Copy text={text} />
    </div>
  );
}

interface SearchProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  /** Whether it takes the focus when it appears. */
  focus?: boolean;
}

export function SearchBox({ label, value, onInput, focus = false }: SearchProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (focus) input.current?.focus();
  }, []);
  return (
    <div class="search">
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        aria-label={label}
        placeholder={label}
        value={value}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </div>
  );
}

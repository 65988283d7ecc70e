/** Loading of what a page shows, and its errors. */

import { useEffect, useRef, useState } from "preact/hooks";

import { ApiError } from "../api/http";
import { UnexpectedAnswer } from "../api/results";
import { formatClock } from "../lib/time";
import { settings } from "../settings";
import { useStore } from "../lib/store";
import { texts } from "../texts";
import { Foreign, Notice } from "./widgets";

export interface Loaded<T> {
  data: T | null;
  error: unknown;
  loading: boolean;
  reload: () => void;
  /** Ends the request; data of the same inputs stays. */
  cancel: () => void;
}

interface State<T> {
  data: T | null;
  error: unknown;
  loading: boolean;
  /** The inputs that the data belongs to. */
  inputs: readonly unknown[];
}

/**
 * Loads data when `inputs` or `times` change. Data of other `inputs` is never returned; when only `times` change, as in a
 * refresh, the last data stays until the next arrives.
 */
export function useLoad<T>(
  load: (signal: AbortSignal) => Promise<T>,
  inputs: readonly unknown[],
  times: readonly unknown[] = [],
): Loaded<T> {
  const begin = (): State<T> => ({ data: null, error: null, loading: true, inputs });
  const [state, setState] = useState(begin);
  const isCurrent = (one: State<T>) => one.inputs.every((input, index) => input === inputs[index]);
  const [count, setCount] = useState(0);
  const request = useRef<AbortController | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    request.current = controller;
    setState((before) => (isCurrent(before) ? { ...before, loading: true } : begin()));
    load(controller.signal).then(
      (data) => {
        if (!controller.signal.aborted) setState({ data, error: null, loading: false, inputs });
      },
      (error: unknown) => {
        if (!controller.signal.aborted) setState({ data: null, error, loading: false, inputs });
      },
    );
    return () => controller.abort();
  }, [...inputs, ...times, count]);
  const { data, error, loading } = isCurrent(state) ? state : begin();
  return {
    data,
    error,
    loading,
    reload: () => setCount((before) => before + 1),
    cancel: () => {
      request.current?.abort();
      setState((before) => ({ ...before, error: null, loading: false }));
    },
  };
}

interface Described {
  title: string;
  detail: string;
  hint: string;
}

/** Returns what happened and what to do. */
export function describe(error: unknown, clock: (time: number) => string): Described {
  const text = texts.errors;
  if (error instanceof UnexpectedAnswer) return { title: text.unexpected, detail: "", hint: text.unexpectedHint };
  if (!(error instanceof ApiError)) return { title: text.script, detail: "", hint: text.scriptHint };
  const detail = error.message;
  switch (error.status) {
    case 0:
      return { title: text.offline, detail, hint: text.offlineHint };
    case 400:
      return { title: text.query, detail, hint: "" };
    case 401:
      return { title: text.unauthorized, detail, hint: "" };
    case 403:
      return { title: text.forbidden, detail, hint: text.forbiddenHint };
    case 413:
    case 414:
    case 431:
      return { title: text.tooLarge, detail, hint: "" };
    case 422:
      return { title: text.execution, detail, hint: "" };
    case 429:
      return {
        title: text.tooMany,
        detail,
        hint: error.retryAt === null ? text.tooManyLater : text.tooManyHint(clock(error.retryAt)),
      };
    case 502:
    case 503:
      return { title: text.unavailable, detail, hint: text.unavailableHint };
    case 504:
      return { title: text.timeout, detail, hint: text.timeoutHint };
    default:
      if (error.status < 300) return { title: text.unexpected, detail, hint: text.unexpectedHint };
      return { title: text.other(error.status), detail, hint: "" };
  }
}

/** An error with what to do about it. A request that is invalid is not worth another try. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { zone } = useStore(settings);
  const { title, detail, hint } = describe(error, (time) => formatClock(time, zone));
  return (
    <Notice kind="error" title={title}>
      {detail ? (
        <pre class="error-detail">
          {detail.split("\n").map((line, index) => (
            <div key={index}>
              <Foreign text={line} limit={1000} />
            </div>
          ))}
        </pre>
      ) : null}
      {hint ? <p>{hint}</p> : null}
      {onRetry && !(error instanceof ApiError && error.status === 400) ? (
        <button type="button" class="button small" onClick={onRetry}>
          {texts.retry}
        </button>
      ) : null}
    </Notice>
  );
}

/** Requests to the gateway, at the page's own origin. */

import { createStore } from "../lib/store";

/** The gateway's path prefix: what stands before `/ui` in the page's address. */
export const prefix = location.pathname.replace(/\/ui\/?$/, "").replace(/\/$/, "");

/** The URL of the gateway, for other clients. */
export const gatewayUrl = location.origin + prefix;

const MAX_GET = 2000;

/** An error answer. Status 0: there was no answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** When to try again, in seconds of the browser's clock; null if the answer does not say. */
    readonly retryAt: number | null = null,
    /** The decoded answer, null if it is not JSON. */
    readonly body: unknown = null,
  ) {
    super(message);
  }
}

let csrf = "";

/** Whether the session has ended, which the log-in overlay shows. */
export const ended = createStore(false);

/** Whether the browser has entered another project in another tab, so that this tab's requests are refused. */
export const moved = createStore(false);

let project = "";

/** Keeps the project that answers of the API must be of; "" for none. */
export function setProject(id: string): void {
  project = id;
}

/** Returns the token that the next POST sends. */
export function csrfToken(): string {
  return csrf;
}

/** Keeps the token that the next POST sends. */
export function setCsrf(token: string): void {
  csrf = token;
}

export interface Call {
  parameters?: URLSearchParams;
  /** Sent as JSON by POST. */
  json?: unknown;
  /** The only project whose series the answer may have; null for all that the caller may see. */
  only?: string | null;
  signal?: AbortSignal | undefined;
}

const aborted = () => new DOMException("aborted", "AbortError");

/** Sets a store, and resolves when it is unset again; rejects if the signal aborts. */
function settled(store: typeof ended, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return Promise.reject(aborted());
  store.set(true);
  return new Promise((resolve, reject) => {
    const unsubscribe = store.subscribe(() => {
      unsubscribe();
      resolve();
    });
    signal?.addEventListener("abort", () => {
      unsubscribe();
      reject(aborted());
    });
  });
}

/** Returns the time of a `Retry-After` header (RFC 9110, 10.2.3). */
function retryAt(response: Response): number | null {
  const header = response.headers.get("Retry-After");
  if (header === null) return null;
  const now = Date.now() / 1000;
  if (/^\d+$/.test(header)) return now + Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : date / 1000;
}

async function failure(response: Response): Promise<ApiError> {
  let message = "";
  let body: unknown = null;
  try {
    body = await response.json();
    if (typeof body === "object" && body !== null && "error" in body && typeof body.error === "string") {
      message = body.error;
    }
  } catch {
    message = "";
  }
  return new ApiError(response.status, message, retryAt(response), body);
}

async function send(path: string, call: Call): Promise<Response> {
  const { parameters, json, only = null, signal } = call;
  const text = parameters?.toString() ?? "";
  const post = json !== undefined || text.length > MAX_GET;
  const headers: Record<string, string> = project ? { "X-Chrysaetos-Page-Project": project } : {};
  if (only !== null) headers["X-Chrysaetos-Project"] = only;
  const init: RequestInit = { credentials: "same-origin", cache: "no-store", redirect: "error", signal: signal ?? null, headers };
  if (post) {
    init.method = "POST";
    headers["X-CSRF-Token"] = csrf;
    if (json !== undefined) {
      headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(json);
    } else {
      headers["Content-Type"] = "application/x-www-form-urlencoded";
      init.body = text;
    }
  }
  const url = prefix + path + (post || !text ? "" : `?${text}`);
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "");
  }
  if (!response.ok) throw await failure(response);
  return response;
}

/**
 * Sends a request of the page itself, such as log-in, and returns the decoded answer.
 *
 * @throws ApiError - the request failed.
 */
export async function ask(path: string, call: Call = {}): Promise<unknown> {
  const response = await send(path, call);
  return response.status === 204 ? null : ((await response.json()) as unknown);
}

/**
 * Sends a request to the API and returns the decoded answer. If the session has ended, it waits until the user has
 * logged in again, so that the page stays as it was; if another tab has entered another project, until this tab's
 * project is entered again.
 *
 * @throws ApiError - the request failed.
 */
export async function api(path: string, call: Call = {}): Promise<unknown> {
  const of = project;
  for (;;) {
    if (project !== of) throw aborted();
    try {
      const response = await send(path, call);
      let body: unknown;
      try {
        body = await response.json();
      } catch (error) {
        if (error instanceof DOMException) throw error;
        throw new ApiError(response.status, "");
      }
      return body;
    } catch (error) {
      const store = error instanceof ApiError ? { 401: ended, 409: moved }[error.status] : undefined;
      if (store === undefined) throw error;
      await settled(store, call.signal);
    }
  }
}

/** Returns the `data` of an answer of Prometheus' API. */
export async function apiData(path: string, call: Call = {}): Promise<unknown> {
  const body = await api(path, call);
  return typeof body === "object" && body !== null && "data" in body ? body.data : null;
}

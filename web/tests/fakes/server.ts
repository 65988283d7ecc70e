/** A small stand-in for the gateway: answers by path, and records what was asked. */

import { vi } from "vitest";

export interface Asked {
  path: string;
  method: string;
  headers: Record<string, string>;
  body: string;
}

export type Reply = (asked: Asked) => Response | Promise<Response>;

export const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });

export const failed = (status: number, error: string, headers: Record<string, string> = {}) =>
  json({ status: "error", errorType: "x", error }, status, headers);

export class FakeServer {
  readonly asked: Asked[] = [];
  private readonly replies = new Map<string, Reply>();

  /** Sets the answer of a path, without its query. */
  on(path: string, reply: Reply): this {
    this.replies.set(path, reply);
    return this;
  }

  /** Returns the requests of a path. */
  to(path: string): Asked[] {
    return this.asked.filter((one) => one.path.split("?")[0] === path);
  }

  install(): this {
    vi.stubGlobal("fetch", async (url: string, init: RequestInit = {}) => {
      const asked: Asked = {
        path: url,
        method: init.method ?? "GET",
        headers: { ...(init.headers as Record<string, string> | undefined) },
        body: typeof init.body === "string" ? init.body : "",
      };
      this.asked.push(asked);
      const reply = this.replies.get(url.split("?")[0] ?? "");
      if (reply === undefined) throw new TypeError("no such path in the stand-in");
      const { signal } = init;
      return new Promise((resolve, reject) => {
        const abort = () => reject(new DOMException("aborted", "AbortError"));
        if (signal?.aborted) abort();
        signal?.addEventListener("abort", abort);
        Promise.resolve(reply(asked)).then(resolve, reject);
      });
    });
    return this;
  }
}

export const session = (project = "p1", user = "u1") => ({
  user: { id: user, name: "aquila", domain: "Default" },
  project: { id: project, name: `name of ${project}`, domain: "Default" },
  roles: ["member"],
  expires_at: 4_000_000_000,
  kind: "password" as const,
});

export const whoami = () => json({ status: "success", data: { rules: { "telemetry:query": "project" } } });

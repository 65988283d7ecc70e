import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { api, ApiError, ask, ended, moved, setCsrf, setProject } from "../../src/api/http";
import { failed, FakeServer, json } from "../fakes/server";

let server: FakeServer;

beforeEach(() => {
  server = new FakeServer().install();
  setCsrf("token-1");
  setProject("");
  ended.set(false);
  moved.set(false);
});

afterEach(() => vi.unstubAllGlobals());

const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApiError)) throw new Error("no ApiError");
  return error;
};

describe("requests", () => {
  it("reads with GET, and with POST and the CSRF token where the address would be long", async () => {
    server.on("/api/v1/query", () => json({ data: 1 }));
    await api("/api/v1/query", { parameters: new URLSearchParams({ query: "a b" }) });
    await api("/api/v1/query", { parameters: new URLSearchParams({ query: "x".repeat(3000) }) });
    const [short, long] = server.asked;
    expect(short).toMatchObject({ path: "/api/v1/query?query=a+b", method: "GET", body: "" });
    expect(long).toMatchObject({ path: "/api/v1/query", method: "POST", body: `query=${"x".repeat(3000)}` });
    expect(long?.headers).toEqual({ "X-CSRF-Token": "token-1", "Content-Type": "application/x-www-form-urlencoded" });
  });

  it("sends JSON with the CSRF token", async () => {
    server.on("/ui/logout", () => new Response(null, { status: 204 }));
    expect(await ask("/ui/logout", { json: {} })).toBeNull();
    expect(server.asked[0]).toMatchObject({ method: "POST", body: "{}", headers: { "X-CSRF-Token": "token-1", "Content-Type": "application/json" } });
  });

  it("name the page's project", async () => {
    server.on("/a", () => json({}));
    setProject("p1");
    await api("/a");
    expect(server.asked[0]?.headers).toEqual({ "X-Chrysaetos-Page-Project": "p1" });
  });
});

describe("errors", () => {
  it("have the server's text and the time to try again", async () => {
    server.on("/q", () => failed(429, "slow down", { "Retry-After": "90" }));
    const error = await failure(api("/q"));
    expect(error).toMatchObject({ status: 429, message: "slow down" });
    expect(error.retryAt).toBeCloseTo(Date.now() / 1000 + 90, -1);
  });

  it("read a date in Retry-After", async () => {
    server.on("/q", () => failed(503, "", { "Retry-After": "Sat, 28 Nov 2026 11:09:24 GMT" }));
    expect((await failure(api("/q"))).retryAt).toBe(1_795_864_164);
  });

  it("bear answers that are not JSON", async () => {
    server.on("/q", () => new Response("<html>", { status: 502 })).on("/ok", () => new Response("<html>", { status: 200 }));
    expect(await failure(api("/q"))).toMatchObject({ status: 502, message: "", retryAt: null });
    expect(await failure(api("/ok"))).toMatchObject({ status: 200 });
  });

  it("have no status if there is no answer", async () => expect(await failure(api("/nowhere"))).toMatchObject({ status: 0 }));
});

describe("the end of the session", () => {
  it("waits for the log-in and asks again", async () => {
    let alive = false;
    server.on("/q", () => (alive ? json({ data: "x" }) : failed(401, "log in")));
    const answer = api("/q");
    await vi.waitFor(() => expect(ended.get()).toBe(true));
    alive = true;
    ended.set(false);
    expect(await answer).toEqual({ data: "x" });
    expect(server.to("/q")).toHaveLength(2);
  });

  it("is none while nobody waits for the answer", async () => {
    server.on("/q", () => failed(401, "log in"));
    const controller = new AbortController();
    controller.abort();
    await expect(api("/q", { signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(ended.get()).toBe(false);
  });

  it("gives up what is not wanted any more", async () => {
    server.on("/q", () => failed(401, "log in"));
    const controller = new AbortController();
    const answer = api("/q", { signal: controller.signal });
    await vi.waitFor(() => expect(ended.get()).toBe(true));
    controller.abort();
    await expect(answer).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("another project", () => {
  it("waits until the page's project is entered again", async () => {
    let current = "p2";
    server.on("/q", (asked) => (asked.headers["X-Chrysaetos-Page-Project"] === current ? json({ data: current }) : failed(409, "moved")));
    setProject("p1");
    const answer = api("/q");
    await vi.waitFor(() => expect(moved.get()).toBe(true));
    current = "p1";
    moved.set(false);
    expect(await answer).toEqual({ data: "p1" });
  });

  it("drops what was asked for the project that the page has left", async () => {
    server.on("/q", () => failed(409, "moved"));
    setProject("p1");
    const answer = api("/q");
    await vi.waitFor(() => expect(moved.get()).toBe(true));
    setProject("p2");
    moved.set(false);
    await expect(answer).rejects.toMatchObject({ name: "AbortError" });
    expect(server.to("/q")).toHaveLength(1);
  });
});

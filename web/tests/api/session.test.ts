import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ended, moved } from "../../src/api/http";
import { compare, createCredential, elsewhere, logIn, logOut, notRevoked, now, providers, start, state, switchProject, watch } from "../../src/api/session";
import { failed, FakeServer, json, session, whoami } from "../fakes/server";

let server: FakeServer;

const LOGIN = { method: "password", user: "aquila", domain: "Default", password: "secret", project: null } as const;

beforeEach(() => {
  server = new FakeServer().install().on("/-/whoami", whoami);
  state.set({ kind: "loading" });
  elsewhere.set(null);
  ended.set(false);
  moved.set(false);
  location.hash = "";
  window.localStorage.clear();
});

afterEach(() => vi.unstubAllGlobals());

const active = () => {
  const current = state.get();
  if (current.kind !== "active") throw new Error(`the state is ${current.kind}`);
  return current;
};

describe("the session", () => {
  it("begins without one", async () => {
    server.on("/ui/session", () => json({ csrf: "a", session: null, websso: [{ id: "x", name: "X" }], version: "1", server_time: 5000 }));
    await start();
    expect(state.get().kind).toBe("anonymous");
    expect(providers.get()).toEqual([{ id: "x", name: "X" }]);
    expect(now()).toBeCloseTo(5000, 0);
  });

  it("says why it cannot begin", async () => {
    server.on("/ui/session", () => failed(503, "Keystone"));
    await start();
    expect(state.get()).toMatchObject({ kind: "failed", error: { status: 503 } });
  });

  it("logs in, with what the policy permits", async () => {
    server.on("/ui/session", () => json({ csrf: "a", session: null })).on("/ui/login", () => json({ csrf: "b", session: session() }));
    await start();
    await logIn(LOGIN);
    expect(active().access).toEqual({ "telemetry:query": "project" });
    expect(JSON.parse(server.to("/ui/login")[0]?.body ?? "")).toEqual(LOGIN);
    server.on("/ui/project", () => json({ csrf: "c", session: session("p2") }));
    await switchProject("p2");
    expect(server.to("/ui/project")[0]?.headers["X-CSRF-Token"]).toBe("b");
    expect(active().session.project.id).toBe("p2");
  });

  it("asks for a new CSRF token once", async () => {
    let token = "new";
    server
      .on("/ui/session", () => json({ csrf: token, session: null }))
      .on("/ui/login", (asked) => (asked.headers["X-CSRF-Token"] === "newest" ? json({ csrf: "d", session: session() }) : failed(403, "csrf")));
    await start();
    token = "newest";
    await logIn(LOGIN);
    expect(state.get().kind).toBe("active");
    server.on("/ui/login", () => failed(403, "no project"));
    token = "d";
    await expect(logIn(LOGIN)).rejects.toMatchObject({ status: 403 });
    expect(server.to("/ui/login")).toHaveLength(3);
  });

  it("keeps the page when the same user logs in again, and not for another", async () => {
    server.on("/ui/session", () => json({ csrf: "a", session: session() })).on("/ui/login", () => json({ csrf: "b", session: session() }));
    await start();
    const before = active();
    ended.set(true);
    await logIn(LOGIN);
    expect(ended.get()).toBe(false);
    expect(active()).toBe(before);
    server.on("/ui/login", () => json({ csrf: "b", session: session("p1", "u2") }));
    await logIn(LOGIN);
    expect(active()).not.toBe(before);
  });

  it("notices what another tab has done", async () => {
    server.on("/ui/session", () => json({ csrf: "a", session: session("p1") }));
    await start();
    server.on("/ui/session", () => json({ csrf: "a", session: session("p2") }));
    await compare();
    expect(elsewhere.get()?.project.id).toBe("p2");
    expect(active().session.project.id).toBe("p1");
    server.on("/ui/session", () => json({ csrf: "a", session: null }));
    await compare();
    expect(ended.get()).toBe(true);
  });

  it("shows the log-in if Keystone has revoked the token", async () => {
    server.on("/ui/session", () => json({ csrf: "a", session: session() })).on("/-/whoami", () => failed(401, "revoked"));
    await start();
    expect(state.get().kind).toBe("anonymous");
    expect(ended.get()).toBe(false);
  });

  it("runs the queries of its project again when another tab has come back", async () => {
    server.on("/ui/session", () => json({ csrf: "a", session: session("p1") }));
    await start();
    const before = active();
    server.on("/ui/session", () => json({ csrf: "a", session: session("p2") }));
    watch();
    moved.set(true); // as a refused request does
    await vi.waitFor(() => expect(elsewhere.get()?.project.id).toBe("p2"));
    server.on("/ui/session", () => json({ csrf: "a", session: session("p1") }));
    await compare();
    expect([elsewhere.get(), moved.get()]).toEqual([null, false]);
    expect(active()).toBe(before);
  });

  it("goes on when another tab has logged in again", async () => {
    server.on("/ui/session", () => json({ csrf: "a", session: session() }));
    await start();
    ended.set(true);
    server.on("/-/whoami", () => failed(401, "revoked"));
    await compare();
    expect(ended.get()).toBe(true);
    server.on("/-/whoami", whoami);
    await compare();
    expect(ended.get()).toBe(false);
  });

  it.each([true, false])("logs out, and leaves no query behind; revoked: %s", async (revoked) => {
    server.on("/ui/session", () => json({ csrf: "a", session: session() })).on("/ui/logout", () => json({ revoked, error: null }));
    await start();
    location.hash = "#/explore?q0=secret_metric";
    window.localStorage.setItem("chrysaetos.history.u1", JSON.stringify([{ query: "secret_metric", time: 1 }]));
    await logOut();
    expect(state.get().kind).toBe("anonymous");
    expect(notRevoked.get()).toBe(!revoked);
    expect(location.hash + JSON.stringify(Object.entries(window.localStorage))).not.toContain("secret_metric");
  });

  it("creates credentials", async () => {
    const made = { id: "i", name: "n", secret: "s", roles: ["reader"] };
    server.on("/ui/credential", () => json(made));
    expect(await createCredential("n", 1_795_864_164)).toEqual(made);
    expect(JSON.parse(server.asked[0]?.body ?? "")).toEqual({ name: "n", expires_at: 1_795_864_164 });
    await createCredential("n", null);
    expect(JSON.parse(server.asked[1]?.body ?? "")).toEqual({ name: "n" });
  });

  it("keeps no password and no token in the browser", async () => {
    server.on("/ui/session", () => json({ csrf: "a", session: null })).on("/ui/login", () => json({ csrf: "csrf-b", session: session() }));
    await start();
    await logIn(LOGIN);
    const kept = [window.localStorage, window.sessionStorage].map((storage) => JSON.stringify(Object.entries(storage))).join("") + document.cookie;
    expect(kept).not.toMatch(/secret|csrf/);
  });
});

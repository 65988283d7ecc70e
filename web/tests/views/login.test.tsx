import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { providers, start, state } from "../../src/api/session";
import { texts } from "../../src/texts";
import { LoginPage } from "../../src/views/login";
import { failed, FakeServer, json, session, whoami } from "../fakes/server";

let server: FakeServer;
let host: HTMLElement;

beforeEach(async () => {
  server = new FakeServer().install().on("/-/whoami", whoami).on("/ui/session", () => json({ csrf: "a", session: null }));
  providers.set([]);
  await start();
  host = document.createElement("div");
  document.body.append(host);
  await act(() => render(<LoginPage />, host));
});

afterEach(() => {
  render(null, host);
  host.remove();
  vi.unstubAllGlobals();
});

const input = (name: string) => host.querySelector<HTMLInputElement>(`input[name="${name}"]`);

async function submit(): Promise<void> {
  await act(() => {
    host.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true, bubbles: true }));
  });
}

function fill(name: string, value: string): void {
  const element = input(name);
  if (element === null) throw new Error(`there is no field ${name}`);
  element.value = value;
}

describe("log-in", () => {
  it("labels its fields", () => {
    for (const field of host.querySelectorAll<HTMLInputElement>(".field input")) {
      expect(host.querySelector(`label[for="${field.id}"]`)?.textContent).toBeTruthy();
    }
  });

  it("sends user, domain, password and project", async () => {
    server.on("/ui/login", () => json({ csrf: "b", session: session() }));
    fill("user", "aquila");
    fill("domain", "d");
    fill("password", "pässword");
    fill("project", "p");
    await submit();
    await vi.waitFor(() => expect(state.get().kind).toBe("active"));
    expect(JSON.parse(server.to("/ui/login")[0]?.body ?? "")).toEqual({
      method: "password",
      user: "aquila",
      domain: "d",
      password: "pässword",
      project: { name: "p", domain: "d" },
    });
  });

  it.each([
    [401, {}, texts.login.wrong],
    [403, {}, texts.login.noProject],
    [503, {}, texts.login.down],
    [429, {}, texts.login.lockedLater],
    [500, {}, texts.login.other(500)],
  ])("explains status %d", async (status, headers, text) => {
    server.on("/ui/login", () => failed(status, "x", headers));
    await submit();
    await vi.waitFor(() => expect(host.querySelector('[role="alert"]')?.textContent).toBe(text));
  });

  it("says until when it is locked, and does not send before", async () => {
    server.on("/ui/login", () => failed(429, "x", { "Retry-After": "120" }));
    await submit();
    await vi.waitFor(() => expect(host.querySelector('[role="alert"]')?.textContent).toMatch(/Try again at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(in 2 min\)/));
    expect(host.querySelector<HTMLButtonElement>('button[type="submit"]')?.disabled).toBe(true);
    await submit();
    expect(server.to("/ui/login")).toHaveLength(1);
  });

  it("takes application credentials", async () => {
    server.on("/ui/login", () => failed(401, "x"));
    await act(() => host.querySelector<HTMLInputElement>('input[value="application_credential"]')?.click());
    fill("id", " abc ");
    fill("secret", "s");
    await submit();
    await vi.waitFor(() => expect(host.querySelector('[role="alert"]')?.textContent).toBe(texts.login.wrongCredential));
    expect(JSON.parse(server.to("/ui/login")[0]?.body ?? "")).toEqual({ method: "application_credential", id: "abc", secret: "s" });
  });

  it("offers the identity providers, whose names are text", async () => {
    await act(() => providers.set([{ id: "x", name: "<b>X</b>" }]));
    expect(host.querySelector(".sso button")?.textContent).toBe(texts.login.provider("<b>X</b>"));
    expect(host.querySelector("b")).toBeNull();
  });
});

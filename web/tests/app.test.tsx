import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { state } from "../src/api/session";
import { App } from "../src/app";
import { parseRoute } from "../src/lib/state";
import { navigate } from "../src/route";
import { FakeServer, session } from "./fakes/server";

// happy-dom does not lay out text, which the editor needs.
vi.mock("../src/editor/editor", () => ({ createEditor: () => ({ set: vi.fn(), focus: vi.fn(), destroy: vi.fn() }) }));

let host: HTMLElement;

beforeEach(() => {
  new FakeServer().install();
  host = document.createElement("div");
  document.body.append(host);
  state.set({ kind: "active", session: session(), access: {} });
});

afterEach(() => {
  render(null, host);
  host.remove();
  vi.unstubAllGlobals();
});

const go = (page: string, parameters: Record<string, string> = {}) => act(() => navigate(page, new URLSearchParams(parameters)));
const explore = () => {
  const link = [...host.querySelectorAll<HTMLAnchorElement>("nav a")].find((one) => one.textContent === "Explore");
  return Object.fromEntries(parseRoute(link?.getAttribute("href") ?? "").parameters);
};

it("leads back to the queries of Explore, and from Explore to its start", async () => {
  await go("explore", { q0: "up", range: "6h", only: "p" });
  await act(() => render(<App />, host));
  expect(explore()).toEqual({ only: "p" });
  await go("alerts", { only: "q" });
  expect(explore()).toEqual({ q0: "up", range: "6h", only: "q" });
  await go("alerts");
  expect(explore()).toEqual({ q0: "up", range: "6h" });
});

it("forgets the queries at the end of the session", async () => {
  await go("explore", { q0: "up" });
  await act(() => render(<App />, host));
  await act(() => state.set({ kind: "anonymous" }));
  await go("alerts");
  await act(() => state.set({ kind: "active", session: session("p1", "u2"), access: {} }));
  expect(explore()).toEqual({});
});

it("moves the focus to a page whose link is gone, and leaves it on one that stays", async () => {
  await go("servers");
  await act(() => render(<App />, host));
  (document.activeElement as HTMLElement | null)?.blur();
  await go("servers/s1");
  expect(document.activeElement?.id).toBe("content");
  const link = host.querySelector<HTMLElement>("nav a");
  link?.focus();
  await go("alerts");
  expect(document.activeElement).toBe(link);
});

import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { state } from "../../src/api/session";
import { Explore } from "../../src/explore/explore";
import { parseRoute } from "../../src/lib/state";
import { navigate, route } from "../../src/route";
import { failed, FakeServer, json, session } from "../fakes/server";

// jsdom does not lay out text, which the editor needs.
const editor = vi.hoisted(() => ({ set: vi.fn(), focus: vi.fn(), destroy: vi.fn(), type: vi.fn<(text: string) => void>() }));
vi.mock("../../src/editor/editor", () => ({
  createEditor: ({ onChange }: { onChange: (text: string) => void }) => Object.assign(editor, { type: onChange }),
}));

const EMPTY = { status: "success", data: { resultType: "vector", result: [] } };
// happy-dom has no canvas.
vi.mock("../../src/graph/lazy", () => ({ LazyGraph: ({ lines }: { lines: unknown[] }) => <div class="graph">{lines.length}</div> }));

let host: HTMLElement;
let server: FakeServer;
let answers: ((response: Response) => void)[];

beforeEach(() => {
  answers = [];
  server = new FakeServer()
    .install()
    .on("/api/v1/query", () => new Promise<Response>((resolve) => answers.push(resolve)));
  host = document.createElement("div");
  document.body.append(host);
});

afterEach(() => {
  render(null, host);
  host.remove();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function open(parameters: Record<string, string>, access = "project") {
  state.set({ kind: "active", session: session(), access: { "telemetry:query": access } });
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  navigate("explore", new URLSearchParams(parameters));
  await act(() => render(<Explore />, host));
}

const tick = () =>
  act(() => {
    vi.advanceTimersByTime(5000);
  });
const queries = () => server.to("/api/v1/query");
const statistics = () => host.querySelector(".stats");

it("lets a slow query end before it refreshes, and does not announce what a timer refreshed", async () => {
  await open({ q0: "up", view0: "table", refresh: "5s" });
  await vi.waitFor(() => expect(queries()).toHaveLength(1));
  await tick();
  await tick();
  expect(queries()).toHaveLength(1);
  answers[0]?.(json(EMPTY));
  await vi.waitFor(() => expect(statistics()?.getAttribute("aria-live")).toBe("polite"));
  // What is drawn is a moment later no longer busy.
  await vi.waitFor(async () => {
    await tick();
    expect(queries()).toHaveLength(2);
  });
  expect(statistics()?.getAttribute("aria-live")).toBe("off");
});

it("is no longer busy when a panel that loads is removed", async () => {
  await open({ q0: "up", view0: "table", q1: "slow", view1: "table", refresh: "5s" });
  await vi.waitFor(() => expect(queries()).toHaveLength(2));
  answers[0]?.(json(EMPTY));
  await vi.waitFor(() => expect(statistics()).not.toBeNull());
  await act(() => navigate("explore", new URLSearchParams({ q0: "up", view0: "table", refresh: "5s" })));
  await tick();
  await vi.waitFor(() => expect(queries()).toHaveLength(3));
});

it.each([
  { only: "p", access: "all_projects", sent: "p" },
  { only: "p,q", access: "all_projects", sent: undefined },
  { only: "p", access: "project", sent: undefined },
])("asks for the chosen project ($only, $access)", async ({ only, access, sent }) => {
  await open({ q0: "up", view0: "table", only }, access);
  await vi.waitFor(() => expect(queries()).toHaveLength(1));
  expect(queries()[0]?.headers["X-Chrysaetos-Project"]).toBe(sent);
});

it.each([
  { reply: () => json({ status: "success", data: "formatted" }), typed: "typed", sent: 1 },
  { reply: () => failed(400, "parse error"), typed: "typed", sent: 1 },
  { reply: () => failed(503, "down"), typed: null, sent: 1 },
  { reply: () => failed(400, "parse error"), typed: null, sent: 2 },
])("formats only what has not been changed since ($typed, $sent)", async ({ reply, typed, sent }) => {
  const response = reply();
  const read = vi.spyOn(response, "json");
  let answer: () => void = vi.fn();
  server.on("/api/v1/format_query", () => new Promise<Response>((resolve) => (answer = () => resolve(response))));
  await open({ q0: "up", view0: "table" });
  await vi.waitFor(() => expect(host.querySelector("textarea")).toBeNull());
  await act(() => host.querySelector<HTMLElement>('[aria-label="Panel actions"]')?.click());
  const items = [...host.querySelectorAll<HTMLElement>(".menu-item")];
  await act(() => items.find((item) => item.textContent.startsWith("Format"))?.click());
  await vi.waitFor(() => expect(server.to("/api/v1/format_query")).toHaveLength(1));
  if (typed !== null) await act(() => editor.type(typed));
  editor.set.mockClear();
  answer();
  await vi.waitFor(() => expect(read).toHaveResolved());
  await vi.waitFor(() => expect(queries()).toHaveLength(sent));
  expect(editor.set).not.toHaveBeenCalledWith("formatted");
});

it("cancels a slow query, and runs it again", async () => {
  await open({ q0: "up", view0: "table", refresh: "5s" });
  await vi.waitFor(() => expect(queries()).toHaveLength(1));
  const press = (name: string) => act(() => [...host.querySelectorAll("button")].find((button) => button.textContent === name)?.click());
  await press("Cancel");
  expect(host.querySelector(".notice")?.textContent).toContain("cancelled");
  expect(host.querySelector('[aria-busy="true"]')).toBeNull();
  await press("Try again");
  await vi.waitFor(() => expect(queries()).toHaveLength(2));
  answers[1]?.(json(EMPTY));
  await vi.waitFor(() => expect(statistics()).not.toBeNull());
});

it("tells how to write a time, and takes one with a zone", async () => {
  await open({ q0: "" });
  const until = host.querySelector<HTMLInputElement>('[aria-label="Until"]');
  const enter = async (text: string) => {
    if (until === null) throw new Error("there is no field");
    until.value = text;
    for (const event of [new Event("input", { bubbles: true }), new KeyboardEvent("keydown", { key: "Enter", bubbles: true })]) {
      await act(() => void until.dispatchEvent(event));
    }
  };
  const alert = () => host.querySelector('.toolbar [role="alert"]');
  await enter("yesterday");
  expect(alert()?.textContent).toContain("2026-11-28 14:30");
  expect(until?.getAttribute("aria-describedby")).toBe(alert()?.id);
  await enter("2026-11-28T11:09:24Z");
  expect(alert()).toBeNull();
  expect(route.get().parameters.get("end")).toBe("1795864164");
});

it.each([
  { name: "numbers", series: [{ values: [[0, "NaN"], [60, "1"]] }], told: undefined, drawn: 1 },
  { name: "NaN", series: [{ values: [[0, "NaN"], [60, "+Inf"]] }], told: "1 series without a line", drawn: 0 },
  { name: "some NaN", series: [{ values: [[0, "1"]] }, { values: [[0, "NaN"]] }], told: "1 series without a line", drawn: 1 },
  { name: "native histograms", series: [{ histograms: [[0, { count: "1", sum: "2" }]] }], told: "1 series of native histograms", drawn: 0 },
])("tells what of $name is not in the graph", async ({ series, told, drawn }) => {
  const result = series.map((one, index) => ({ metric: { index: String(index) }, ...one }));
  server.on("/api/v1/query_range", () => json({ status: "success", data: { resultType: "matrix", result } }));
  await open({ q0: "up", end: "60", range: "1m", step: "1m" });
  await vi.waitFor(() => expect(host.querySelector(".legend")).not.toBeNull());
  expect(host.querySelectorAll(".graph")).toHaveLength(drawn);
  const notice = host.querySelector(".notice")?.textContent;
  if (told === undefined) expect(notice).toBeUndefined();
  else expect(notice).toContain(told);
});

it("shows only one of more series than an address can name", async () => {
  const result = Array.from({ length: 500 }, (_, index) => ({ metric: { index: String(index) }, values: [[0, "1"]] }));
  server.on("/api/v1/query_range", () => json({ status: "success", data: { resultType: "matrix", result } }));
  await open({ q0: "up", end: "60", range: "1m", step: "1m" });
  await vi.waitFor(() => expect(host.querySelector(".legend")).not.toBeNull());
  const press = (selector: string) => act(() => host.querySelector<HTMLElement>(selector)?.click());
  const drawn = () => host.querySelector(".graph")?.textContent;
  await press(".legend-only");
  expect(drawn()).toBe("1");
  await press('.legend-toggle[aria-pressed="false"]');
  expect(drawn()).toBe("2");
  await press('.legend-toggle[aria-pressed="true"]');
  expect(drawn()).toBe("1");
  await press(".legend .buttons .button:last-child");
  expect(drawn()).toBe("500");
  await press(".legend-toggle");
  expect(drawn()).toBe("499");
});

it("gives a link that stays at the times that are shown", async () => {
  const copied = vi.fn<(text: string) => Promise<void>>(() => Promise.resolve());
  vi.stubGlobal("navigator", { clipboard: { writeText: copied } });
  await open({ q0: "", only: "p", refresh: "5s", range: "2h" }, "all_projects");
  const copy = (name: string) => act(() => [...host.querySelectorAll("button")].find((button) => button.textContent === name)?.click());
  await copy("Copy the link with these times");
  const { parameters } = parseRoute(new URL(copied.mock.calls[0]?.[0] ?? "").hash);
  expect(Number(parameters.get("end"))).toBeCloseTo(Date.now() / 1000, -2);
  expect(Object.fromEntries(parameters)).toMatchObject({ q0: "", only: "p", range: "2h" });
  expect(parameters.has("refresh")).toBe(false);
});

it("keeps the focus when what had it is gone", async () => {
  server.on("/api/v1/label/__name__/values", () => json({ status: "success", data: ["up"] }));
  server.on("/api/v1/query_range", () => new Promise(() => undefined));
  await open({ q0: "" });
  await vi.waitFor(() => expect(host.querySelector(".metric-list button")).not.toBeNull());
  const metric = host.querySelector<HTMLElement>(".metric-list button");
  metric?.focus();
  await act(() => metric?.click());
  expect(document.activeElement?.textContent).toBe("Graph");
  render(null, host);
  await open({ q0: "up" });
  expect(document.activeElement).toBe(document.body);
});

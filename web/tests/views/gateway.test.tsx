import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { now, start } from "../../src/api/session";
import { Gateway } from "../../src/views/gateway";
import { FakeServer, json, session } from "../fakes/server";

const RULES = { "telemetry:query": "all_projects" };
let server: FakeServer;
let host: HTMLElement;
let builds: unknown[];

beforeEach(async () => {
  server = new FakeServer()
    .install()
    .on("/ui/session", () => json({ csrf: "a", session: session() }))
    .on("/-/whoami", () => json({ status: "success", data: { rules: RULES } }))
    .on("/-/ready", () => json({ ready: true }))
    .on("/api/v1/query_range", ({ path }) =>
      json({ status: "success", data: { resultType: "matrix", result: path.includes("build_info") ? builds : [] } }),
    );
  await start();
  host = document.createElement("div");
});

afterEach(() => {
  render(null, host);
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const asked = () => server.to("/api/v1/query_range").map(({ path }) => new URLSearchParams(path.split("?")[1]));

it("begins its graphs at the first sample, and shows no more lines than there are colours", async () => {
  const first = Math.floor(now()) - 300;
  builds = [{ metric: {}, values: [[first, "1"]] }];
  await act(() => render(<Gateway />, host));
  await vi.waitFor(() => expect(host.textContent).toContain("No errors in this time range"));
  const [, ...charts] = asked();
  expect(charts).toHaveLength(3);
  for (const chart of charts) expect(Number(chart.get("start"))).toBeGreaterThanOrEqual(first);
  expect(charts[0]?.get("query")).toContain("topk(8, ");
});

it("draws its graphs again when it is refreshed", async () => {
  builds = [{ metric: {}, values: [[Math.floor(now()) - 300, "1"]] }];
  await act(() => render(<Gateway />, host));
  await vi.waitFor(() => expect(asked()).toHaveLength(4));
  vi.spyOn(Date, "now").mockReturnValue(Date.now() + 60_000);
  await act(() => host.querySelector<HTMLButtonElement>("button.square")?.click());
  await vi.waitFor(() => expect(asked()).toHaveLength(8));
});

it("tells how the gateway's own metrics are collected if there are none", async () => {
  builds = [];
  await act(() => render(<Gateway />, host));
  await vi.waitFor(() => expect(host.textContent).toContain("metrics_port"));
  expect(asked()).toHaveLength(1);
});

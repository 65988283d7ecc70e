import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Chart } from "../../src/graph/chart";
import { FakeServer, json } from "../fakes/server";

let server: FakeServer;
let host: HTMLElement;

beforeEach(() => {
  server = new FakeServer()
    .install()
    .on("/api/v1/query_range", () => json({ status: "success", data: { resultType: "matrix", result: [] } }));
  host = document.createElement("div");
});

afterEach(() => {
  render(null, host);
  vi.unstubAllGlobals();
});

// happy-dom has no canvas.
vi.mock("../../src/graph/lazy", () => ({ LazyGraph: ({ label }: { label: string }) => <p class="hint">{label}</p> }));

async function draw(range: number, nothing?: string): Promise<URLSearchParams> {
  const chart = <Chart title="CPU" queries={[{ query: "x" }]} range={range} end={1e9} unit="number" minStep={60} nothing={nothing} only={null} sync="a" />;
  await act(() => render(chart, host));
  await vi.waitFor(() => expect(host.querySelector(".hint")).not.toBeNull());
  return new URLSearchParams(server.to("/api/v1/query_range")[0]?.path.split("?")[1]);
}

it("asks for no shorter step than the scrapes", async () => expect((await draw(900)).get("step")).toBe("60"));

it("asks for a longer step in a longer range", async () => expect(Number((await draw(604_800)).get("step"))).toBeGreaterThan(1000));

it("tells in the words of its page that there is nothing", async () => {
  await draw(3600, "No errors");
  expect(host.textContent).toContain("No errors");
});

it("reads the latest values to those who do not see the graph", async () => {
  const result = [{ metric: { job: "a" }, values: [[1e9 - 60, "5"]] }, { metric: { job: "b" }, values: [[1e9, "NaN"]] }];
  server.on("/api/v1/query_range", () => json({ status: "success", data: { resultType: "matrix", result } }));
  await draw(900);
  expect(host.textContent).toMatch(/Graph of CPU from .* Latest values: a 5, b –/);
});

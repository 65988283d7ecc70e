import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { now, start } from "../../src/api/session";
import { midnight } from "../../src/lib/usage";
import { Usage } from "../../src/views/usage";
import { FakeServer, json, session, whoami } from "../fakes/server";

const DAY = 86_400;
let host: HTMLElement;
let midnights: number;
let server: FakeServer;

beforeEach(async () => {
  server = new FakeServer()
    .install()
    .on("/ui/session", () => json({ csrf: "a", session: session() }))
    .on("/-/whoami", whoami)
    .on("/api/v1/query", () =>
      json({ status: "success", data: { resultType: "vector", result: [{ metric: {}, value: [now(), "500"] }] } }),
    )
    .on("/api/v1/query_range", () => {
      const today = midnight(now());
      const values = Array.from({ length: midnights }, (_, index) => [today - (midnights - 1 - index) * DAY, String(100 * index)]);
      return json({ status: "success", data: { resultType: "matrix", result: [{ metric: {}, values }] } });
    });
  await start();
  host = document.createElement("div");
});

afterEach(() => {
  render(null, host);
  vi.unstubAllGlobals();
});

it.each([
  { days: 1, bars: 0 },
  { days: 3, bars: 6 },
])("draws $bars bars for $days days: that of a single day would always be full", async ({ days, bars }) => {
  midnights = days;
  await act(() => render(<Usage />, host));
  await vi.waitFor(() => expect(host.querySelectorAll("tbody tr")).toHaveLength(days));
  expect(host.querySelectorAll(".bar")).toHaveLength(bars);
});

it("counts the totals of two exporters once, and shows credits", async () => {
  midnights = 3;
  await act(() => render(<Usage />, host));
  await vi.waitFor(() => expect(host.textContent).toContain("500 of 500 hours left"));
  const queries = server.to("/api/v1/query").map(({ path }) => new URLSearchParams(path.split("?")[1]).get("query") ?? "");
  const ofCredits = queries.filter((query) => query.includes("usage_exporter_credits"));
  expect(ofCredits).toHaveLength(2);
  for (const query of queries) {
    // A part of a SimpleVM project may have the name of that project, so only the label tells its credits apart.
    const name = ofCredits.includes(query) ? "part" : "project_name";
    expect(query).toContain(`(max by (location, location_id, domain_id, project_id, ${name}, project`);
  }
});

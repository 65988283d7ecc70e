import { afterEach, expect, it, vi } from "vitest";

import { loadServers, loadTrends } from "../../src/servers/load";
import { failed, FakeServer, json } from "../fakes/server";

const EXPORTERS = ["first", "second"].map((name) => ({
  name,
  probe: `${name}_up`,
  expressions: { servers: `${name}_servers`, cpu: `${name}_cpu` },
}));
const vector = (value: string) => [{ metric: { server: "a" }, value: [0, value] }];

afterEach(() => vi.unstubAllGlobals());

it("takes the trend from the exporter of the current CPU, with gaps, though another exporter fails", async () => {
  const server = new FakeServer()
    .install()
    .on("/ui/exporters", () => json({ exporters: EXPORTERS }))
    .on("/api/v1/label/__name__/values", () => json({ status: "success", data: ["first_up", "second_up"] }))
    .on("/api/v1/query", ({ path }) => {
      if (path.includes("first_cpu")) return failed(422, "duplicate series");
      return json({ status: "success", data: { resultType: "vector", result: vector("0.5") } });
    })
    .on("/api/v1/query_range", ({ path }) => {
      if (path.includes("first_cpu")) return failed(422, "duplicate series");
      const values = [[0, "1"], [120, "2"], [3600, "3"]];
      return json({ status: "success", data: { resultType: "matrix", result: [{ metric: { server: "a" }, values }] } });
    });
  const { signal } = new AbortController();
  const loaded = await loadServers(null, { only: "p", signal });
  expect(loaded.servers[0]).toMatchObject({ measures: { cpu: 0.5 }, sources: { cpu: "second" } });
  const trend = (await loadTrends(loaded, 3600, { only: "p", signal })).get("a");
  expect(trend).toHaveLength(31);
  expect(trend?.slice(0, 3)).toEqual([1, 2, null]);
  expect(trend?.[30]).toBe(3);
  expect(server.to("/api/v1/query_range")).toHaveLength(2);
  const restricted = server.asked.filter(({ headers }) => headers["X-Chrysaetos-Project"] === "p");
  expect(restricted).toHaveLength(server.asked.length - server.to("/ui/exporters").length);
});

import { parser } from "@prometheus-io/lezer-promql";
import { describe, expect, it } from "vitest";

import { addServers, addValues, DETECTION, plainId, serversQuery, SOURCES, valueQuery, VALUES, type Server } from "../../src/servers/mapping";

const ID = "48205b0d-7c11-53f6-952c-884a53ab978a";

function valid(query: string): boolean {
  let errors = 0;
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError) errors++;
    },
  });
  return errors === 0;
}

describe("the mapping", () => {
  it.each(SOURCES.map((source) => [source.name, source] as const))("%s has valid PromQL for all and for one server", (_, source) => {
    for (const id of [null, ID]) {
      const queries = [serversQuery(source, id), ...VALUES.map((name) => valueQuery(source, name, id)).filter((query) => query !== null)];
      for (const query of queries) {
        expect(valid(query), query).toBe(true);
        expect(query).not.toMatch(/%(server|value|window|id)/);
        if (id !== null) expect(query).toContain(ID);
      }
    }
  });

  it("finds exporters with a valid selector", () => expect(valid(DETECTION)).toBe(true));

  it("takes only ids that are plain in a regular expression", () => {
    expect(plainId(ID)).toBe(true);
    for (const id of ["", ".*", 'a"b', "a|b", "x".repeat(65)]) expect(plainId(id)).toBe(false);
  });

  it("merges servers of several exporters, the first one's values first", () => {
    const servers = new Map<string, Server>();
    const [first, second] = SOURCES;
    if (first === undefined || second === undefined) throw new Error("there must be two sources");
    addServers(servers, first, [{ id: ID, name: "web" }, { name: "without an id" }]);
    addServers(servers, second, [{ id: ID, name: "other", flavor: "m1" }]);
    addValues(servers, "cpu", [{ labels: { id: ID }, value: 0 }]);
    addValues(servers, "cpu", [{ labels: { id: ID }, value: 5 }, { labels: { id: "gone" }, value: 1 }]);
    addValues(servers, "memory", [{ labels: { id: ID }, value: NaN }]);
    expect([...servers.values()]).toEqual([
      { id: ID, name: "web", status: "", host: "", flavor: "m1", sources: [first.name, second.name], values: { cpu: 0 } },
    ]);
  });
});

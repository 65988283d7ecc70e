import { describe, expect, it } from "vitest";

import { addMeasure, addServers, measureQuery, plainId, probeSelector, type Exporter, type Server } from "../../src/servers/exporters";

const ID = "48205b0d-7c11-53f6-952c-884a53ab978a";
const FIRST: Exporter = { name: "first", probe: "first_up", expressions: { cpu: "rate(cpu[$window]) or rate(other[$window])" } };
const SECOND: Exporter = { name: "second", probe: "second_up", expressions: {} };

describe("the exporters", () => {
  it("give the query of a measure of all servers, or of one", () => {
    expect(measureQuery(FIRST, "cpu", null)).toBe("rate(cpu[12m]) or rate(other[12m])");
    expect(measureQuery(FIRST, "cpu", ID)).toBe(
      `(rate(cpu[12m]) or rate(other[12m])) and on (server) label_replace(vector(1), "server", "${ID}", "", "")`,
    );
    expect(measureQuery(SECOND, "cpu", ID)).toBe(null);
  });

  it("are found by their probes", () => expect(probeSelector([FIRST, SECOND])).toBe('{__name__=~"first_up|second_up"}'));

  it("take only plain ids from an address", () => {
    expect(plainId(ID)).toBe(true);
    for (const id of ["", ".*", 'a"b', "a|b", "x".repeat(65)]) expect(plainId(id)).toBe(false);
  });

  it("are merged, the first one's measures first", () => {
    const servers = new Map<string, Server>();
    addServers(servers, FIRST, [{ server: ID, name: "web" }, { name: "without an id" }]);
    addServers(servers, SECOND, [{ server: ID, name: "other", flavor: "m1" }]);
    addMeasure(servers, "cpu", FIRST, [{ labels: { server: ID }, value: 0 }]);
    addMeasure(servers, "cpu", SECOND, [{ labels: { server: ID }, value: 5 }, { labels: { server: "gone" }, value: 1 }]);
    addMeasure(servers, "memory", FIRST, [{ labels: { server: ID }, value: NaN }]);
    expect([...servers.values()]).toEqual([
      {
        id: ID,
        name: "web",
        status: "",
        host: "",
        flavor: "m1",
        exporters: ["first", "second"],
        measures: { cpu: 0 },
        sources: { cpu: "first" },
      },
    ]);
  });
});

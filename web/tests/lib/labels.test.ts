import { describe, expect, it } from "vitest";

import { quote, seriesKey, seriesName, shortName, tellingLabels, varyingLabels } from "../../src/lib/labels";

describe("labels", () => {
  it("writes series as PromQL does", () => {
    expect(seriesName({ __name__: "up", b: 'x"\\\n', a: "1" })).toBe('up{a="1", b="x\\"\\\\\\n"}');
    expect(seriesName({ __name__: "up" })).toBe("up");
    expect(seriesName({})).toBe("{}");
    expect(seriesName({ __name__: "my.metric", "a.b": "1" })).toBe('{"my.metric", "a.b"="1"}');
    expect(quote("a\\b")).toBe('"a\\\\b"');
  });

  it("finds what differs", () => {
    expect(varyingLabels([{ a: "1", b: "x" }, { a: "2", b: "x" }, { a: "2", b: "x", c: "" }])).toEqual(["a", "c"]);
    expect(varyingLabels([])).toEqual([]);
  });

  it("tells series apart by one label if it can, a name first", () => {
    const series = [
      { id: "48205b0d", name: "web", host: "h1" },
      { id: "8369d857", name: "db-0", host: "h1" },
    ];
    expect(tellingLabels(series)).toEqual(["name"]);
    expect(tellingLabels(series.map(({ id }) => ({ id })))).toEqual(["id"]);
    expect(tellingLabels([{ a: "1", b: "1" }, { a: "1", b: "2" }, { a: "2", b: "1" }])).toEqual(["a", "b"]);
    expect(tellingLabels([{ a: "1" }, {}])).toEqual(["a"]);
  });

  it("names series shortly", () => {
    expect(shortName({ a: "1", b: "x" }, new Set(["a"]))).toBe("1");
    expect(shortName({ a: "1", b: "x", c: "y" }, new Set(["a", "b"]))).toBe('{a="1", b="x"}');
    expect(shortName({ __name__: "up", a: "1" }, new Set())).toBe('up{a="1"}');
  });

  it("has short keys that differ", () => {
    const keys = new Set(Array.from({ length: 1000 }, (_, index) => seriesKey({ a: String(index) })));
    expect(keys.size).toBe(1000);
    expect(seriesKey({ a: "1", b: "2" })).toBe(seriesKey({ b: "2", a: "1" }));
    expect(seriesKey({ a: "1" })).toMatch(/^[0-9a-z]{1,7}$/);
  });
});

import { describe, expect, it } from "vitest";

import { toCsv } from "../../src/lib/csv";

describe("CSV", () => {
  it("has a column for each label", () => {
    const samples = [
      { labels: { __name__: "up", job: 'a,"b"\n' }, time: 0, value: 1, text: "1" },
      { labels: { zone: "ü" }, time: 1.5, value: NaN, text: "NaN" },
    ];
    expect(toCsv({ kind: "vector", samples, histograms: 0 })).toBe(
      '__name__,job,zone,time,value\r\nup,"a,""b""\n",,1970-01-01T00:00:00.000Z,1\r\n,,ü,1970-01-01T00:00:01.500Z,NaN\r\n',
    );
  });

  it("has a column for each series of a matrix, with gaps", () => {
    const series = [
      { labels: { a: "1" }, times: [0, 60], values: [1, 2], texts: ["1", "2"] },
      { labels: { a: "2" }, times: [60, 120], values: [3, 4], texts: ["3", "4"] },
    ];
    expect(toCsv({ kind: "matrix", series, histograms: 0 })).toBe(
      'time,"{a=""1""}","{a=""2""}"\r\n1970-01-01T00:00:00.000Z,1,\r\n1970-01-01T00:01:00.000Z,2,3\r\n1970-01-01T00:02:00.000Z,,4\r\n',
    );
  });

  it.each(["=1+1", "+1", "-1", "@x", "\tx"])("keeps a spreadsheet from running the label value %j", (value) => {
    const samples = [{ labels: { a: value }, time: 0, value: -1, text: "-1" }];
    const [, row = ""] = toCsv({ kind: "vector", samples, histograms: 0 }).split("\r\n");
    expect(row.startsWith(`'${value}`)).toBe(true);
    expect(row.endsWith(",-1")).toBe(true);
  });

  it("does so where a semicolon separates cells", () => {
    const samples = [{ labels: { a: "x;=1+1;-y; z\n@x" }, time: 0, value: 1, text: "1" }];
    const [, row = ""] = toCsv({ kind: "vector", samples, histograms: 0 }).split("\r\n");
    expect(row.startsWith('"x;\'=1+1;\'-y; z\n\'@x",')).toBe(true);
  });

  it("writes scalars", () => {
    expect(toCsv({ kind: "scalar", time: 0, text: "3" })).toBe("time,value\r\n1970-01-01T00:00:00.000Z,3\r\n");
  });
});

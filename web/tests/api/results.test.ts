import { describe, expect, it } from "vitest";

import { onGrid, parseAnswer, parseValue, UnexpectedAnswer } from "../../src/api/results";

const body = (resultType: string, result: unknown, more: object = {}) => ({ status: "success", data: { resultType, result }, ...more });

describe("answers", () => {
  it("reads vectors", () => {
    const answer = parseAnswer(body("vector", [{ metric: { a: "1" }, value: [10.5, "+Inf"] }], { warnings: ["w"], infos: ["i", 1] }));
    expect(answer.result).toEqual({
      kind: "vector",
      samples: [{ labels: { a: "1" }, time: 10.5, value: Infinity, text: "+Inf" }],
      histograms: 0,
    });
    expect(answer.warnings).toEqual(["w"]);
    expect(answer.infos).toEqual(["i"]);
    expect(answer.stats).toBeNull();
  });

  it("reads matrices, scalars and strings", () => {
    expect(parseAnswer(body("matrix", [{ metric: {}, values: [[0, "1"], [60, "NaN"]] }])).result).toEqual({
      kind: "matrix",
      series: [{ labels: {}, times: [0, 60], values: [1, NaN], texts: ["1", "NaN"] }],
      histograms: 0,
    });
    expect(parseAnswer(body("scalar", [1, "2"])).result).toEqual({ kind: "scalar", time: 1, text: "2" });
    expect(parseAnswer(body("string", [1, "<b>"])).result).toEqual({ kind: "string", time: 1, text: "<b>" });
  });

  it("sums native histograms up", () => {
    const native = [5, { count: "3", sum: "1.5", buckets: [] }];
    const vector = parseAnswer(body("vector", [{ metric: {}, histogram: native }])).result;
    expect(vector).toMatchObject({ histograms: 1, samples: [{ text: "count 3, sum 1.5", value: NaN }] });
    const matrix = parseAnswer(body("matrix", [{ metric: {}, histograms: [native] }])).result;
    expect(matrix).toMatchObject({ histograms: 1, series: [{ times: [5], texts: ["count 3, sum 1.5"] }] });
  });

  it("reads statistics where there are any", () => {
    const stats = { timings: { evalTotalTime: 0.25 }, samples: { totalQueryableSamples: 7, peakSamples: 3 } };
    expect(parseAnswer({ data: { resultType: "vector", result: [], stats } }).stats).toEqual({ seconds: 0.25, samples: 7, peak: 3 });
    expect(parseAnswer({ data: { resultType: "vector", result: [], stats: { seriesFetched: "1" } } }).stats).toBeNull();
  });

  it("orders numbers and native histograms of a series by time", () => {
    const series = { metric: {}, values: [[1, "1"], [3, "3"]], histograms: [[2, { count: "4", sum: "5" }]] };
    expect(parseAnswer(body("matrix", [series])).result).toMatchObject({ series: [{ times: [1, 2, 3] }] });
  });

  it.each([
    null,
    "text",
    {},
    { data: null },
    body("vector", {}),
    body("vector", [{ metric: { a: 1 }, value: [0, "1"] }]),
    body("vector", [{ metric: {}, value: [0, 1] }]),
    body("matrix", [{ metric: {}, values: [["0", "1"]] }]),
    body("other", []),
  ])("refuses %j", (answer) => expect(() => parseAnswer(answer)).toThrow(UnexpectedAnswer));

  it.each([
    ["1e3", 1000],
    ["-Inf", -Infinity],
    ["NaN", NaN],
    ["", NaN],
  ])("reads the value %j", (text, value) => expect(parseValue(text)).toBe(value));

  it("puts samples on a grid, with gaps for what cannot be drawn", () => {
    const series = { labels: {}, times: [100, 160, 220, 400], values: [1, NaN, 3, 4], texts: [] };
    expect(onGrid(series, 100, 60, 4)).toEqual([1, null, 3, null]);
  });
});

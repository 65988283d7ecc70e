import { describe, expect, it } from "vitest";

import { contains, formatAxis, formatCount, formatNumber, formatValue, plural, visible } from "../../src/lib/format";

describe("numbers", () => {
  it.each([
    [0, "0"],
    [1, "1"],
    [0.5, "0.5"],
    [1234, "1.23k"],
    [999.9, "1k"],
    [999_950, "1M"],
    [12_345_678, "12.3M"],
    [0.0012, "1.2m"],
    [0.000_004_5, "4.5µ"],
    [-1500, "\u22121.5k"],
    [NaN, "NaN"],
    [Infinity, "+Inf"],
    [-Infinity, "\u2212Inf"],
    [100, "100"],
    [1e24, "1.00e+24"],
  ])("writes %d as %s", (value, text) => expect(formatNumber(value)).toBe(text));

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [2 ** 30, "1 GiB"],
    [2 ** 30 - 1, "1 GiB"],
    [-2048, "\u22122 KiB"],
  ])("writes %d bytes as %s", (value, text) => expect(formatValue(value, "bytes")).toBe(text));

  it("writes units", () => {
    expect(formatValue(0.673, "percent")).toBe("67.3 %");
    expect(formatValue(2048, "bytes_per_second")).toBe("2 KiB/s");
    expect(formatValue(0.3, "bytes_per_second")).toBe("0.3 B/s");
    expect(formatValue(NaN, "percent")).toBe("NaN");
    expect(formatValue(NaN, "bytes")).toBe("NaN");
  });

  it.each([
    [0.000_831, "831 µs"],
    [0.012, "12 ms"],
    [0.9999, "1 s"],
    [12, "12 s"],
    [90, "1.5 min"],
    [5400, "1.5 h"],
    [3 * 86_400, "3 d"],
  ])("writes %d seconds as %s", (value, text) => expect(formatValue(value, "seconds")).toBe(text));

  it.each([
    [[1000, 1000.5, 1001], 0.5, "number", ["1.0000k", "1.0005k", "1.0010k"]],
    [[0, 2.5, 5], 2.5, "cores", ["0", "2.5", "5.0"]],
    [[0, 5000], 5000, "number", ["0", "5k"]],
    [[0.002, 0.004], 0.002, "seconds", ["2 ms", "4 ms"]],
    [[1, 1.05, 1.1].map((value) => value * 2 ** 30), 0.05 * 2 ** 30, "bytes", ["1.00 GiB", "1.05 GiB", "1.10 GiB"]],
    [[-20, 0], 20, "percent", ["\u22122000 %", "0 %"]],
    [[1e24], 1e24, "number", ["1.00e+24"]],
  ] as const)("labels the axis of %j", (values, increment, unit, labels) =>
    expect(formatAxis(values, increment, unit)).toEqual(labels),
  );

  it("groups thousands and counts in words", () => {
    expect(formatCount(50_000)).toBe("50\u202f000");
    expect(plural(1, "server")).toBe("1 server");
    expect(plural(2, "server")).toBe("2 servers");
    expect(plural(2, "series")).toBe("2 series");
  });
});

it("finds texts in whatever case", () => {
  expect(contains("Web-0 ACTIVE", " web ")).toBe(true);
  expect(contains("Web-0 ACTIVE", "db")).toBe(false);
});

describe("texts from outside", () => {
  it("shows what could disguise a text", () => {
    expect(visible("a\u202eb\u0000c\u200f")).toBe("a\\u202eb\\u0000c\\u200f");
  });

  it("keeps markup, emoji and other scripts as text", () => {
    const text = "<img src=x onerror=alert(1)> 🦅 مرحبا 漢字";
    expect(visible(text)).toBe(text);
  });

  it("clips long texts, and no character in its middle", () => {
    expect(visible("x".repeat(10_000))).toHaveLength(301);
    const clipped = visible("🦅".repeat(300), 11);
    expect(clipped.endsWith("…")).toBe(true);
    expect(clipped).not.toMatch(/\p{Surrogate}/u);
  });
});

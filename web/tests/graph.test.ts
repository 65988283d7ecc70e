import { describe, expect, it } from "vitest";

import { summary } from "../src/explore/legend";
import { stack, timeSpace, valueRange } from "../src/graph/graph";

describe("graphs", () => {
  it("stacks lines over gaps", () => {
    expect(stack([[1, null, 3], [10, 20, null], [100, 200, 300]])).toEqual([
      [1, null, 3],
      [11, 20, null],
      [111, 220, 303],
    ]);
  });

  it("begin at zero where a share of the whole is to be seen", () => {
    expect(valueRange(0.3, 0.4, true)[0]).toBe(0);
    expect(valueRange(-2, -1, true)[1]).toBe(0);
    expect(valueRange(0.3, 0.4, false)[0]).toBeGreaterThan(0);
  });

  it("leave room for the seconds of a short range", () => expect(timeSpace(120)).toBeGreaterThan(timeSpace(3600)));

  it("sums lines up", () => {
    expect(summary([null, 4, 2, null])).toEqual({ last: 2, min: 2, max: 4, mean: 3 });
    expect(summary([null])).toEqual({ last: null, min: null, max: null, mean: null });
  });
});

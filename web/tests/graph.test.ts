import { describe, expect, it } from "vitest";

import { summary } from "../src/explore/legend";
import { stack } from "../src/graph/graph";

describe("graphs", () => {
  it("stacks lines over gaps", () => {
    expect(stack([[1, null, 3], [10, 20, null], [100, 200, 300]])).toEqual([
      [1, null, 3],
      [11, 20, null],
      [111, 220, 303],
    ]);
  });

  it("sums lines up", () => {
    expect(summary([null, 4, 2, null])).toEqual({ last: 2, min: 2, max: 4, mean: 3 });
    expect(summary([null])).toEqual({ last: null, min: null, max: null, mean: null });
  });
});

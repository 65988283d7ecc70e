import { describe, expect, it } from "vitest";

import { autoStep, grid, MAX_POINTS, niceStep } from "../../src/lib/step";

describe("steps", () => {
  it.each([
    [3600, 400, 10],
    [3600, 360, 10],
    [86_400, 400, 300],
    [604_800, 400, 1800],
    [100 * 31_536_000, 100, 604_800 * 53],
  ])("chooses a round step for %d s and %d points", (range, points, step) => {
    const chosen = niceStep(range, points);
    expect(range / chosen).toBeLessThanOrEqual(points);
    if (range < 1e9) expect(chosen).toBe(step);
  });

  it("follows width and resolution, and asks for no more than Prometheus computes", () => {
    expect(autoStep(3600, 1200, "low")).toBeGreaterThan(autoStep(3600, 1200, "high"));
    expect(autoStep(3600, 300, "medium")).toBeGreaterThan(autoStep(3600, 1200, "medium"));
    expect(86_400 / autoStep(86_400, 1e6, "high")).toBeLessThan(MAX_POINTS);
  });
});

describe("grids", () => {
  it("aligns times to the step", () => {
    expect(grid(1007, 100, 10)).toEqual({ start: 910, end: 1000, step: 10, raised: false });
  });

  it("raises a step that is too small", () => {
    const raised = grid(1e9, 86_400 * 30, 1);
    expect(raised.raised).toBe(true);
    expect((raised.end - raised.start) / raised.step + 1).toBeLessThanOrEqual(MAX_POINTS);
  });

  it("has a point where the step is larger than the range", () => {
    const { start, end } = grid(1007, 10, 600);
    expect(start).toBe(end);
  });
});

/** The step of range queries. */

/** Prometheus refuses more points than this for each series. */
export const MAX_POINTS = 11_000;

export type Resolution = "low" | "medium" | "high";

const NICE = [
  1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 28_800,
  43_200, 86_400, 172_800, 604_800,
];

const PIXELS: Readonly<Record<Resolution, number>> = { low: 8, medium: 3, high: 1 };

/** Returns the smallest round step, in seconds, that gives at most `points` points in a range. */
export function niceStep(range: number, points: number): number {
  const exact = range / Math.max(1, points);
  return NICE.find((step) => step >= exact) ?? Math.ceil(exact / 604_800) * 604_800;
}

/** Returns the step for a graph of a width in pixels. */
export function autoStep(range: number, width: number, resolution: Resolution): number {
  return niceStep(range, Math.min(MAX_POINTS - 1, Math.max(50, width / PIXELS[resolution])));
}

export interface Grid {
  start: number;
  end: number;
  step: number;
  /** Whether the step asked for had to be made larger. */
  raised: boolean;
}

/**
 * Returns the evaluation times of a range that ends at `end`. They are multiples of the step, so that a refresh
 * asks for the same times again and lines do not tremble.
 */
export function grid(end: number, range: number, step: number): Grid {
  const raised = range / step > MAX_POINTS - 1;
  const used = raised ? niceStep(range, MAX_POINTS - 1) : step;
  const last = Math.floor(end / used) * used;
  const first = Math.ceil((end - range) / used) * used;
  return { start: Math.min(first, last), end: last, step: used, raised };
}

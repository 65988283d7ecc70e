/** Answers of the query endpoints, checked and in a form that can be drawn. */

import type { Labels } from "../lib/labels";

export interface Sample {
  labels: Labels;
  time: number;
  value: number;
  /** The value with all digits that the server sent, or a summary of a native histogram. */
  text: string;
}

export interface Series {
  labels: Labels;
  times: number[];
  values: number[];
  texts: string[];
}

export type Result =
  | { kind: "vector"; samples: Sample[]; histograms: number }
  | { kind: "matrix"; series: Series[]; histograms: number }
  | { kind: "scalar" | "string"; time: number; text: string };

export interface Stats {
  seconds: number | null;
  samples: number | null;
  peak: number | null;
}

export interface Answer {
  result: Result;
  warnings: string[];
  infos: string[];
  stats: Stats | null;
  /** The answer as it came. */
  body: unknown;
}

/** The answer does not have the form that Prometheus documents. */
export class UnexpectedAnswer extends Error {}

/** Returns the number that Prometheus wrote as a text. */
export function parseValue(text: string): number {
  switch (text) {
    case "+Inf":
    case "Inf":
      return Infinity;
    case "-Inf":
      return -Infinity;
    default:
      return text === "" ? NaN : Number(text);
  }
}

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function object(value: unknown): Json {
  if (!isObject(value)) throw new UnexpectedAnswer();
  return value;
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new UnexpectedAnswer();
  return value as unknown[];
}

/** Returns the strings of a list; anything else is left out. */
export function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

function labelsOf(value: unknown): Labels {
  const labels = object(value);
  for (const text of Object.values(labels)) if (typeof text !== "string") throw new UnexpectedAnswer();
  return labels as Labels;
}

function point(value: unknown): [number, string] {
  const [time, text] = list(value);
  if (typeof time !== "number" || typeof text !== "string") throw new UnexpectedAnswer();
  return [time, text];
}

/** Returns the time and a summary of a native histogram. */
function histogram(value: unknown): [number, string] {
  const [time, content] = list(value);
  const { count, sum } = object(content);
  if (typeof time !== "number") throw new UnexpectedAnswer();
  return [time, `count ${String(count)}, sum ${String(sum)}`];
}

function sampleOf(item: unknown): Sample {
  const { metric, value, histogram: native } = object(item);
  const [time, text] = native === undefined ? point(value) : histogram(native);
  return { labels: labelsOf(metric), time, text, value: native === undefined ? parseValue(text) : NaN };
}

function seriesOf(item: unknown): Series {
  const { metric, values = [], histograms = [] } = object(item);
  const points = [
    ...list(values).map((value) => ({ at: point(value), native: false })),
    ...list(histograms).map((value) => ({ at: histogram(value), native: true })),
  ].sort((a, b) => a.at[0] - b.at[0]);
  return {
    labels: labelsOf(metric),
    times: points.map(({ at }) => at[0]),
    values: points.map(({ at, native }) => (native ? NaN : parseValue(at[1]))),
    texts: points.map(({ at }) => at[1]),
  };
}

function resultOf(type: unknown, result: unknown): Result {
  switch (type) {
    case "vector": {
      const items = list(result);
      const histograms = items.filter((item) => isObject(item) && "histogram" in item).length;
      return { kind: "vector", samples: items.map(sampleOf), histograms };
    }
    case "matrix": {
      const items = list(result);
      const histograms = items.filter((item) => isObject(item) && "histograms" in item).length;
      return { kind: "matrix", series: items.map(seriesOf), histograms };
    }
    case "scalar":
    case "string": {
      const [time, text] = point(result);
      return { kind: type, time, text };
    }
    default:
      throw new UnexpectedAnswer();
  }
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function statsOf(value: unknown): Stats | null {
  if (!isObject(value)) return null;
  const timings = isObject(value["timings"]) ? value["timings"] : {};
  const samples = isObject(value["samples"]) ? value["samples"] : {};
  const stats = {
    seconds: number(timings["evalTotalTime"]),
    samples: number(samples["totalQueryableSamples"]),
    peak: number(samples["peakSamples"]),
  };
  return Object.values(stats).every((item) => item === null) ? null : stats;
}

/**
 * Returns the checked answer to a query.
 *
 * @throws UnexpectedAnswer - the body is not an answer to a query.
 */
export function parseAnswer(body: unknown): Answer {
  const { data, warnings, infos } = object(body);
  const { resultType, result, stats } = object(data);
  return {
    result: resultOf(resultType, result),
    warnings: strings(warnings),
    infos: strings(infos),
    stats: statsOf(stats),
    body,
  };
}

/** Returns the values of a series at the times of a grid, null where there is none or it cannot be drawn. */
export function onGrid(series: Series, start: number, step: number, count: number): (number | null)[] {
  const column = new Array<number | null>(count).fill(null);
  series.times.forEach((time, at) => {
    const index = Math.round((time - start) / step);
    const value = series.values[at];
    if (index >= 0 && index < count && value !== undefined && Number.isFinite(value)) column[index] = value;
  });
  return column;
}

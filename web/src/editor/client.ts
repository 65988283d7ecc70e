/** What the editor completes: names, labels and values from the scoped endpoints. */

import { apiData } from "../api/http";
import { labelNames, labelValues, metadata } from "../api/prometheus";
import { quote } from "../lib/labels";

const MAX_VALUES = 10_000;
const MAX_SERIES = 500;
const SECONDS = 300;

const cache = new Map<string, { time: number; answer: Promise<unknown> }>();

/** Asks once in five minutes; a failed answer is not kept. */
function once<T>(key: string, ask: () => Promise<T>, otherwise: T): Promise<T> {
  const kept = cache.get(key);
  if (kept !== undefined && Date.now() - kept.time < SECONDS * 1000) return kept.answer as Promise<T>;
  const answer = ask().catch(() => {
    cache.delete(key);
    return otherwise;
  });
  cache.set(key, { time: Date.now(), answer });
  return answer;
}

/** Forgets everything, since the caller has entered another project. */
export function forgetCompletions(): void {
  cache.clear();
}

function selector(metric: string | undefined): string | undefined {
  return metric ? `{__name__=${quote(metric)}}` : undefined;
}

export const completions = {
  labelNames: (metric?: string): Promise<string[]> => {
    const match = selector(metric);
    return once(`labels ${match ?? ""}`, () => labelNames(match), []);
  },
  labelValues: (label: string, metric?: string): Promise<string[]> => {
    const match = selector(metric);
    const call = match === undefined ? { limit: MAX_VALUES } : { match, limit: MAX_VALUES };
    return once(`values ${label} ${match ?? ""}`, () => labelValues(label, call), []);
  },
  metricMetadata: () => once("metadata", metadata, {}),
  series: (metric: string): Promise<Map<string, string>[]> => {
    const match = selector(metric);
    if (match === undefined) return Promise.resolve([]);
    const parameters = new URLSearchParams({ "match[]": match, limit: String(MAX_SERIES) });
    return once(
      `series ${match}`,
      async () => ((await apiData("/api/v1/series", { parameters })) ?? []) as Map<string, string>[],
      [],
    );
  },
  metricNames: () => once("values __name__ ", () => labelValues("__name__", { limit: MAX_VALUES }), []),
  flags: () => Promise.resolve({}),
};

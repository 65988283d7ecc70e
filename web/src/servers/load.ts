/** Loads the servers of a project. */

import { labelValues, queryInstant, queryRange } from "../api/prometheus";
import type { Sample } from "../api/results";
import { ApiError } from "../api/http";
import { scoped, type Matcher } from "../scope";
import { addServers, addValues, DETECTION, serversQuery, SOURCES, valueQuery, VALUES, type Server, type Source } from "./mapping";

export interface Servers {
  servers: Server[];
  sources: Source[];
}

const TREND_SECONDS = 3600;
const TREND_STEP = 120;

async function samples(query: string, matcher: Matcher | null, signal: AbortSignal): Promise<Sample[]> {
  const { result } = await queryInstant(await scoped(query, matcher), null, signal);
  return result.kind === "vector" ? result.samples : [];
}

/** A value that cannot be had leaves a gap, not an empty page. */
async function optional(query: string, matcher: Matcher | null, signal: AbortSignal): Promise<Sample[]> {
  try {
    return await samples(query, matcher, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 422) return [];
    throw error;
  }
}

/** Returns the sources that have series in the project. */
export async function findSources(matcher: Matcher | null, signal: AbortSignal): Promise<Source[]> {
  const names = new Set(await labelValues("__name__", { match: await scoped(DETECTION, matcher), signal }));
  return SOURCES.filter((source) => names.has(source.metric));
}

/** Returns all servers, or one, with their values now. */
export async function loadServers(id: string | null, matcher: Matcher | null, signal: AbortSignal): Promise<Servers> {
  const sources = await findSources(matcher, signal);
  const lists = await Promise.all(sources.map((source) => samples(serversQuery(source, id), matcher, signal)));
  const servers = new Map<string, Server>();
  sources.forEach((source, index) => addServers(servers, source, (lists[index] ?? []).map((sample) => sample.labels)));
  await Promise.all(
    VALUES.map(async (name) => {
      const answers = await Promise.all(
        sources.map((source) => {
          const query = valueQuery(source, name, id);
          return query === null ? Promise.resolve([]) : optional(query, matcher, signal);
        }),
      );
      for (const answer of answers) addValues(servers, name, answer);
    }),
  );
  const sorted = [...servers.values()].sort((a, b) => (a.name || a.id).localeCompare(b.name || b.id, "en", { numeric: true }));
  return { servers: sorted, sources };
}

/** Returns the CPU of each server over the last hour, by id. */
export async function loadTrends(
  sources: readonly Source[],
  matcher: Matcher | null,
  now: number,
  signal: AbortSignal,
): Promise<Map<string, number[]>> {
  const end = Math.floor(now / TREND_STEP) * TREND_STEP;
  const trends = new Map<string, number[]>();
  for (const source of sources) {
    const query = valueQuery(source, "cpu", null);
    if (query === null) continue;
    const { result } = await queryRange(
      { query: await scoped(query, matcher), start: end - TREND_SECONDS, end, step: TREND_STEP },
      signal,
    );
    if (result.kind !== "matrix") continue;
    for (const series of result.series) {
      const id = series.labels["id"] ?? "";
      if (!trends.has(id)) trends.set(id, series.values.filter(Number.isFinite));
    }
  }
  return trends;
}

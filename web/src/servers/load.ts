/** Loads the servers of a project. */

import { labelValues, queryInstant, queryRange } from "../api/prometheus";
import type { Sample } from "../api/results";
import { api, ApiError } from "../api/http";
import { scoped, type Matcher } from "../scope";
import { addMeasure, addServers, measureQuery, MEASURES, probeSelector, type Exporter, type Server } from "./exporters";

export interface Servers {
  servers: Server[];
  /** The exporters that have series in the project. */
  present: Exporter[];
  known: Exporter[];
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

/** Returns all servers, or one, with their measures now. */
export async function loadServers(id: string | null, matcher: Matcher | null, signal: AbortSignal): Promise<Servers> {
  const known = ((await api("/ui/exporters", { signal })).body as { exporters: Exporter[] }).exporters;
  const names = new Set(await labelValues("__name__", { match: await scoped(probeSelector(known), matcher), signal }));
  const present = known.filter(({ probe }) => names.has(probe));
  const answer = (exporter: Exporter, name: Parameters<typeof measureQuery>[1]) => {
    const query = measureQuery(exporter, name, id);
    return query === null ? Promise.resolve([]) : optional(query, matcher, signal);
  };
  const lists = await Promise.all(present.map((exporter) => answer(exporter, "servers")));
  const servers = new Map<string, Server>();
  present.forEach((exporter, index) => addServers(servers, exporter, (lists[index] ?? []).map((sample) => sample.labels)));
  await Promise.all(
    MEASURES.map(async (name) => {
      for (const samples of await Promise.all(present.map((exporter) => answer(exporter, name)))) addMeasure(servers, name, samples);
    }),
  );
  const sorted = [...servers.values()].sort((a, b) => (a.name || a.id).localeCompare(b.name || b.id, "en", { numeric: true }));
  return { servers: sorted, present, known };
}

/** Returns the CPU of each server over the last hour, by id. */
export async function loadTrends(
  exporters: readonly Exporter[],
  matcher: Matcher | null,
  now: number,
  signal: AbortSignal,
): Promise<Map<string, number[]>> {
  const end = Math.floor(now / TREND_STEP) * TREND_STEP;
  const trends = new Map<string, number[]>();
  for (const exporter of exporters) {
    const query = measureQuery(exporter, "cpu", null);
    if (query === null) continue;
    const { result } = await queryRange(
      { query: await scoped(query, matcher), start: end - TREND_SECONDS, end, step: TREND_STEP },
      signal,
    );
    if (result.kind !== "matrix") continue;
    for (const series of result.series) {
      const id = series.labels["server"] ?? "";
      if (!trends.has(id)) trends.set(id, series.values.filter(Number.isFinite));
    }
  }
  return trends;
}

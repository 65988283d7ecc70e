/** Loads the servers of a project. */

import { labelValues, queryInstant, queryRange, type Within } from "../api/prometheus";
import { onGrid, type Answer, type Result, type Sample } from "../api/results";
import { api, ApiError } from "../api/http";
import { addMeasure, addServers, measureQuery, MEASURES, probeSelector, type Exporter, type Server } from "./exporters";

export interface Servers {
  servers: Server[];
  /** The exporters that have series in the project. */
  present: Exporter[];
  known: Exporter[];
}

const TREND_SECONDS = 3600;
const TREND_STEP = 120;

/** Returns the result of a query; null if it cannot be evaluated, which leaves a gap, not an empty page. */
async function optional(answer: Promise<Answer>): Promise<Result | null> {
  try {
    return (await answer).result;
  } catch (error) {
    if (error instanceof ApiError && error.status === 422) return null;
    throw error;
  }
}

async function samples(query: string, within: Within): Promise<Sample[]> {
  const result = await optional(queryInstant(query, null, within));
  return result?.kind === "vector" ? result.samples : [];
}

/** Returns all servers, or one, with their measures now. */
export async function loadServers(id: string | null, within: Within): Promise<Servers> {
  const known = ((await api("/ui/exporters", { signal: within.signal })) as { exporters: Exporter[] }).exporters;
  const names = new Set(await labelValues("__name__", { ...within, match: probeSelector(known) }));
  const present = known.filter(({ probe }) => names.has(probe));
  const answer = (exporter: Exporter, name: Parameters<typeof measureQuery>[1]) => {
    const query = measureQuery(exporter, name, id);
    return query === null ? Promise.resolve([]) : samples(query, within);
  };
  const lists = await Promise.all(present.map((exporter) => answer(exporter, "servers")));
  const servers = new Map<string, Server>();
  present.forEach((exporter, index) => addServers(servers, exporter, (lists[index] ?? []).map((sample) => sample.labels)));
  await Promise.all(
    MEASURES.map(async (name) => {
      const lists = await Promise.all(present.map((exporter) => answer(exporter, name)));
      present.forEach((exporter, index) => addMeasure(servers, name, exporter, lists[index] ?? []));
    }),
  );
  const sorted = [...servers.values()].sort((a, b) => (a.name || a.id).localeCompare(b.name || b.id, "en", { numeric: true }));
  return { servers: sorted, present, known };
}

/** The CPU of servers over the last hour by id, at regular times; null where there is no sample. */
export type Trends = ReadonlyMap<string, readonly (number | null)[]>;

/** Returns the CPU of each server, from the exporter that gave its current CPU. */
export async function loadTrends(
  { present, servers }: Servers,
  now: number,
  within: Within,
): Promise<Trends> {
  const end = Math.floor(now / TREND_STEP) * TREND_STEP;
  const start = end - TREND_SECONDS;
  const sources = new Map(servers.map(({ id, sources }) => [id, sources.cpu]));
  const trends = new Map<string, readonly (number | null)[]>();
  for (const exporter of present) {
    const query = measureQuery(exporter, "cpu", null);
    if (query === null) continue;
    const result = await optional(queryRange({ query, start, end, step: TREND_STEP }, within));
    if (result?.kind !== "matrix") continue;
    for (const series of result.series) {
      const id = series.labels["server"] ?? "";
      if (sources.get(id) === exporter.name) trends.set(id, onGrid(series, start, TREND_STEP, TREND_SECONDS / TREND_STEP + 1));
    }
  }
  return trends;
}

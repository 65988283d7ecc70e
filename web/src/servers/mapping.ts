/** Servers and their values, from whichever exporter a project has. */

import type { Labels } from "../lib/labels";
import mapping from "./mapping.json";

export type ValueName =
  | "cpu"
  | "vcpus"
  | "memory"
  | "memory_size"
  | "disk_size"
  | "disk_read"
  | "disk_write"
  | "net_in"
  | "net_out"
  | "running";

export interface Source {
  name: string;
  /** The metric that shows that the exporter is there. */
  metric: string;
  server: string;
  servers: string;
  by: string;
  values: Readonly<Partial<Record<ValueName, string>>>;
}

export const SOURCES: readonly Source[] = mapping.sources;

export const VALUES: readonly ValueName[] = [
  "cpu",
  "vcpus",
  "memory",
  "memory_size",
  "disk_size",
  "disk_read",
  "disk_write",
  "net_in",
  "net_out",
  "running",
];

export interface Server {
  id: string;
  name: string;
  /** The status that Nova reports, where an exporter has it. */
  status: string;
  host: string;
  flavor: string;
  sources: string[];
  values: Partial<Record<ValueName, number>>;
}

/** The window of rates: Ceilometer polls every five minutes by default, and a rate needs two samples. */
export const WINDOW = "12m";

/** Returns whether an id can stand in a regular expression as it is. */
export function plainId(id: string): boolean {
  return /^[0-9A-Za-z-]{1,64}$/.test(id);
}

function fill(template: string, source: Source, id: string | null): string {
  const server = id === null ? "" : source.server.replace("%id", id);
  return template.replaceAll("%server", server).replaceAll("%window", WINDOW);
}

/** Returns the query for a source's servers; `id` selects one. */
export function serversQuery(source: Source, id: string | null): string {
  return fill(source.servers, source, id);
}

/** Returns the query for a value by server; null if the source does not have it. */
export function valueQuery(source: Source, name: ValueName, id: string | null): string | null {
  const value = source.values[name];
  return value === undefined ? null : fill(source.by.replace("%value", value), source, id);
}

/** Returns the matcher that finds the metrics of all sources. */
export const DETECTION = `{__name__=~"${SOURCES.map((source) => source.metric).join("|")}"}`;

/** Adds the servers of a source to those of the sources before it. */
export function addServers(servers: Map<string, Server>, source: Source, samples: readonly Labels[]): void {
  for (const labels of samples) {
    const id = labels["id"];
    if (!id) continue;
    const server = servers.get(id) ?? { id, name: "", status: "", host: "", flavor: "", sources: [], values: {} };
    server.name ||= labels["name"] ?? "";
    server.status ||= labels["status"] ?? "";
    server.host ||= labels["host"] ?? "";
    server.flavor ||= labels["flavor"] ?? "";
    if (!server.sources.includes(source.name)) server.sources.push(source.name);
    servers.set(id, server);
  }
}

/** Sets a value of servers that have none from a source before. */
export function addValues(
  servers: ReadonlyMap<string, Server>,
  name: ValueName,
  samples: readonly { labels: Labels; value: number }[],
): void {
  for (const { labels, value } of samples) {
    const server = servers.get(labels["id"] ?? "");
    if (server !== undefined && Number.isFinite(value)) server.values[name] ??= value;
  }
}

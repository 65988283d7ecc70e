/** Servers and their measures, from whichever exporter a project has. The gateway has the metrics of exporters. */

import { CEILOMETER_WINDOW } from "../lib/examples";
import { quote, type Labels } from "../lib/labels";

/** The measures that the page shows, in the units of `chrysaetos.exporters`. */
export const MEASURES = [
  "cpu",
  "vcpus",
  "memory",
  "memory_total",
  "received",
  "sent",
  "read",
  "written",
  "disk_total",
  "running",
] as const;

export type Measure = (typeof MEASURES)[number];

export interface Exporter {
  name: string;
  /** The metric that shows that the exporter is there. */
  probe: string;
  /** PromQL by measure, and for `servers`. Each series has the label `server`, the server's id. */
  expressions: Readonly<Partial<Record<Measure | "servers", string>>>;
}

export interface Server {
  id: string;
  name: string;
  /** The status that Nova reports, where an exporter has it. */
  status: string;
  host: string;
  flavor: string;
  exporters: string[];
  measures: Partial<Record<Measure, number>>;
  /** The name of the exporter that gave each measure. */
  sources: Partial<Record<Measure, string>>;
}

/** Returns whether an id may be in the address of a server's page. */
export function plainId(id: string): boolean {
  return /^[0-9A-Za-z-]{1,64}$/.test(id);
}

/** Returns the query for a measure of all servers, or of one; null if the exporter does not have it. */
export function measureQuery(exporter: Exporter, name: Measure | "servers", id: string | null): string | null {
  const query = exporter.expressions[name]?.replaceAll("$window", CEILOMETER_WINDOW);
  if (query === undefined) return null;
  return id === null ? query : `(${query}) and on (server) label_replace(vector(1), "server", ${quote(id)}, "", "")`;
}

/** Returns the selector of the metrics that show which exporters are there. */
export function probeSelector(exporters: readonly Exporter[]): string {
  return `{__name__=~${quote(exporters.map(({ probe }) => probe).join("|"))}}`;
}

/** Adds the servers of an exporter to those of the exporters before it. */
export function addServers(servers: Map<string, Server>, exporter: Exporter, samples: readonly Labels[]): void {
  for (const labels of samples) {
    const id = labels["server"];
    if (!id) continue;
    const server = servers.get(id) ?? { id, name: "", status: "", host: "", flavor: "", exporters: [], measures: {}, sources: {} };
    server.name ||= labels["name"] ?? "";
    server.status ||= labels["status"] ?? "";
    server.host ||= labels["host"] ?? "";
    server.flavor ||= labels["flavor"] ?? "";
    if (!server.exporters.includes(exporter.name)) server.exporters.push(exporter.name);
    servers.set(id, server);
  }
}

/** Sets a measure of servers that have none from an exporter before. */
export function addMeasure(
  servers: ReadonlyMap<string, Server>,
  name: Measure,
  exporter: Exporter,
  samples: readonly { labels: Labels; value: number }[],
): void {
  for (const { labels, value } of samples) {
    const server = servers.get(labels["server"] ?? "");
    if (server === undefined || server.measures[name] !== undefined || !Number.isFinite(value)) continue;
    server.measures[name] = value;
    server.sources[name] = exporter.name;
  }
}

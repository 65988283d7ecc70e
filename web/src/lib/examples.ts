/** Queries to begin with. */

import { texts } from "../texts";

export interface Example {
  title: string;
  query: string;
}

/** Ceilometer polls every five minutes by default, and a rate needs two samples. */
export const CEILOMETER_WINDOW = "12m";

const text = texts.explore;
const MAX_EXAMPLES = 4;

const KNOWN: readonly (Example & { metric: string })[] = [
  {
    metric: "ceilometer_cpu",
    title: text.exampleCpu,
    query: `sum by (resource_name) (rate(ceilometer_cpu[${CEILOMETER_WINDOW}])) / 1e9`,
  },
  {
    metric: "libvirt_domain_info_cpu_time_seconds_total",
    title: text.exampleCpu,
    query: "sum by (domain) (rate(libvirt_domain_info_cpu_time_seconds_total[5m]))",
  },
  {
    metric: "ceilometer_memory_usage",
    title: text.exampleMemory,
    query: "100 * sum by (resource_name) (ceilometer_memory_usage) / sum by (resource_name) (ceilometer_memory)",
  },
  {
    metric: "libvirt_domain_memory_stats_used_percent",
    title: text.exampleMemory,
    query: "max by (domain) (libvirt_domain_memory_stats_used_percent)",
  },
  {
    metric: "ceilometer_network_incoming_bytes",
    title: text.exampleReceived,
    query: `sum by (resource_name) (rate(ceilometer_network_incoming_bytes[${CEILOMETER_WINDOW}]))`,
  },
  {
    metric: "libvirt_domain_interface_stats_receive_bytes_total",
    title: text.exampleReceived,
    query: "sum by (domain) (rate(libvirt_domain_interface_stats_receive_bytes_total[5m]))",
  },
];

const latency = (buckets: string) => `histogram_quantile(0.95, sum by (le) (rate(${buckets}[5m])))`;

/** Returns the query to begin with: counters are only useful as rates, and histograms as quantiles. */
export function firstQuery(name: string, type: string): string {
  const plain = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) ? name : `{${JSON.stringify(name)}}`;
  // Ceilometer's cumulative meters, whose type the exporter does not tell.
  if (/^ceilometer_(cpu|(disk|network)_.*_(bytes|packets|requests))$/.test(name)) return `rate(${plain}[${CEILOMETER_WINDOW}])`;
  if (name.endsWith("_bucket")) return latency(plain);
  if (type === "counter" || /_(total|count|sum)$/.test(name)) return `rate(${plain}[5m])`;
  return type === "histogram" ? `histogram_quantile(0.95, sum (rate(${plain}[5m])))` : plain;
}

/** Returns queries for the metrics of a project. */
export function examples(names: readonly string[]): Example[] {
  const known = KNOWN.filter(({ metric }) => names.includes(metric)).map(({ title, query }) => ({ title, query }));
  const [histogram] = names.filter((name) => /^[a-zA-Z_:][a-zA-Z0-9_:]*_bucket$/.test(name));
  if (histogram !== undefined) {
    known.push({
      title: text.exampleLatency(histogram.replace(/_bucket$/, "")),
      query: latency(histogram),
    });
  }
  return [...known, { title: text.exampleCounts, query: 'topk(10, count by (__name__) ({__name__!=""}))' }].slice(0, MAX_EXAMPLES);
}

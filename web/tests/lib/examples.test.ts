import { parser } from "@prometheus-io/lezer-promql";
import { describe, expect, it } from "vitest";

import { examples, firstQuery } from "../../src/lib/examples";

const METRICS = [
  "ceilometer_cpu",
  "ceilometer_memory_usage",
  "ceilometer_network_incoming_bytes",
  "http_seconds_bucket",
  "libvirt_domain_info_cpu_time_seconds_total",
  "libvirt_domain_interface_stats_receive_bytes_total",
  "libvirt_domain_memory_stats_used_percent",
];

describe("the first query of a metric", () => {
  it.each([
    ["http_requests_total", "", "rate(http_requests_total[5m])"],
    ["x", "counter", "rate(x[5m])"],
    ["memory", "gauge", "memory"],
    ["http_seconds_bucket", "histogram", "histogram_quantile(0.95, sum by (le) (rate(http_seconds_bucket[5m])))"],
    ["http_seconds_count", "histogram", "rate(http_seconds_count[5m])"],
    ["http_seconds", "histogram", "histogram_quantile(0.95, sum (rate(http_seconds[5m])))"],
    ["my.metric", "gauge", '{"my.metric"}'],
    ["ceilometer_cpu", "unknown", "rate(ceilometer_cpu[12m])"],
    ["ceilometer_disk_device_read_bytes", "", "rate(ceilometer_disk_device_read_bytes[12m])"],
    ["ceilometer_memory_usage", "gauge", "ceilometer_memory_usage"],
  ])("of %s of the type %j is %s", (name, type, query) => expect(firstQuery(name, type)).toBe(query));
});

describe("examples", () => {
  it("are of metrics that the project has", () => {
    expect(examples(["libvirt_domain_memory_stats_used_percent", "http_seconds_bucket"]).map(({ query }) => query)).toEqual([
      "max by (domain) (libvirt_domain_memory_stats_used_percent)",
      "histogram_quantile(0.95, sum by (le) (rate(http_seconds_bucket[5m])))",
      'topk(10, count by (__name__) ({__name__!=""}))',
    ]);
    expect(examples(METRICS)).toHaveLength(4);
  });

  it.each(METRICS.flatMap((metric) => examples([metric])))("$query is PromQL", ({ query }) => {
    expect(parser.configure({ strict: true }).parse(query).length).toBe(query.length);
  });
});

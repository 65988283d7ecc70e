"""Write the files of ``chrysaetos.dashboards``: dashboards for Grafana 10.4 and later, and libvirt's rules.

python -m tools.dashboards

The names and labels of the metrics are those of Ceilometer's exporter and sg-core, of
inovex/prometheus-libvirt-exporter, of openstack-exporter, and of ``chrysaetos.gateway.telemetry.metrics``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from chrysaetos.dashboards import LIBVIRT_RULES
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    Panel: TypeAlias = stat.Panel | table.Panel | timeseries.Panel
    Variable: TypeAlias = dashboard.IntervalVariable | dashboard.QueryVariable

__all__ = ["FOLDER", "files"]

FOLDER = Path(__file__).parents[1] / "src" / "chrysaetos" / "dashboards"
_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_OWN_SOURCES = "/^Metrics of /"
"""Matches the names of the data sources that ``chrysaetos grafana`` creates."""
_INFO = "libvirt_domain_openstack_info"
"""The only metric of the libvirt exporter with the names of servers and projects. Its value is 1."""
_ALL = model.VariableOption(text=["All"], value=["$__all"])


def files() -> dict[str, str]:
    """Return the text of each file by name."""
    built = {
        "vms-ceilometer": _ceilometer(),
        "vms-libvirt": _libvirt(),
        "vms-openstack-exporter": _openstack_exporter(),
        "gateway": _gateway(),
    }
    dashboards = {
        f"{name}.json": json.dumps(each.uid(f"chrysaetos-{name}").build(), cls=JSONEncoder, indent=1) + "\n"
        for name, each in built.items()
    }
    return {**dashboards, LIBVIRT_RULES: _rules(dashboards["vms-libvirt.json"])}


def _rules(libvirt: str) -> str:
    """Return the recording rules that add the project to the series of libvirt's dashboard."""
    names: set[str] = set()
    for panel in json.loads(libvirt)["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$window", "5m")
            names |= {str(selector.name) for selector in parse(text, DEFAULT_BOUNDS).selectors}
    lines = ["groups:", "  - name: libvirt-projects", "    rules:"]
    joined = f"* on (instance, domain) group_left (project_id) {_INFO}"
    for name in sorted(names - {_INFO}):
        lines += [f"      - record: {name}", f"        expr: '{name}{{project_id=\"\"}} {joined}'"]
    return "\n".join(lines) + "\n"


def _ceilometer() -> dashboard.Dashboard:
    """Return the dashboard for Ceilometer's metrics.

    ``resource`` is the server's id or contains it (``<id>-vda``, ``instance-00000001-<id>-tap0``), and
    ``resource_name`` begins with the server's name. Ceilometer polls every 5 minutes by default, so a rate
    needs a range of at least 10.
    """

    def own(metric: str) -> str:
        return f'{metric}{{project=~"$project",resource_name=~"($server)(:.*)?"}}'

    def by_server(expression: str) -> str:
        uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        named = f'label_replace({expression}, "server", "$1", "resource_name", "([^:]+).*")'
        return f'sum by (server, id) (label_replace({named}, "id", "$1", "resource", ".*({uuid}).*"))'

    def rate(metric: str) -> str:
        return f"rate({own(metric)}[$window])"

    def per(expression: str, metric: str) -> str:
        return f"{expression} / on (resource) group_left () max by (resource) ({own(metric)})"

    server = "{{server}}"
    cpus = f"{rate('ceilometer_cpu')} / 1e9"
    memory = own("ceilometer_memory_usage")
    panels: list[Panel] = [
        _stat("Servers", f"count(count by (resource) ({own('ceilometer_cpu')}))"),
        _stat("vCPUs", f"sum(max by (resource) ({own('ceilometer_vcpus')}))"),
        _stat("Memory", f"sum(max by (resource) ({own('ceilometer_memory')}))", "mbytes"),
        _stat("Root disks", f"sum(max by (resource) ({own('ceilometer_disk_root_size')}))", "gbytes"),
        _lines("CPU usage", [(f"100 * {by_server(per(cpus, 'ceilometer_vcpus'))}", server)], "percent"),
        _lines("vCPUs in use", [(by_server(cpus), server)]),
        _lines(
            "Memory usage",
            [(f"100 * {by_server(per(memory, 'ceilometer_memory'))}", server)],
            "percent",
        ),
        _lines("Memory in use", [(by_server(memory), server)], "mbytes"),
        _lines(
            "Network",
            [
                (by_server(rate("ceilometer_network_incoming_bytes")), f"{server} in"),
                (by_server(rate("ceilometer_network_outgoing_bytes")), f"{server} out"),
            ],
            "Bps",
        ),
        _lines(
            "Disks",
            [
                (by_server(rate("ceilometer_disk_device_read_bytes")), f"{server} read"),
                (by_server(rate("ceilometer_disk_device_write_bytes")), f"{server} write"),
            ],
            "Bps",
        ),
        _table("Servers and their power state (1: on)", by_server(own("ceilometer_power_state"))),
    ]
    variables: list[Variable] = [
        _projects("project", "project_name", "ceilometer_cpu"),
        _values("server", "Server", 'ceilometer_cpu{project=~"$project"}', "resource_name", "/^([^:]+)/"),
        _window("10m,30m,1h,6h"),
    ]
    return _dashboard("Servers (Ceilometer)", "vms", _OWN_SOURCES, variables, panels)


def _libvirt() -> dashboard.Dashboard:
    """Return the dashboard for the libvirt exporter.

    Of each domain the maximum is used, since the rules add a second series that has the project's label.
    """
    info = f'{_INFO}{{project_id=~"$project",instance_name=~"$server"}}'

    def by_server(expression: str, device: str = "") -> str:
        labels = f"instance, domain{device and ', '}{device}"
        names = "instance_name, instance_id"
        joined = f"max by ({labels}) ({expression}) * on (instance, domain) group_left ({names}) {info}"
        return f"sum by ({names}) ({joined})"

    def rate(metric: str, device: str = "") -> str:
        return by_server(f"rate({metric}[$window])", device)

    server, nic, disk = "{{instance_name}}", "libvirt_domain_interface_stats", "libvirt_domain_block_stats"
    cpu = rate("libvirt_domain_info_cpu_time_seconds_total")
    cpus = by_server("libvirt_domain_info_virtual_cpus")
    target = "target_device"
    panels: list[Panel] = [
        _stat("Servers", f"count({info})"),
        _stat("vCPUs", f"sum({cpus})"),
        _stat("Memory", f"sum({by_server('libvirt_domain_info_maximum_memory_bytes')})", "bytes"),
        _stat("vCPUs in use", f"sum({cpu})"),
        _lines("CPU usage", [(f"100 * {cpu} / {cpus}", server)], "percent"),
        _lines(
            "CPU time lost to other servers of the host",
            [(rate("libvirt_domain_vcpu_delay_seconds_total", "vcpu"), server)],
        ),
        _lines(
            "Memory usage in the server",
            [(by_server("libvirt_domain_memory_stats_used_percent"), server)],
            "percent",
        ),
        _lines("Memory of the host", [(by_server("libvirt_domain_memory_stats_rss_bytes"), server)], "bytes"),
        _lines(
            "Network",
            [
                (rate(f"{nic}_receive_bytes_total", target), f"{server} in"),
                (rate(f"{nic}_transmit_bytes_total", target), f"{server} out"),
            ],
            "Bps",
        ),
        _lines(
            "Packets dropped",
            [
                (rate(f"{nic}_receive_drops_total", target), f"{server} in"),
                (rate(f"{nic}_transmit_drops_total", target), f"{server} out"),
            ],
            "pps",
        ),
        _lines(
            "Disks",
            [
                (rate(f"{disk}_read_bytes_total", target), f"{server} read"),
                (rate(f"{disk}_write_bytes_total", target), f"{server} write"),
            ],
            "Bps",
        ),
        _lines(
            "Disk requests",
            [
                (rate(f"{disk}_read_requests_total", target), f"{server} read"),
                (rate(f"{disk}_write_requests_total", target), f"{server} write"),
            ],
            "iops",
        ),
        _table("Servers and their state (1: running)", by_server("libvirt_domain_info_state")),
    ]
    variables: list[Variable] = [
        _projects("project_id", "project_name", _INFO),
        _values("server", "Server", f'{_INFO}{{project_id=~"$project"}}', "instance_name"),
        _window("5m,10m,30m,1h,6h"),
    ]
    return _dashboard("Servers (libvirt)", "vms", _OWN_SOURCES, variables, panels)


def _openstack_exporter() -> dashboard.Dashboard:
    """Return the dashboard for openstack-exporter: quotas, and the states of servers and volumes."""
    own, project = 'tenant_id=~"$project"', "{{tenant}}"

    def total(metric: str) -> str:
        return f"sum by (tenant) ({metric}{{{own}}})"

    def usage(used: str, limit: str) -> str:
        # A limit of -1 is none.
        return f"100 * {total(used)} / ({total(limit)} > 0)"

    nova, cinder = "openstack_nova_limits", "openstack_cinder_limits"
    panels: list[Panel] = [
        _stat("Servers", f"count(openstack_nova_server_status{{{own}}})"),
        _stat("Volumes", f"count(openstack_cinder_volume_gb{{{own}}})"),
        _stat("Size of the volumes", f"sum(openstack_cinder_volume_gb{{{own}}})", "gbytes"),
        _stat("Floating IPs", 'count(openstack_neutron_floating_ip{project_id=~"$project"})'),
        _lines(
            "Quota usage",
            [
                (usage(f"{nova}_vcpus_used", f"{nova}_vcpus_max"), f"{project} vCPUs"),
                (usage(f"{nova}_memory_used", f"{nova}_memory_max"), f"{project} memory"),
                (usage(f"{nova}_instances_used", f"{nova}_instances_max"), f"{project} servers"),
                (usage(f"{cinder}_volume_used_gb", f"{cinder}_volume_max_gb"), f"{project} volumes"),
            ],
            "percent",
        ),
        _lines(
            "Servers by state", [(f"count by (status) (openstack_nova_server_status{{{own}}})", "{{status}}")]
        ),
        _lines("vCPUs", [(total(f"{nova}_vcpus_used"), project)]),
        _lines("Memory", [(total(f"{nova}_memory_used"), project)], "mbytes"),
        _table(
            "Servers",
            f"max by (name, id, status, availability_zone) (openstack_nova_server_status{{{own}}})",
            value=False,
        ),
        _table(
            "Volumes (GiB)",
            f"max by (name, id, status, volume_type, server_id) (openstack_cinder_volume_gb{{{own}}})",
        ),
    ]
    variables: list[Variable] = [_projects("tenant_id", "tenant", f"{nova}_instances_used")]
    title = "Servers, volumes and quotas (openstack-exporter)"
    return _dashboard(title, "vms", _OWN_SOURCES, variables, panels)


def _gateway() -> dashboard.Dashboard:
    """Return the dashboard for the gateway itself."""

    def own(metric: str, matchers: str = "") -> str:
        return f'chrysaetos_{metric}{{instance=~"$instance"{matchers and ","}{matchers}}}'

    def rate(metric: str, by: str = "", matchers: str = "") -> str:
        grouping = f" by ({by})" if by else ""
        return f"sum{grouping} (rate({own(metric, matchers)}[$__rate_interval]))"

    def quantile(which: float, metric: str, by: str = "") -> str:
        buckets = rate(f"{metric}_bucket", f"le{by and ', '}{by}")
        return f"histogram_quantile({which}, {buckets})"

    def ratio(part: str, metric: str) -> str:
        return f"{part} / {rate(metric)}"

    def process(expression: str) -> str:
        return f"{expression} and on (instance, job) {own('build_info')}"

    instance = "{{instance}}"
    failed = rate("requests_total", matchers='code=~"5..|none"')
    panels: list[Panel] = [
        _stat("Processes", f"count({own('build_info')})"),
        _stat("Requests", rate("requests_total"), "reqps"),
        _stat("Requests that failed", ratio(f"({failed} or vector(0))", "requests_total"), "percentunit"),
        _stat("Time in the gateway, 99 % of requests", quantile(0.99, "gateway_seconds"), "s"),
        _stat("Time in Prometheus, 99 % of requests", quantile(0.99, "upstream_seconds"), "s"),
        _stat("Keystone does not answer", f"max({own('keystone_blocked')})", "bool_yes_no"),
        _stat("Log lines lost in a day", f"sum(increase({own('log_lines_lost_total')}[1d]))"),
        _stat("Old policy in force", f"max({own('policy_stale')})", "bool_yes_no"),
        _lines("Requests by endpoint", [(rate("requests_total", "endpoint"), "{{endpoint}}")], "reqps"),
        _lines("Requests by status", [(rate("requests_total", "code"), "{{code}}")], "reqps"),
        _lines(
            "Errors by endpoint",
            [(rate("requests_total", "endpoint, code", 'code=~"[45]..|none"'), "{{endpoint}} {{code}}")],
            "reqps",
        ),
        _lines("Requests in progress", [(f"sum by (instance) ({own('requests_in_flight')})", instance)]),
        _lines(
            "Time in the gateway and in Prometheus",
            [
                (quantile(which, metric), f"{name} {which:.0%}")
                for metric, name in (("gateway_seconds", "gateway"), ("upstream_seconds", "Prometheus"))
                for which in (0.5, 0.99)
            ],
            "s",
        ),
        _lines(
            "Time in the gateway by endpoint, 99 % of requests",
            [(quantile(0.99, "gateway_seconds", "endpoint"), "{{endpoint}}")],
            "s",
        ),
        _lines(
            "Time in Prometheus by endpoint, 99 % of requests",
            [(quantile(0.99, "upstream_seconds", "endpoint"), "{{endpoint}}")],
            "s",
        ),
        _lines("Responses sent", [(rate("response_bytes_total", "endpoint"), "{{endpoint}}")], "Bps"),
        _lines(
            "Cache hits",
            [
                (ratio(rate("token_cache_requests_total", "", _HIT), "token_cache_requests_total"), "tokens"),
                (
                    ratio(rate("domain_cache_requests_total", "", _HIT), "domain_cache_requests_total"),
                    "projects of domains",
                ),
                (ratio(rate("shared_requests_total"), "requests_total"), "identical requests"),
            ],
            "percentunit",
        ),
        _lines(
            "Keystone",
            [
                (rate("keystone_errors_total", "instance"), f"{instance} errors per second"),
                (f"max by (instance) ({own('keystone_blocked')})", f"{instance} not asked"),
            ],
        ),
        _lines(
            "Connections to Prometheus",
            [
                (f"sum by (upstream) ({own(f'upstream_{state}')})", f"{{{{upstream}}}} {name}")
                for state, name in (("in_use", "in use"), ("idle", "idle"), ("waiting", "waited for"))
            ],
        ),
        _lines(
            "Failures of Prometheus",
            [
                (rate("upstream_errors_total", "upstream"), "{{upstream}} errors"),
                (rate("upstream_retries_total", "upstream"), "{{upstream}} retries"),
                (rate("upstream_failovers_total"), "to the next replica"),
                (rate("responses_incomplete_total", "endpoint"), "{{endpoint}} incomplete"),
            ],
            "ops",
        ),
        _lines(
            "Requests rejected by limits",
            [
                (rate("limited_refused_total", "limit"), "requests of {{limit}}"),
                (rate("cpu_refused_total"), "CPU time of a project"),
                (rate("limited_aborted_total"), "responses in progress"),
                (rate("refused_requests_total", "code"), "while received, {{code}}"),
            ],
            "reqps",
        ),
        _lines(
            "Slots",
            [
                (f"sum ({own('limited_in_use')})", "in use"),
                (f"sum ({own('limited_waiting')})", "waited for"),
                (f"sum ({own('limited_sending')})", "responses being sent"),
                (f"sum ({own('limited_projects')})", "projects"),
            ],
        ),
        _lines(
            "Log lines lost", [(rate("log_lines_lost_total", "log, reason"), "{{log}} {{reason}}")], "ops"
        ),
        _lines(
            "Long queries and responses",
            [(rate("offloaded_jobs_total"), "jobs"), (rate("offloaded_seconds_total"), "CPU seconds")],
            "ops",
        ),
        _lines("CPUs", [(process("rate(process_cpu_seconds_total[$__rate_interval])"), instance)]),
        _lines("Memory", [(process("process_resident_memory_bytes"), instance)], "bytes"),
        _table("Versions", f"max by (instance, version, python) ({own('build_info')})", value=False),
    ]
    instances = _values("instance", "Gateway", "chrysaetos_build_info", "instance")
    return _dashboard("Chrysaetos gateway", "gateway", "", [instances], panels)


_HIT = 'result=~"hit|negative_hit"'


def _dashboard(
    title: str,
    tag: str,
    sources: str,
    variables: Sequence[Variable],
    panels: Sequence[Panel],
) -> dashboard.Dashboard:
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus").regex(sources)
    built = (
        dashboard.Dashboard(title)
        .tags(["chrysaetos", tag])
        .time("now-3h", "now")
        .refresh("1m")
        .timezone("browser")
        .with_variable(source)
    )
    for variable in variables:
        built = built.with_variable(variable)
    for number, panel in enumerate(panels, 1):
        built = built.with_panel(panel.id(number).datasource(_SOURCE))
    return built


def _query(expression: str, legend: str, number: int) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(expression)
        .legend_format(legend)
        .ref_id(chr(ord("A") + number))
        .datasource(_SOURCE)
    )


def _lines(title: str, queries: Sequence[tuple[str, str]], unit: str = "short") -> timeseries.Panel:
    legend = (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    panel = timeseries.Panel().title(title).unit(unit).min(0).span(12).height(8).legend(legend)
    for number, (expression, name) in enumerate(queries):
        panel = panel.with_target(_query(expression, name, number).range())
    return panel


def _stat(title: str, expression: str, unit: str = "short") -> stat.Panel:
    reduce = common_builders.ReduceDataOptions().calcs(["lastNotNull"])
    target = _query(expression, "", 0).instant()
    return stat.Panel().title(title).unit(unit).span(6).height(4).reduce_options(reduce).with_target(target)


def _table(title: str, expression: str, *, value: bool = True) -> table.Panel:
    excluded = {"Time": True} if value else {"Time": True, "Value": True}
    hidden = model.DataTransformerConfig(id_val="organize", options={"excludeByName": excluded})
    target = _query(expression, "", 0).instant().format(PromQueryFormat.TABLE)
    return table.Panel().title(title).span(24).height(8).with_transformation(hidden).with_target(target)


def _variable(name: str, label: str, query: str, regex: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(_SOURCE)
        .query({"query": query, "refId": name})
        .regex(regex)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(_ALL)
    )


def _values(name: str, label: str, selector: str, of: str, regex: str = "") -> dashboard.QueryVariable:
    return _variable(name, label, f"label_values({selector}, {of})", regex)


def _projects(project_id: str, name: str, metric: str) -> dashboard.QueryVariable:
    """Return the variable ``project``, with ids as values and names as texts if there are any."""
    query = f"query_result(count by ({project_id}, {name}) ({metric}))"
    regex = f'/\\b{project_id}="(?<value>[^"]+)|\\b{name}="(?<text>[^"]+)/g'
    return _variable("project", "Project", query, regex)


def _window(values: str) -> dashboard.IntervalVariable:
    first = values.partition(",")[0]
    option = model.VariableOption(text=first, value=first, selected=True)
    return dashboard.IntervalVariable("window").label("Average over").values(values).current(option)


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")

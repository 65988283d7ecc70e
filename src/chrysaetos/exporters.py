"""The metrics of servers, by exporter: one PromQL expression for each measure.

``top`` and the web page use this mapping. Each expression returns one series for each server, with the label
``server``, the server's id. The expression ``servers`` also has the labels ``name``, ``host``, ``flavor``,
``status`` (as Nova writes it) and ``project`` (its name), as far as the exporter knows them. ``$window``
stands for the range of rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import ConfigError, QueryError
from chrysaetos.regular_file import read_toml, why_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["EXPORTERS", "MEASURES", "Exporter", "read_exporters", "servers_query"]

MEASURES = {
    "cpu": "vCPUs that are busy",
    "vcpus": "vCPUs of the server",
    "memory": "bytes of memory in use",
    "memory_total": "bytes of memory of the server",
    "received": "bytes received per second",
    "sent": "bytes sent per second",
    "read": "bytes read from disks per second",
    "written": "bytes written to disks per second",
    "disk_total": "bytes of the root disk",
    "running": "1 if the server is running, 0 if not",
}
"""The measures and their units."""

_MIB = "1048576"
_GIB = "1073741824"
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Exporter:
    """The metrics of an exporter.

    Attributes:
        probe: a metric that the exporter always has. If it has series, the exporter is used.
        expressions: PromQL by measure, and for ``servers``.
    """

    probe: str
    expressions: Mapping[str, str]


def _relabelled(expression: str, label: str, source: str, pattern: str) -> str:
    return f'label_replace({expression}, "{label}", "$1", "{source}", "{pattern}")'


def _ceilometer(cpu: str) -> dict[str, str]:
    """Return the expressions for Ceilometer and sg-core.

    The resource of a NIC or disk contains the server's id: ``instance-00000001-ID-tap1``, ``ID-vda``. The
    resource's name is the server's, followed by libvirt's or the NIC's.
    """

    def by_server(expression: str, labels: str = "server") -> str:
        return f"sum by ({labels}) ({_relabelled(expression, 'server', 'resource', f'.*?({_ID}).*')})"

    def rate(meter: str) -> str:
        return by_server(f"rate(ceilometer_{meter}[$window])")

    named = _relabelled(cpu, "name", "resource_name", "([^:]*).*")
    placed = _relabelled(named, "host", "vm_instance", "(.*)")
    return {
        "servers": by_server(
            _relabelled(placed, "project", "project_name", "(.*)"), "server, name, project, host"
        ),
        "cpu": f"{by_server(f'rate({cpu}[$window])')} / 1e9",
        "vcpus": by_server("ceilometer_vcpus"),
        "memory": f"{by_server('ceilometer_memory_usage')} * {_MIB}",
        "memory_total": f"{by_server('ceilometer_memory')} * {_MIB}",
        "received": rate("network_incoming_bytes"),
        "sent": rate("network_outgoing_bytes"),
        "read": rate("disk_device_read_bytes"),
        "written": rate("disk_device_write_bytes"),
        "disk_total": f"{by_server('ceilometer_disk_root_size')} * {_GIB}",
        "running": by_server("ceilometer_power_state == bool 1"),
    }


def _libvirt() -> dict[str, str]:
    """Return the expressions for prometheus-libvirt-exporter, whose info metric has the names.

    Of each domain the maximum is used, since recording rules may add series that have the project's label.
    """
    info = "libvirt_domain_openstack_info"

    def by_server(expression: str, device: str = "") -> str:
        each = f"max by (instance, domain{device}) ({expression})"
        joined = f"{each} * on (instance, domain) group_left (instance_id) {info}"
        return f"sum by (server) ({_relabelled(joined, 'server', 'instance_id', '(.+)')})"

    def rate(metric: str, device: str = ", target_device") -> str:
        return by_server(f"rate(libvirt_domain_{metric}[$window])", device)

    named = _relabelled(_relabelled(info, "server", "instance_id", "(.+)"), "name", "instance_name", "(.*)")
    owned = _relabelled(named, "project", "project_name", "(.*)")
    sized = _relabelled(owned, "flavor", "flavor_name", "(.*)")
    total = by_server("libvirt_domain_info_maximum_memory_bytes")
    return {
        "servers": f"sum by (server, name, project, flavor) ({sized})",
        "cpu": rate("info_cpu_time_seconds_total", ""),
        "vcpus": by_server("libvirt_domain_info_virtual_cpus"),
        "memory": f"{by_server('libvirt_domain_memory_stats_used_percent')} / 100 * {total}",
        "memory_total": total,
        "received": rate("interface_stats_receive_bytes_total"),
        "sent": rate("interface_stats_transmit_bytes_total"),
        "read": rate("block_stats_read_bytes_total"),
        "written": rate("block_stats_write_bytes_total"),
        "running": by_server("libvirt_domain_info_state == bool 1"),
    }


def _openstack() -> dict[str, str]:
    """Return the expressions for openstack-exporter. Its status is one series for each server."""

    def by_server(expression: str, labels: str = "server") -> str:
        return f"sum by ({labels}) ({_relabelled(expression, 'server', 'id', '(.+)')})"

    placed = _relabelled("openstack_nova_server_status", "host", "hypervisor_hostname", "(.*)")
    return {
        "servers": by_server(placed, "server, name, host, status"),
        "disk_total": f"{by_server('openstack_nova_server_local_gb')} * {_GIB}",
    }


EXPORTERS: Mapping[str, Exporter] = {
    "ceilometer": Exporter("ceilometer_cpu", _ceilometer("ceilometer_cpu")),
    # prometheus_client, which Ceilometer's own exporter uses, appends _total to the names of counters.
    "ceilometer-total": Exporter(
        "ceilometer_cpu_total",
        {
            measure: expression.replace("_bytes[", "_bytes_total[")
            for measure, expression in _ceilometer("ceilometer_cpu_total").items()
        },
    ),
    "libvirt": Exporter("libvirt_domain_info_cpu_time_seconds_total", _libvirt()),
    "openstack-exporter": Exporter("openstack_nova_server_status", _openstack()),
}
"""The known exporters, in order of precedence. The openstack-exporter measures no use."""


def servers_query(exporters: Iterable[Exporter], window: str) -> str:
    """Return one query for the measures of all servers, for ``read_servers``.

    Args:
        exporters: the exporters that are present, in order of precedence.
        window: the range of rates, a PromQL duration.
    """
    return " or ".join(
        f'label_replace({expression.replace("$window", window)}, "measure", "{measure}", "", "")'
        for exporter in exporters
        for measure, expression in exporter.expressions.items()
    )


def read_exporters(file: Path) -> dict[str, Exporter]:
    """Return the exporters of a TOML file, before the known ones; a name may replace a known one.

    Each table ``[NAME]`` has the key ``probe``, and expressions by measure.

    Raises:
        ConfigError: the file cannot be read or is invalid; the message names the table and the key.
    """
    try:
        tables = read_toml(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {why_unreadable(error)}") from error
    own = {name: _exporter(f"{file}: [{name}]", table) for name, table in tables.items()}
    return own | {name: known for name, known in EXPORTERS.items() if name not in own}


def _exporter(place: str, table: Any) -> Exporter:
    # Imported here so that importing the client does not load the parser.
    from chrysaetos.promql.ast import VectorSelector  # noqa: PLC0415  # see above
    from chrysaetos.promql.parser import parse  # noqa: PLC0415  # see above

    texts = dict(table) if isinstance(table, dict) else {}
    parsed = {}
    for key, text in texts.items():
        if key not in {"probe", "servers", *MEASURES}:
            raise ConfigError(f"{place}: unknown key {key}; known are probe, servers, {', '.join(MEASURES)}")
        if not isinstance(text, str):
            raise ConfigError(f"{place} {key}: {text!r} should be a string")
        try:
            parsed[key] = parse(text.replace("$window", "5m")).expr
        except QueryError as error:
            raise ConfigError(f"{place} {key}: {error}") from error
        if key != "probe" and parsed[key].type != "vector":
            raise ConfigError(
                f"{place} {key}: {text!r} should be an instant vector, not a {parsed[key].type}"
            )
    if "probe" not in parsed:
        raise ConfigError(f"{place}: the key probe is missing: a metric that the exporter always has")
    probe = parsed["probe"]
    if not isinstance(probe, VectorSelector) or probe.name != texts["probe"]:
        raise ConfigError(f"{place} probe: {texts['probe']!r} should be the name of a metric")
    return Exporter(texts.pop("probe"), texts)

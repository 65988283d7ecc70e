"""``chrysaetos top`` with the series of each exporter, as they are in clouds, in a real Prometheus."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.commands import call_main

from chrysaetos.cli.main import main
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.exporters import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBVIRT, CEILOMETER, NOVA = (f"{n}4d424d2-8d5a-54c3-84cd-c8aed30caa94" for n in "123")

DOMAIN = 'instance="host:9177",domain="instance-00000001"'
OPENSTACK = f'{DOMAIN},instance_id="{LIBVIRT}",instance_name="vm-l",project_id="p",project_name="apollo"'
SERVER = f'project="p",resource="{CEILOMETER}",resource_name="vm-c:instance-00000002"'

GAUGES = {
    f"libvirt_domain_openstack_info{{{OPENSTACK}}}": 1,
    f"libvirt_domain_info_virtual_cpus{{{DOMAIN}}}": 2,
    f"libvirt_domain_info_maximum_memory_bytes{{{DOMAIN}}}": 1000,
    f"libvirt_domain_memory_stats_used_percent{{{DOMAIN}}}": 25,
    f"libvirt_domain_info_state{{{DOMAIN}}}": 1,
    f"ceilometer_vcpus{{{SERVER}}}": 4,
    f"ceilometer_memory{{{SERVER}}}": 2,
    f"ceilometer_memory_usage{{{SERVER}}}": 1,
    f"ceilometer_disk_root_size{{{SERVER}}}": 2,
    f"ceilometer_power_state{{{SERVER}}}": 4,
    f'openstack_nova_server_status{{id="{NOVA}",name="vm-n",status="ACTIVE",tenant_id="p"}}': 0,
    f'openstack_nova_server_status{{id="{LIBVIRT}",name="other",status="ACTIVE",tenant_id="p"}}': 0,
}
COUNTERS = {
    f"libvirt_domain_info_cpu_time_seconds_total{{{DOMAIN}}}": 0.5,
    # The second series of a domain, of a rule that adds the project's label.
    f'libvirt_domain_info_cpu_time_seconds_total{{{DOMAIN},project_id="p"}}': 0.5,
    **{
        f'libvirt_domain_{metric}_bytes_total{{{DOMAIN},target_device="{device}"}}': rate
        for metric, devices, rate in (
            ("interface_stats_receive", ("tap1", "tap2"), 10),
            ("interface_stats_transmit", ("tap1",), 20),
            ("block_stats_read", ("vda", "vdb"), 30),
            ("block_stats_write", ("vda",), 40),
        )
        for device in devices
    },
    f"ceilometer_cpu_total{{{SERVER}}}": 1.25e9,
    **{
        f'ceilometer_network_{way}_bytes_total{{project="p",resource_name="vm-c:{nic}",'
        f'resource="instance-00000002-{CEILOMETER}-{nic}"}}': rate
        for way, rate in (("incoming", 7), ("outgoing", 8))
        for nic in ("tap3", "tap4")
    },
    **{
        f'ceilometer_disk_device_{way}_bytes_total{{project="p",resource="{CEILOMETER}-vda",'
        'resource_name="vm-c:instance-00000002"}': rate
        for way, rate in (("read", 9), ("write", 10))
    },
}


def _history(now: int) -> Iterator[str]:
    times = range(now - 1200, now, 60)
    for series, value in GAUGES.items():
        yield "".join(f"{series} {value} {when}\n" for when in times)
    for series, rate in COUNTERS.items():
        yield "".join(f"{series} {rate * (when - times[0])} {when}\n" for when in times)
    yield "# EOF\n"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with the series of all exporters."""
    server = Prometheus(tmp_path_factory.mktemp("exporters"))
    server.backfill(_history(int(time.time())))
    with server:
        yield server


def _row(name: str, server: str, project: str, *values: float | None) -> dict[str, Any]:
    measures = dict(zip(MEASURES, values or [None] * len(MEASURES), strict=True))
    return {"name": name, "server": server, "project": project, **measures}


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


EXPECTED = {
    "libvirt": _row("vm-l", LIBVIRT, "apollo", 0.5, 2, 250, 1000, 20, 20, 60, 40, None, 1),
    "ceilometer-total": _row("vm-c", CEILOMETER, "", 1.25, 4, 2**20, 2**21, 14, 16, 9, 10, 2**31, 0),
    "openstack-exporter": _row("vm-n", NOVA, ""),
}


@pytest.mark.parametrize("exporter", [None, *EXPECTED])
def test_the_servers_of_each_exporter(exporter, prometheus, capsys):
    options = [] if exporter is None else ["--exporter", exporter]
    found = call_main(main, ["top", "-f", "json", "--url", prometheus.url, *options], capsys).json
    rows = {row["name"]: {name: _rounded(value) for name, value in row.items()} for row in found}
    for name, expected in EXPECTED.items():
        if exporter in {None, name}:
            assert rows[expected["name"]] == expected
    assert "other" not in rows or exporter == "openstack-exporter"
    assert len(rows) == {None: 3, "openstack-exporter": 2}.get(exporter, 1)

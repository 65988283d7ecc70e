"""Each query of the dashboards, through the gateway to a Prometheus that scrapes what exporters expose."""

from __future__ import annotations

import json
import math
import re
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml
from tests.dashboards.panels import queries, variable_queries
from tests.e2e.asking import basic
from tests.e2e.test_endpoints import Ruled

from chrysaetos.dashboards import GATEWAY, LIBVIRT_RULES, load_libvirt_rules
from chrysaetos.demo.cloud import Family, Series, Target
from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.processes import LOOPBACK, free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from contextlib import ExitStack

    from tests.e2e.stack import GatewayFor, People, Stores, Tokens

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import Account

    Measured = tuple[Gateway, int]

MIB = 2**20
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "grafana.md"


def result(server: Any, expression: str, account: Account | None = None) -> list[dict[str, Any]]:
    """Return the result of an instant query."""
    auth = None if account is None else basic(account)
    answer = requests.post(f"{server.url}/api/v1/query", {"query": expression}, auth=auth, timeout=30)
    assert answer.status_code == 200, (expression, answer.text)
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


def libvirt(projects: dict[str, str]) -> Target:
    """The libvirt exporter of a host with a server of each project, by the server's name."""
    now = time.time()
    families: dict[str, list[Series]] = {}

    def add(name: str, labels: dict[str, str], rate: float, start: float = 0.0) -> None:
        families.setdefault(name, []).append(
            Series(name, labels, lambda moment: start + rate * (moment - now + 3600))
        )

    for number, (server, project) in enumerate(projects.items(), 1):
        domain = {"domain": f"instance-{number:08x}"}
        names = {
            "instance_name": server,
            "instance_id": f"id-{server}",
            "flavor_name": "m1",
            "user_name": "u",
        }
        owner = {"project_name": f"name-{server}", "project_id": project}
        add("libvirt_domain_openstack_info", {**domain, **names, **owner}, 0, 1)
        add("libvirt_domain_info_state", {**domain, "state_desc": "the domain is running"}, 0, 1)
        add("libvirt_domain_info_virtual_cpus", domain, 0, 2)
        add("libvirt_domain_info_maximum_memory_bytes", domain, 0, 1024 * MIB)
        add("libvirt_domain_memory_stats_rss_bytes", domain, 0, 900 * MIB)
        add("libvirt_domain_memory_stats_used_percent", domain, 0, 40)
        add("libvirt_domain_info_cpu_time_seconds_total", domain, 0.5)
        for vcpu in ("0", "1"):
            add("libvirt_domain_vcpu_delay_seconds_total", {**domain, "vcpu": vcpu}, 0.01)
        for device in ("vda", "vdb"):
            for kind in ("read_bytes", "write_bytes", "read_requests", "write_requests"):
                add(f"libvirt_domain_block_stats_{kind}_total", {**domain, "target_device": device}, 100)
        for kind in ("receive_bytes", "transmit_bytes", "receive_drops", "transmit_drops"):
            name = f"libvirt_domain_interface_stats_{kind}_total"
            add(name, {**domain, "target_device": f"tap{number}"}, 100)
    return _target("libvirt", families)


def openstack(projects: dict[str, str]) -> Target:
    """The openstack-exporter of a cloud with a server, a volume and a floating IP of each project."""
    families: dict[str, list[Series]] = {}

    def add(name: str, labels: dict[str, str], value: float) -> None:
        families.setdefault(name, []).append(Series(name, labels, lambda _: value))

    for server, project in projects.items():
        owner = {"tenant": f"name-{server}", "tenant_id": project}
        limits = {"instances": 10.0, "vcpus": 20.0, "memory": 51200.0}
        for resource, limit in limits.items():
            add(f"openstack_nova_limits_{resource}_used", owner, limit / 4)
            add(f"openstack_nova_limits_{resource}_max", owner, limit)
        add("openstack_cinder_limits_volume_used_gb", owner, 20)
        add("openstack_cinder_limits_volume_max_gb", owner, 1000)
        own = {"id": f"id-{server}", "name": server, "tenant_id": project}
        add("openstack_nova_server_status", {**own, "status": "ACTIVE", "availability_zone": "nova"}, 0)
        add("openstack_cinder_volume_gb", {**own, "status": "in-use", "volume_type": "lvm"}, 20)
        add("openstack_neutron_floating_ip", {"id": f"id-{server}", "project_id": project}, 1)
    return _target("openstack", families)


def _target(job: str, families: dict[str, list[Series]]) -> Target:
    exposed = []
    for name, series in families.items():
        counter = name.endswith("_total")
        exposed.append(
            Family(name.removesuffix("_total"), "counter" if counter else "gauge", "-", tuple(series))
        )
    return Target(job, f"/{job}", {"instance": "host:9177"}, tuple(exposed))


@pytest.fixture(scope="module")
def projects(people: People) -> dict[str, str]:
    """The id of the project of each server."""
    return {"server-of-a": str(people.a.project_id), "server-of-b": str(people.b.project_id)}


@pytest.fixture(scope="module")
def exporters(
    servers: ExitStack,
    gateway_for: GatewayFor,
    projects: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Gateway:
    """The gateway over a Prometheus with the exporters of libvirt and OpenStack, and libvirt's rules."""
    exporter = Exporter([libvirt(projects), openstack(projects)], free_port())
    servers.enter_context(exporter)
    groups = yaml.safe_load(load_libvirt_rules())["groups"]
    store = Ruled(tmp_path_factory.mktemp("exporters"), {LIBVIRT_RULES: groups})
    store.scrape_configs = exporter.scrape_configs("1s")
    servers.enter_context(store)
    recorded = 'count_over_time(libvirt_domain_info_cpu_time_seconds_total{project_id!=""}[20s]) > 12'
    assert wait_for(lambda: len(result(store, recorded)) == len(projects), timeout=30)
    (labels,) = re.findall(r"^    metric_label_names = (.+)$", GUIDE.read_text(), re.MULTILINE)
    return gateway_for(store, prometheus={"metric_label_names": labels})


@pytest.fixture(scope="module")
def measured(gateway_for: GatewayFor, stores: Stores) -> Measured:
    """A gateway, and the port of its metrics."""
    port = free_port()
    return gateway_for(stores.ab, gateway={"metrics_port": str(port)}), port


@pytest.fixture(scope="module")
def monitored(
    servers: ExitStack, measured: Measured, people: People, tokens: Tokens, tmp_path_factory: Any
) -> Prometheus:
    """A Prometheus that scrapes a gateway, which has answered queries and rejected some."""
    gateway, port = measured
    for query in ("cpu", "cpu", "cpu("):
        requests.get(f"{gateway.url}/api/v1/query", {"query": query}, auth=basic(people.a), timeout=30)
    for token in (tokens.domain(people.auditor), tokens.domain(people.auditor), "unknown"):
        headers = {"X-Auth-Token": token}
        requests.get(f"{gateway.url}/api/v1/query", {"query": "cpu"}, headers=headers, timeout=30)
    with socket.create_connection((LOOPBACK, gateway.port), timeout=30) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        connection.recv(1)
    store = Prometheus(tmp_path_factory.mktemp("monitoring"))
    target = {"static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]}
    store.scrape_configs = [
        {"job_name": "gateway", "scrape_interval": "1s", "scrape_timeout": "1s", **target}
    ]
    servers.enter_context(store)
    scraped = "count_over_time(chrysaetos_build_info[1m]) > 3"
    assert wait_for(lambda: result(store, scraped) != [], timeout=30)
    return store


VMS = [
    ("gateway_demo", "vms-ceilometer"),
    ("exporters", "vms-libvirt"),
    ("exporters", "vms-openstack-exporter"),
]


@pytest.mark.parametrize(("source", "name"), VMS)
def test_a_tenant_has_values_in_each_panel_and_none_of_others(source, name, request, people):
    gateway = request.getfixturevalue(source)
    seen = ""
    for title, expression in queries(name):
        found = result(gateway, expression, people.a)
        assert found, (title, expression)
        assert all(math.isfinite(float(series["value"][1])) for series in found), (title, found)
        seen += json.dumps(found)
    for expression in variable_queries(name):
        found = result(gateway, expression, people.a)
        assert found, expression
        seen += json.dumps(found)
    for others in (people.b.project_id, people.b.user, "server-of-b"):
        assert f'"{others}' not in seen
        assert f'{others}"' not in seen


@pytest.mark.parametrize(("source", "name"), VMS)
def test_an_operator_sees_all_projects_or_the_chosen_one(source, name, request, people):
    gateway = request.getfixturevalue(source)
    for title, expression in queries(name):
        of_a = result(gateway, expression, people.a)
        whole = result(gateway, expression, people.admin)
        if len(of_a) == 1 and not of_a[0]["metric"]:
            assert float(whole[0]["value"][1]) > float(of_a[0]["value"][1]), title
        else:
            assert len(whole) >= len(of_a), title
    for title, expression in queries(name, project=str(people.a.project_id)):
        chosen = result(gateway, expression, people.admin)
        assert labels(chosen) == labels(result(gateway, expression, people.a)), title


def labels(found: list[dict[str, Any]]) -> set[str]:
    return {json.dumps(series["metric"], sort_keys=True) for series in found}


def test_the_values_are_those_of_the_exporter(exporters, people):
    by_title = dict(queries("vms-libvirt", window="10s"))
    expected = {"Servers": 1, "vCPUs": 2, "Memory": 1024 * MIB, "vCPUs in use": 0.5, "CPU usage": 25}
    for title, value in expected.items():
        (series,) = result(exporters, by_title[title], people.a)
        assert float(series["value"][1]) == pytest.approx(value, rel=0.1), title
    # Both disks, but not once for the exporter's series and once more for the rule's.
    for who in (people.a, people.admin):
        (read,) = [
            series
            for title, expression in queries("vms-libvirt", window="10s")
            if title == "Disks" and "read" in expression
            for series in result(exporters, expression, who)
            if series["metric"]["instance_name"] == "server-of-a"
        ]
        assert float(read["value"][1]) == pytest.approx(200, rel=0.1)


def test_the_dashboard_of_the_gateway(monitored):
    empty = [title for title, expression in queries(GATEWAY) if not result(monitored, expression)]
    # There are no replicas.
    assert empty == ["Failures of Prometheus"]
    for expression in variable_queries(GATEWAY):
        assert result(monitored, expression)


def test_the_dashboard_of_the_gateway_shows_what_happened(monitored):
    by_title = {title: result(monitored, expression) for title, expression in queries(GATEWAY)}
    assert by_title["Processes"][0]["value"][1] == "1"
    assert {series["metric"]["code"] for series in by_title["Requests by status"]} >= {"200", "400", "401"}
    assert "query" in {series["metric"]["endpoint"] for series in by_title["Requests by endpoint"]}

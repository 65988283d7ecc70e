"""The usage exporter, with a real Keystone, a Nova with paging and faults, and a real Prometheus."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, ClassVar

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from tests.fakes.nova_usage import FakeNova
from tests.fakes.nova_usage import Server as NovaServer
from tests.support.commands import Output, run

from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK, Server, wait_for
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = 86400
SIZES = ((1, 512, 5), (2, 2048, 20), (8, 16384, 80))
"""CPUs, MB and GB of flavors."""
DOMAINS = ("science", "teaching", "guests")
PROJECTS = 50
BIG = 1500
"""Servers of the largest project: more than Nova gives at once."""


class UsageExporter(Server):
    """`chrysaetos usage`, started as an operator does."""

    name: ClassVar[str] = "Usage"
    ready_path: ClassVar[str] = "/-/healthy"

    def __init__(self, directory: Path, environ: dict[str, str], *arguments: str) -> None:
        super().__init__(directory)
        self._environ = environ
        self._arguments = arguments

    def prepare(self) -> None:
        """Nothing: its state is all it has."""

    def command(self) -> list[str]:
        state = ("--state", str(self.directory / "state"))
        listening = ("--bind", LOOPBACK, "--port", str(self.port))
        return [sys.executable, "-m", "chrysaetos", "usage", *listening, *state, *self._arguments]

    def environment(self) -> dict[str, str]:
        return self._environ

    def page(self) -> str:
        return requests.get(f"{self.root_url}/metrics", timeout=30).text

    def metrics(self) -> dict[tuple[str, str], float]:
        """Name and project id → value."""
        return {
            (sample.name, sample.labels.get("project_id", sample.labels.get("reason", ""))): sample.value
            for family in text_string_to_metric_families(self.page())
            for sample in family.samples
        }


class Cloud:
    """A Keystone with projects, and their Nova."""

    def __init__(self, keystone: Keystone, nova: FakeNova, start: float) -> None:
        self.keystone = keystone
        self.nova = nova
        self.start = start
        self.api = IdentityApi(keystone.url, keystone.admin_password)
        self.domains = {
            name: self.api.call("POST", "/domains", {"domain": {"name": name}})["domain"]["id"]
            for name in DOMAINS
        }
        self.projects = [self.new_project(f"project-{number}", number) for number in range(PROJECTS)]
        self.api.register_endpoint("compute", "nova", f"{nova.url}/v2.1")
        for number, project in enumerate(self.projects):
            for server in range(BIG if number == 7 else 4):
                cpus, memory, disk = SIZES[(number + server) % len(SIZES)]
                launched = start - DAY + ((number * 7919 + server * 104729) % (2 * DAY - 7200))
                ended = launched + 30000 if server % 5 == 4 else None
                name = f"{number:03}-{server:04}"
                nova.add(NovaServer(name, project, launched, ended, cpus, memory, disk))

    def new_project(self, name: str, number: int) -> str:
        domain = self.domains[DOMAINS[number % len(DOMAINS)]]
        body = {"project": {"name": name, "domain_id": domain}}
        return str(self.api.call("POST", "/projects", body)["project"]["id"])

    def environ(self) -> dict[str, str]:
        return {
            "OS_AUTH_URL": self.keystone.url,
            "OS_USERNAME": "admin",
            "OS_PASSWORD": self.keystone.admin_password,
            "OS_PROJECT_NAME": "admin",
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
            "OS_REGION_NAME": "RegionOne",
        }

    def expected(self, project: str, until: float) -> tuple[float, float, float]:
        """CPU hours, MB hours and GB hours of a project, from its servers alone."""
        own = [one for one in self.nova.servers.values() if one.project_id == project]
        hours = [max(0.0, min(one.terminated or until, until) - max(one.launched, self.start)) for one in own]
        return (
            sum(one.vcpus * each for one, each in zip(own, hours, strict=True)) / 3600,
            sum(one.memory_mb * each for one, each in zip(own, hours, strict=True)) / 3600,
            sum(one.local_gb * each for one, each in zip(own, hours, strict=True)) / 3600,
        )


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """One of its own: it is stopped on the way."""
    with Keystone(tmp_path_factory.mktemp("usage-keystone")) as running:
        yield running


@pytest.fixture(scope="module")
def cloud(keystone: Keystone) -> Iterator[Cloud]:
    with FakeNova() as nova:
        made = Cloud(keystone, nova, float(int(time.time()) // 3600 * 3600 - DAY))
        yield made
        made.api.close()


@pytest.fixture
def start(tmp_path: Path, cloud: Cloud) -> Iterator[Callable[..., UsageExporter]]:
    """Starts an exporter; one at a time has the state of a test."""
    running: list[UsageExporter] = []

    def run(*arguments: str, interval: str = "0.5") -> UsageExporter:
        while running:
            running.pop().stop()
        date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(cloud.start))
        exporter = UsageExporter(
            tmp_path, cloud.environ(), "--start", date, "--interval", interval, *arguments
        )
        running.append(exporter)
        exporter.start()
        exporter.wait_ready()
        return exporter

    yield run
    while running:
        running.pop().stop()


def eventually(condition: Callable[[], bool], what: str) -> None:
    assert wait_for(condition, timeout=40), what


def counted(exporter: UsageExporter) -> float:
    return exporter.metrics()["usage_exporter_counted_until_timestamp_seconds", ""]


def renewed(exporter: UsageExporter) -> None:
    """Wait for an update that began after this call."""
    now = time.time()
    eventually(lambda: counted(exporter) > now, "no update")


def test_totals_are_those_of_an_independent_computation(cloud, start):
    exporter = start()
    renewed(exporter)
    renewed(exporter)
    metrics = exporter.metrics()
    until = metrics["usage_exporter_counted_until_timestamp_seconds", ""]
    for project in cloud.projects:
        names = ("project_vcpu_usage", "project_mb_usage", "project_disk_gb_usage")
        shown = tuple(metrics[name, project] for name in names)
        assert shown == pytest.approx(cloud.expected(project, until), rel=1e-9, abs=1e-3)
    big = cloud.projects[7]
    there = sum(one.project_id == big and one.terminated is None for one in cloud.nova.servers.values())
    assert metrics["project_current_server_usage", big] == there == BIG * 4 / 5


def test_an_update_takes_few_calls(cloud, start):
    exporter = start(interval="60")
    eventually(lambda: exporter.metrics()["usage_exporter_up", ""] == 1, "no update")
    pages = -(-len(cloud.nova.servers) // 1000)
    assert exporter.metrics()["usage_exporter_api_calls_total", ""] <= pages + 3


def test_prometheus_scrapes_it(tmp_path, start):
    exporter = start()
    renewed(exporter)
    scrape = {
        "job_name": "project_usages",
        "scrape_interval": "1s",
        "static_configs": [{"targets": [f"{LOOPBACK}:{exporter.port}"]}],
    }
    with Prometheus(tmp_path / "prometheus", scrape_configs=[scrape]) as prometheus:

        def count() -> int:
            query = {"query": 'count({job="project_usages",__name__=~"project_(vcpu|mb)_usage"})'}
            answer = requests.get(f"{prometheus.url}/api/v1/query", params=query, timeout=10).json()
            result = answer["data"]["result"]
            return int(result[0]["value"][1]) if result else 0

        # Keystone's own project admin is one of them.
        eventually(lambda: count() == 2 * (PROJECTS + 1), "not all series were scraped")


def test_only_projects_of_a_domain(cloud, start):
    exporter = start("--domain", "science")
    renewed(exporter)
    shown = {project for name, project in exporter.metrics() if name == "project_vcpu_usage"}
    assert shown == {one for number, one in enumerate(cloud.projects) if number % 3 == 0}


def test_projects_that_are_renamed_or_deleted(cloud, start):
    exporter = start()
    project = cloud.new_project("short-lived", 0)
    renewed(exporter)
    assert 'project_name="short-lived"' in exporter.page()
    cloud.api.call("PATCH", f"/projects/{project}", {"project": {"name": "renamed"}})
    renewed(exporter)
    page = exporter.page()
    assert 'project_name="short-lived"' not in page
    assert 'project_name="renamed"' in page
    cloud.api.call("DELETE", f"/projects/{project}")
    renewed(exporter)
    assert 'project_name="renamed"' not in exporter.page()


def test_servers_that_are_resized_deleted_and_archived(cloud, start):
    project = cloud.new_project("changing", 0)
    launched = cloud.start
    cloud.nova.add(NovaServer("zz-resized", project, launched, vcpus=1, memory_mb=1024))
    cloud.nova.add(NovaServer("zz-archived", project, launched, vcpus=1, memory_mb=1024))
    exporter = start()
    renewed(exporter)
    before = exporter.metrics()["project_vcpu_usage", project]
    cloud.nova.servers["zz-resized"].vcpus = 1000
    del cloud.nova.servers["zz-archived"]
    renewed(exporter)
    after = exporter.metrics()["project_vcpu_usage", project]
    # A thousand CPUs for some seconds, and not for the day before.
    assert before <= after < before + 1000 * 60 / 3600
    exporter = start()
    assert exporter.metrics()["project_vcpu_usage", project] >= after
    del cloud.nova.servers["zz-resized"]
    cloud.api.call("DELETE", f"/projects/{project}")


def test_a_restart_shows_at_once_what_was_counted(cloud, start):
    exporter = start()
    renewed(exporter)
    exporter.stop()
    cloud.nova.failing = [503] * 1000
    try:
        exporter = start()
        metrics = exporter.metrics()
        assert metrics["usage_exporter_up", ""] == 1
        assert metrics["project_vcpu_usage", cloud.projects[0]] > 0
    finally:
        cloud.nova.failing = []
    renewed(exporter)


@pytest.mark.parametrize("status", [503, 429, 500])
def test_a_nova_that_fails_for_a_while(cloud, start, status):
    exporter = start()
    renewed(exporter)
    cloud.nova.failing = [status] * 1000
    problem = ("usage_exporter_problem", "nova")
    try:
        eventually(lambda: exporter.metrics().get(problem) == 1, "no problem is told")
        assert exporter.metrics()["project_vcpu_usage", cloud.projects[0]] > 0
    finally:
        cloud.nova.failing = []
    renewed(exporter)
    metrics = exporter.metrics()
    until = metrics["usage_exporter_counted_until_timestamp_seconds", ""]
    assert metrics["project_vcpu_usage", cloud.projects[1]] == pytest.approx(
        cloud.expected(cloud.projects[1], until)[0], rel=1e-9
    )
    assert problem not in metrics


def test_what_is_too_old_goes(cloud, start):
    exporter = start("--max-age", "3")
    renewed(exporter)
    cloud.nova.failing = [503] * 1000
    try:
        eventually(lambda: exporter.metrics()["usage_exporter_up", ""] == 0, "it is still shown")
        assert ("project_vcpu_usage", cloud.projects[0]) not in exporter.metrics()
    finally:
        cloud.nova.failing = []
    eventually(lambda: exporter.metrics()["usage_exporter_up", ""] == 1, "it did not come back")


def test_a_keystone_that_stops_for_a_while(cloud, keystone, start):
    exporter = start()
    renewed(exporter)
    keystone.stop()
    try:
        eventually(
            lambda: exporter.metrics().get(("usage_exporter_problem", "keystone")) == 1, "no problem is told"
        )
    finally:
        keystone.start()
        keystone.wait_ready()
    renewed(exporter)
    exporter.check()
    assert cloud.projects[0] in exporter.page()


def test_memory_and_time_limits_do_not_hang_a_slow_nova(cloud, start):
    cloud.nova.delay = 0.3
    try:
        exporter = start()
        renewed(exporter)
    finally:
        cloud.nova.delay = 0.0


def usage(cloud: Cloud, *arguments: str, **environ: str) -> Output:
    return run([sys.executable, "-m", "chrysaetos", "usage", *arguments], env=cloud.environ() | environ)


def test_check_says_what_is_right_and_what_is_not(cloud):
    assert "scope admin, roles" in usage(cloud, "check").out
    cloud.nova.forbidden.add("/os-simple-tenant-usage")
    try:
        wrong = usage(cloud, "check")
    finally:
        cloud.nova.forbidden.clear()
    assert wrong.status == 1
    assert "FAILED  usage" in wrong.printed
    assert "os-simple-tenant-usage:list" in wrong.printed
    password = usage(cloud, "check", OS_PASSWORD="wrong")
    assert password.status == 1
    assert "FAILED  credentials" in password.printed
    assert "wrong" not in password.printed + password.err


def test_once_prints_and_ends(cloud, tmp_path):
    done = usage(cloud, "--once", "--start", "2026-01-01", HOME=str(tmp_path))
    assert f'project_id="{cloud.projects[0]}"' in done.out
    assert not (tmp_path / ".local").exists()  # where the ledger would be

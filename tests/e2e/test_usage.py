"""The usage exporter with a real Keystone, a fake Nova with paging and errors, and a real Prometheus."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
import requests
from tests.e2e.usage_exporter import UsageExporter, admin_environ, counted_until, eventually, wait_for_update
from tests.fakes.nova_usage import FakeNova
from tests.fakes.nova_usage import Server as NovaServer
from tests.support.commands import Output, run

from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.usage.grants import FILE, append_grant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = 86400
SIZES = ((1, 512, 5), (2, 2048, 20), (8, 16384, 80))
"""CPUs, MB and GB of flavors."""
DOMAINS = ("science", "teaching", "guests")
PROJECTS = 50
BIG = 1500
"""Servers of the largest project: more than Nova returns in one page."""
KILLS = int(os.environ.get("CHRYSAETOS_KILLS", "5"))
SEED = int(os.environ.get("CHRYSAETOS_SEED", "19"))


class Cloud:
    """A Keystone with projects, and a Nova with their servers."""

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
                terminated = launched + 30000 if server % 5 == 4 else None
                name = f"{number:03}-{server:04}"
                nova.add(NovaServer(name, project, launched, terminated, cpus, memory, disk))

    def new_project(self, name: str, number: int) -> str:
        domain = self.domains[DOMAINS[number % len(DOMAINS)]]
        body = {"project": {"name": name, "domain_id": domain}}
        return str(self.api.call("POST", "/projects", body)["project"]["id"])

    def environ(self) -> dict[str, str]:
        return admin_environ(self.keystone)

    def expected(self, project: str, until: float) -> tuple[float, float, float]:
        """Calculate the CPU hours, MB hours and GB hours of a project from its servers."""
        servers = [server for server in self.nova.servers.values() if server.project_id == project]
        hours = [
            max(0.0, min(server.terminated or until, until) - max(server.launched, self.start))
            for server in servers
        ]
        return (
            sum(server.vcpus * used for server, used in zip(servers, hours, strict=True)) / 3600,
            sum(server.memory_mb * used for server, used in zip(servers, hours, strict=True)) / 3600,
            sum(server.local_gb * used for server, used in zip(servers, hours, strict=True)) / 3600,
        )


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """A separate Keystone, since a test stops it."""
    with Keystone(tmp_path_factory.mktemp("usage-keystone")) as running:
        yield running


@pytest.fixture(scope="module")
def cloud(keystone: Keystone) -> Iterator[Cloud]:
    with FakeNova() as nova:
        created = Cloud(keystone, nova, float(int(time.time()) // 3600 * 3600 - DAY))
        yield created
        created.api.close()


@pytest.fixture
def start(tmp_path: Path, cloud: Cloud) -> Iterator[Callable[..., UsageExporter]]:
    """Return a function that starts an exporter and stops the previous one, which has the same state."""
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


def test_totals_equal_an_independent_calculation(cloud, start):
    exporter = start()
    wait_for_update(exporter)
    wait_for_update(exporter)
    metrics = exporter.metrics()
    until = metrics["usage_exporter_counted_until_timestamp_seconds", ""]
    for project in cloud.projects:
        names = ("project_vcpu_usage", "project_mb_usage", "project_disk_gb_usage")
        totals = tuple(metrics[name, project] for name in names)
        assert totals == pytest.approx(cloud.expected(project, until), rel=1e-9, abs=1e-3)
    big = cloud.projects[7]
    servers = cloud.nova.servers.values()
    current = sum(server.project_id == big and server.terminated is None for server in servers)
    assert metrics["project_current_server_usage", big] == current == BIG * 4 / 5


def test_an_update_needs_few_calls(cloud, start):
    exporter = start(interval="60")
    eventually(lambda: exporter.metrics()["usage_exporter_up", ""] == 1, "no update")
    pages = -(-len(cloud.nova.servers) // 1000)
    assert exporter.metrics()["usage_exporter_api_calls_total", ""] <= pages + 3


def test_prometheus_scrapes_the_exporter(tmp_path, start):
    exporter = start()
    wait_for_update(exporter)
    scrape = {
        "job_name": "project_usages",
        "scrape_interval": "1s",
        "static_configs": [{"targets": [f"{LOOPBACK}:{exporter.port}"]}],
    }
    with Prometheus(tmp_path / "prometheus", scrape_configs=[scrape]) as prometheus:

        def count() -> int:
            query = {"query": 'count({job="project_usages",__name__=~"project_(vcpu|mb)_usage"})'}
            response = requests.get(f"{prometheus.url}/api/v1/query", params=query, timeout=10).json()
            result = response["data"]["result"]
            return int(result[0]["value"][1]) if result else 0

        # PROJECTS, and Keystone's own project admin.
        eventually(lambda: count() == 2 * (PROJECTS + 1), "not all series were scraped")


def test_only_projects_of_a_domain_are_exported(cloud, start):
    exporter = start("--domain", "science")
    wait_for_update(exporter)
    exported = {project for name, project in exporter.metrics() if name == "project_vcpu_usage"}
    assert exported == {project for number, project in enumerate(cloud.projects) if number % 3 == 0}


def test_renamed_and_deleted_projects(cloud, start):
    exporter = start()
    project = cloud.new_project("short-lived", 0)
    wait_for_update(exporter)
    assert 'project_name="short-lived"' in exporter.page()
    cloud.api.call("PATCH", f"/projects/{project}", {"project": {"name": "renamed"}})
    wait_for_update(exporter)
    page = exporter.page()
    assert 'project_name="short-lived"' not in page
    assert 'project_name="renamed"' in page
    cloud.api.call("DELETE", f"/projects/{project}")
    wait_for_update(exporter)
    assert 'project_name="renamed"' not in exporter.page()


def test_resized_deleted_and_archived_servers(cloud, start):
    project = cloud.new_project("changing", 0)
    launched = cloud.start
    cloud.nova.add(NovaServer("zz-resized", project, launched, vcpus=1, memory_mb=1024))
    cloud.nova.add(NovaServer("zz-archived", project, launched, vcpus=1, memory_mb=1024))
    exporter = start()
    wait_for_update(exporter)
    before = exporter.metrics()["project_vcpu_usage", project]
    cloud.nova.servers["zz-resized"].vcpus = 1000
    del cloud.nova.servers["zz-archived"]
    wait_for_update(exporter)
    after = exporter.metrics()["project_vcpu_usage", project]
    # A thousand CPUs count for some seconds, not for the day before.
    assert before <= after < before + 1000 * 60 / 3600
    exporter = start()
    assert exporter.metrics()["project_vcpu_usage", project] >= after
    del cloud.nova.servers["zz-resized"]
    cloud.api.call("DELETE", f"/projects/{project}")


def test_a_restart_immediately_exports_the_counted_usage(cloud, start):
    exporter = start()
    wait_for_update(exporter)
    exporter.stop()
    cloud.nova.failing = [503] * 1000
    try:
        exporter = start()
        metrics = exporter.metrics()
        assert metrics["usage_exporter_up", ""] == 1
        assert metrics["project_vcpu_usage", cloud.projects[0]] > 0
    finally:
        cloud.nova.failing = []
    wait_for_update(exporter)


@pytest.mark.parametrize("status", [503, 429, 500])
def test_a_temporary_failure_of_nova(cloud, start, status):
    exporter = start()
    wait_for_update(exporter)
    cloud.nova.failing = [status] * 1000
    problem = ("usage_exporter_problem", "nova")
    try:
        eventually(lambda: exporter.metrics().get(problem) == 1, "no problem is reported")
        assert exporter.metrics()["project_vcpu_usage", cloud.projects[0]] > 0
    finally:
        cloud.nova.failing = []
    wait_for_update(exporter)
    metrics = exporter.metrics()
    until = metrics["usage_exporter_counted_until_timestamp_seconds", ""]
    assert metrics["project_vcpu_usage", cloud.projects[1]] == pytest.approx(
        cloud.expected(cloud.projects[1], until)[0], rel=1e-9
    )
    assert problem not in metrics


def test_old_usage_is_not_exported(cloud, start):
    exporter = start("--max-age", "3")
    wait_for_update(exporter)
    cloud.nova.failing = [503] * 1000
    try:
        eventually(lambda: exporter.metrics()["usage_exporter_up", ""] == 0, "the usage is still exported")
        assert ("project_vcpu_usage", cloud.projects[0]) not in exporter.metrics()
    finally:
        cloud.nova.failing = []
    eventually(lambda: exporter.metrics()["usage_exporter_up", ""] == 1, "the usage did not reappear")


def test_a_temporary_failure_of_keystone(cloud, keystone, start):
    exporter = start()
    wait_for_update(exporter)
    keystone.stop()
    try:
        eventually(
            lambda: exporter.metrics().get(("usage_exporter_problem", "keystone")) == 1,
            "no problem is reported",
        )
    finally:
        keystone.start()
        keystone.wait_ready()
    wait_for_update(exporter)
    exporter.check()
    assert cloud.projects[0] in exporter.page()


def test_a_slow_nova(cloud, start):
    cloud.nova.delay = 0.3
    try:
        exporter = start()
        wait_for_update(exporter)
    finally:
        cloud.nova.delay = 0.0


def usage(cloud: Cloud, *arguments: str, **environ: str) -> Output:
    return run([sys.executable, "-m", "chrysaetos", "usage", *arguments], env=cloud.environ() | environ)


def test_check_reports_successes_and_failures(cloud):
    assert "scope admin, roles" in usage(cloud, "check").out
    cloud.nova.forbidden.add("/os-simple-tenant-usage")
    try:
        wrong = usage(cloud, "check")
    finally:
        cloud.nova.forbidden.clear()
    assert wrong.status == 1
    assert "failed   usage" in wrong.printed
    assert "os-simple-tenant-usage:list" in wrong.printed
    password = usage(cloud, "check", OS_PASSWORD="wrong")
    assert password.status == 1
    assert "failed   credentials" in password.printed
    assert "wrong" not in password.printed + password.err


def test_once_prints_and_exits(cloud, tmp_path):
    done = usage(cloud, "--once", "--start", "2026-01-01", HOME=str(tmp_path))
    assert f'project_id="{cloud.projects[0]}"' in done.out
    assert not (tmp_path / ".local").exists()  # the default directory of the ledger


def test_drill(cloud, start, tmp_path):
    """Nova is down at first, lists servers twice, and loses servers between pages; the exporter is killed.

    Totals equal the computation, and credits are charged what the totals rise.
    """
    nova, chance = cloud.nova, random.Random(SEED)
    big, servers, removed = cloud.projects[7], dict(nova.servers), {}

    def lose(last):
        if chance.random() < 0.3:
            candidates = [last, *(name for name in nova.servers if name > last)]
            name = chance.choice([name for name in candidates if name.startswith("007-")] or [None])
            server = nova.servers.get(name)
            if server is not None and server.terminated is None:
                del nova.servers[name]
                removed[name] = time.time()

    def updated_since(moment: float) -> bool:
        return counted_until(exporter) > moment

    longest = 0.0
    nova.down = True
    try:
        exporter = start()
        problem = ("usage_exporter_problem", "nova")
        eventually(lambda: exporter.metrics().get(problem) == 1, "no problem is reported")
        nova.down = False
        wait_for_update(exporter)
        charged = cloud.projects[0]
        append_grant(
            tmp_path / "state" / FILE,
            project_id=charged,
            resource="vcpu",
            hours=1000.0,
            now=time.time(),
            until=None,
            by="operator",
            why="drill",
        )
        used = ("usage_exporter_credits_used_hours", charged)
        eventually(lambda: exporter.metrics().get(used, 0) > 0, "nothing is charged")
        granted = exporter.metrics()
        nova.duplicates = {"003-0001": None, "003-0002": 1e-9, "049-0003": None, "007-0600": None}
        nova.after_page = lose
        for number in range(KILLS):
            nova.repeat_later = number % 2 == 0
            before = counted_until(exporter)
            os.killpg(exporter.pid, signal.SIGKILL)
            exporter = start()
            eventually(partial(updated_since, before), "no update")
            longest = max(longest, counted_until(exporter) - before)
            time.sleep(chance.random())  # so that the kill meets each part of an update
        eventually(lambda: bool(removed), "no server vanishes between pages")
        nova.after_page = lambda _: None
        wait_for_update(exporter)
        metrics = exporter.metrics()
    finally:
        nova.down, nova.duplicates, nova.repeat_later, nova.after_page = False, {}, False, lambda _: None
        nova.servers = servers
    until = metrics["usage_exporter_counted_until_timestamp_seconds", ""]
    names = ("project_vcpu_usage", "project_mb_usage", "project_disk_gb_usage")
    for project in cloud.projects:
        if project != big:
            totals = tuple(metrics[name, project] for name in names)
            assert totals == pytest.approx(cloud.expected(project, until), rel=1e-9, abs=1e-3)
    assert metrics["usage_exporter_duplicate_servers", ""] >= 3
    rise = metrics["project_vcpu_usage", charged] - granted["project_vcpu_usage", charged]
    assert metrics[used] - granted[used] == pytest.approx(rise, rel=1e-6)
    # A server that Nova forgets before its last window is requested loses this window and nothing else.
    for name, moment in removed.items():
        servers[name].terminated = moment
    most = cloud.expected(big, until)
    least = most[0] - sum(servers[name].vcpus for name in removed) * (longest + 1) / 3600
    for name in removed:
        servers[name].terminated = None
    assert least <= metrics["project_vcpu_usage", big] <= most[0] + 1e-3

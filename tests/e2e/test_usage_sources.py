"""Volumes, floating IPs and quotas: a real Keystone, fakes of Nova, Cinder and Neutron, and kills."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.e2e.usage_exporter import UsageExporter, admin_environ, eventually, wait_for_update
from tests.fakes.listed_services import FakeCinder, FakeNeutron, Listed
from tests.fakes.nova_usage import FakeNova
from tests.fakes.nova_usage import Server as NovaServer
from tests.support.commands import Output, run

from chrysaetos.demo.identities import Account, IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.usage.options import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOUR = 3600
KILLS = int(os.environ.get("CHRYSAETOS_KILLS", "5"))
SEED = int(os.environ.get("CHRYSAETOS_SEED", "19"))
ALL = ("--sources", ",".join(SOURCES))


class Site:
    """A Keystone with three projects, and the services with their servers, volumes and floating IPs."""

    def __init__(self, keystone: Keystone, nova: FakeNova, cinder: FakeCinder, neutron: FakeNeutron) -> None:
        self.keystone, self.nova, self.cinder, self.neutron = keystone, nova, cinder, neutron
        self.start = float(int(time.time()) // HOUR * HOUR - 24 * HOUR)
        self.api = IdentityApi(keystone.url, keystone.admin_password)
        self.projects = [self.api.create_project(f"project-{number}") for number in range(3)]
        self.reader = self.api.create_account("reader", self.projects[0], "project-0", "reader")
        for kind, name, url in (
            ("compute", "nova", f"{nova.url}/v2.1"),
            ("volumev3", "cinder", cinder.url),
            ("network", "neutron", neutron.url),
        ):
            self.api.register_endpoint(kind, name, url)
        for number, project in enumerate(self.projects):
            nova.add(NovaServer(f"s{number}", project, self.start + 100 * number, vcpus=number + 1))
            cinder.add(
                *(
                    Listed(f"v{number}-{each}", project, self.start - 60 * each, size=each + 1)
                    for each in range(7)
                )
            )
            neutron.add(Listed(f"f{number}", project, self.start + 7200))
        for project in (*self.projects, self.api.admin_project_id):
            nova.quotas[project] = {"cores": (-1, 3), "ram": (4096, 1024)}
            cinder.quotas[project] = {"gigabytes": (100, 28)}
            neutron.quotas[project] = {"floatingip": (5, 1)}
        cinder.max_limit = 5

    def environ(self, account: Account | None = None) -> dict[str, str]:
        """Return the credentials of the administrator, or the application credential of an account."""
        if account is None:
            return admin_environ(self.keystone)
        assert account.application_credential
        return {
            "OS_AUTH_URL": self.keystone.url,
            "OS_AUTH_TYPE": "v3applicationcredential",
            "OS_APPLICATION_CREDENTIAL_ID": account.application_credential.id,
            "OS_APPLICATION_CREDENTIAL_SECRET": account.application_credential.secret,
            "OS_REGION_NAME": "RegionOne",
        }

    def restrict(self, project: str | None) -> None:
        """Let the services answer as to the reader of a project."""
        self.cinder.only_project = self.neutron.only_project = project
        self.nova.forbidden = {"/os-simple-tenant-usage"} if project else set()

    def gb_hours(self, project: str, until: float) -> float:
        volumes = [each for each in self.cinder.objects.values() if each.project_id == project]
        return sum(each.size * (until - max(each.created, self.start)) / HOUR for each in volumes)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (
        Keystone(tmp_path_factory.mktemp("sources-keystone")) as keystone,
        FakeNova() as nova,
        FakeCinder() as cinder,
        FakeNeutron() as neutron,
    ):
        created = Site(keystone, nova, cinder, neutron)
        yield created
        created.api.close()


@pytest.fixture
def start(tmp_path: Path, site: Site) -> Iterator[Callable[..., UsageExporter]]:
    """Return a function that starts an exporter and stops the previous one, which has the same state."""
    running: list[UsageExporter] = []

    def start_exporter(*arguments: str, account: Account | None = None) -> UsageExporter:
        while running:
            running.pop().stop()
        date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(site.start))
        exporter = UsageExporter(
            tmp_path, site.environ(account), "--start", date, "--interval", "0.5", *arguments
        )
        running.append(exporter)
        exporter.start()
        exporter.wait_ready()
        return exporter

    yield start_exporter
    while running:
        running.pop().stop()
    site.restrict(None)


def source_until(exporter: UsageExporter, source: str = "volumes") -> float:
    """Return the time up to which a source is counted; 0 if the source is not known yet."""
    name = f'usage_exporter_source_counted_until_timestamp_seconds{{source="{source}"}}'
    return next((float(line.split()[-1]) for line in exporter.page().splitlines() if name in line), 0.0)


def updated_since(exporter: UsageExporter, moment: float, source: str = "volumes") -> bool:
    return source_until(exporter, source) > moment


def all_are_fresh(exporter: UsageExporter) -> bool:
    return all(source_until(exporter, source) > 0 for source in SOURCES)


def usage(site: Site, *arguments: str, account: Account | None = None) -> Output:
    return run([sys.executable, "-m", "chrysaetos", "usage", *arguments, *ALL], env=site.environ(account))


def test_an_administrator_exports_all_projects(site, start):
    exporter = start(*ALL)
    eventually(partial(all_are_fresh, exporter), "a source is missing")
    page = exporter.page()
    metrics = exporter.metrics()
    until = source_until(exporter)
    for number, project in enumerate(site.projects):
        assert metrics["project_current_volume_usage", project] == 7
        assert metrics["project_current_volume_gb_usage", project] == 28
        assert metrics["project_current_floating_ip_usage", project] == 1
        assert metrics["project_current_vcpu_usage", project] == number + 1
        # The volumes may have been counted once more since the page was read.
        assert metrics["project_volume_gb_usage", project] == pytest.approx(
            site.gb_hours(project, until), abs=1
        )
        labels = f'project_id="{project}",project_name="project-{number}"'
        common = f'domain_id="default",domain_name="Default",{labels}'
        for resource, service, limit in (
            ("cores", "compute", "+Inf"),
            ("ram", "compute", "4096.0"),
            ("gigabytes", "volume", "100.0"),
            ("floatingip", "network", "5.0"),
        ):
            series = f'{{{common},resource="{resource}",service="{service}"}}'
            assert f"usage_exporter_quota_limit{series} {limit}\n" in page
            assert f"usage_exporter_quota_used{series} " in page
    checked = usage(site, "check")
    assert checked.status == 0
    assert checked.out.count("ok ") == 3 + len(SOURCES)


def test_one_projects_application_credential_suffices_for_its_own_figures(site, start):
    project = site.projects[0]
    site.restrict(project)
    for service in (site.nova, site.cinder, site.neutron):
        service.requests.clear()
    exporter = start(*ALL, "--own-project", account=site.reader)
    eventually(partial(all_are_fresh, exporter), "a source is missing")
    metrics = exporter.metrics()
    named = {each for name, each in metrics if name.startswith(("project_", "usage_exporter_quota"))}
    assert named == {project}
    assert metrics["project_current_volume_gb_usage", project] == 28
    assert metrics["project_current_server_usage", project] == 1
    assert not any(name == "usage_exporter_problem" for name, _ in metrics)
    requests = site.nova.requests + site.cinder.requests + site.neutron.requests
    assert not any(other in request for other in site.projects[1:] for request in requests)
    checked = usage(site, "check", "--own-project", account=site.reader)
    assert (checked.status, checked.out.count("ok ")) == (0, 1 + len(SOURCES))


def test_a_reader_without_that_option_is_told_of_it(site, start):
    site.restrict(site.projects[0])
    exporter = start(*ALL, account=site.reader)
    forbidden = ("usage_exporter_problem", "forbidden")
    eventually(lambda: exporter.metrics().get(forbidden) == 1, "no problem is reported")
    assert "project_current_volume_usage" not in exporter.page()
    checked = usage(site, "check", account=site.reader)
    assert checked.status == 1
    assert "failed   projects" in checked.printed


def test_a_service_that_fails_does_not_stop_the_others(site, start):
    exporter = start(*ALL)
    eventually(partial(all_are_fresh, exporter), "a source is missing")
    site.cinder.down = True
    try:
        eventually(
            lambda: exporter.metrics().get(("usage_exporter_problem", "cinder")) == 1,
            "no problem is reported",
        )
        frozen = source_until(exporter)
        wait_for_update(exporter)
        now = time.time()
        for source in ("floating-ips", "network-quotas", "compute-quotas"):
            eventually(partial(updated_since, exporter, now, source), f"{source} is not updated")
        assert source_until(exporter) == frozen
    finally:
        site.cinder.down = False
    eventually(lambda: source_until(exporter) > frozen, "the volumes are not counted again")
    project = site.projects[1]
    total, until = exporter.metrics()["project_volume_gb_usage", project], source_until(exporter)
    assert total == pytest.approx(site.gb_hours(project, until), abs=1)


def test_once_prints_what_there_is_and_names_what_fails(site):
    site.cinder.down = True
    try:
        printed = usage(site, "--once", "--start", "2026-01-01")
    finally:
        site.cinder.down = False
    assert printed.status == 1
    assert "project_floating_ip_usage{" in printed.printed
    assert "project_volume_usage{" not in printed.printed
    assert "Cinder, GET " in printed.err


def test_drill(site, start):
    """The exporter is killed while volumes come, go and are listed twice; totals equal the computation."""
    chance = random.Random(SEED)
    cinder, stable, changing = site.cinder, site.projects[1], site.projects[2]
    created: dict[str, Listed] = {}
    deleted: dict[str, float] = {}
    longest = 0.0

    cinder.repeated = {"v1-0", "v1-3"}
    try:
        exporter = start(*ALL)
        eventually(partial(updated_since, exporter, 0.0), "no update")
        for number in range(KILLS):
            before = source_until(exporter)
            created[f"new-{number}"] = Listed(f"new-{number}", changing, time.time(), size=1000)
            cinder.add(created[f"new-{number}"])
            time.sleep(chance.random())  # so that the kill meets each part of an update
            os.killpg(exporter.pid, signal.SIGKILL)
            if number % 2:
                deleted[f"new-{number - 1}"] = time.time()
                del cinder.objects[f"new-{number - 1}"]
            exporter = start(*ALL)
            eventually(partial(updated_since, exporter, before), "no update")
            longest = max(longest, source_until(exporter) - before)
        wait_for_update(exporter)
        until = 0.0
        while until != source_until(exporter):  # the totals and the time are those of one update
            until = source_until(exporter)
            metrics = exporter.metrics()
    finally:
        cinder.repeated = set()
        for name in created:
            cinder.objects.pop(name, None)
    assert metrics["project_volume_gb_usage", stable] == pytest.approx(
        site.gb_hours(stable, until), rel=1e-9, abs=1e-3
    )
    # A volume that was deleted loses at most the window in which this happened, and nothing is counted twice.
    assert deleted
    most = site.gb_hours(changing, until) + sum(
        each.size * (deleted.get(name, until) - each.created) / HOUR for name, each in created.items()
    )
    least = most - sum(created[name].size for name in deleted) * (longest + 1) / HOUR
    assert least <= metrics["project_volume_gb_usage", changing] <= most + 1e-3

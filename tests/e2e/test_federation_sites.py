"""Two real sites and a real portal: what the portal stores, also while parts of a site are down."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.federation_stack import federate_token

from chrysaetos.demo.processes import free_port, wait_for
from chrysaetos.demo.sites import DemoSite, PortalPrometheus, sample_usage, write_portal
from chrysaetos.federation.portal import installed_version
from chrysaetos.federation.registry import FRESHNESS, USAGE
from chrysaetos.regular_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chrysaetos.demo.processes import Server

DAY = 86400
INTERVAL = 1.0
"""The scrape interval in seconds, at sites and at the portal."""
LATE = 1.0
"""The maximum delay of a scrape in seconds, on a busy machine."""

Labels = frozenset[tuple[str, str]]


class Portal(PortalPrometheus):
    """The portal's Prometheus, with queries."""

    def series(self, selector: str) -> dict[Labels, float]:
        """Return the current values of series."""
        found = self._query("query", query=selector)["result"]
        return {frozenset(series["metric"].items()): float(series["value"][1]) for series in found}

    def last_seen(self, query: str, begin: float, end: float) -> float:
        """Return when a query last had a result, with a resolution of 0.1 seconds."""
        found = self._query("query_range", query=query, start=str(begin), end=str(end), step="0.1")["result"]
        return max((float(moment) for series in found for moment, _ in series["values"]), default=begin)

    def times(self, selector: str, since: float) -> list[float]:
        """Return the times of a series' samples, in order."""
        (found,) = self._query("query", query=f"{selector}[{int(time.time() - since)}s]")["result"]
        return [float(moment) for moment, _ in found["values"]]

    def _query(self, path: str, **parameters: str) -> Any:
        response = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10)
        assert response.status_code == 200, response.text
        return response.json()["data"]


class Federation:
    """The sites alpha and beta. Beta labels its series as alpha's."""

    def __init__(self, directory: Path) -> None:
        self.start = float(int(time.time()) - 30 * DAY)
        self.sites = [self._site(directory, name, number) for number, name in enumerate(("alpha", "beta"))]
        self.alpha, self.beta = self.sites
        self.beta.prometheus.scrape_configs[0]["metric_relabel_configs"] = [
            {"target_label": name, "replacement": value}
            for name, value in (("location", "alpha"), ("location_id", "1"))
        ]
        self.portal = Portal(directory / "portal")
        write_portal(self.portal.directory, self.sites, installed_version())

    def _site(self, directory: Path, name: str, number: int) -> DemoSite:
        ports: dict[str, int] = {}
        for kind in ("exporter", "prometheus", "gate", "metrics"):
            ports[kind] = free_port(taken=ports.values())
        return DemoSite(name, directory / name, ports, usage=sample_usage(number), start=self.start)

    @property
    def servers(self) -> list[Server]:
        return [*(server for site in self.sites for server in site.servers), self.portal]

    def usage(self, location: str) -> dict[Labels, float]:
        return self.portal.series(f'project_vcpu_usage{{location="{location}"}}')

    def complete(self) -> bool:
        """Return whether the portal has the usage of both sites."""
        return len(self.usage("alpha")) == 5 and len(self.usage("beta")) == 5


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Run two sites and a portal. ``make test-deep`` also does with Prometheus 3 on PATH."""
    started = Federation(tmp_path_factory.mktemp("federation"))
    with ExitStack() as stack:
        for server in started.servers:
            stack.enter_context(server)
        eventually(started.complete, "the portal does not have the usage of both sites")
        yield started


def eventually(condition: Callable[[], bool], failure: str) -> None:
    assert wait_for(condition, timeout=30), failure


def exported(site: DemoSite) -> set[Labels]:
    """Return the allowed series of a site's exporter, with the labels that the portal must store."""
    number = {"alpha": "1", "beta": "2"}[site.name]
    own = {
        "job": "project_usages",
        "instance": f"127.0.0.1:{site.exporter.port}",
        "location": site.name,
        "location_id": number,
    }
    page = requests.get(f"{site.exporter.root_url}/metrics", timeout=10).text
    found = {
        frozenset({**sample.labels, **own, "__name__": sample.name}.items())
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith(("project_", "usage_exporter_"))
    }
    return found | {frozenset({**own, "__name__": "up"}.items())}


def names(series: dict[Labels, float]) -> set[str]:
    return {dict(labels)["__name__"] for labels in series}


def test_the_portal_has_exactly_the_allowed_series(federation: Federation) -> None:
    expected = exported(federation.alpha) | exported(federation.beta)
    assert len(expected) > 70
    portal = federation.portal
    eventually(
        lambda: set(portal.series('{job="project_usages"}')) == expected, "the portal has other series"
    )
    # The only other series are those of Prometheus' own scrapes and those that the rules record.
    others = names(portal.series('{__name__!="",job!="project_usages",job!=""}'))
    assert others >= {"up", "scrape_duration_seconds"}
    assert {name for name in others if not name.startswith(("scrape_", "ALERTS"))} == {"up"}
    assert names(portal.series('{__name__=~".+",__name__!~".*:.*|ALERTS.*",job=""}')) == set()


def test_no_alerts_fire_while_all_sites_work(federation: Federation) -> None:
    eventually(lambda: not federation.portal.series("ALERTS"), "there are alerts")


def test_values_equal_those_of_the_exporter(federation: Federation) -> None:
    page = requests.get(f"{federation.beta.exporter.root_url}/metrics", timeout=10).text
    exposed = {
        sample.labels["project_id"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "project_vcpu_usage"
    }
    found = {dict(labels)["project_id"]: value for labels, value in federation.usage("beta").items()}
    assert found == pytest.approx(exposed, rel=1e-3)


@pytest.mark.parametrize("name", ["project_vcpu_usage", "project:name:info"])
def test_the_same_name_at_two_sites_stays_two_projects(federation: Federation, name: str) -> None:
    def found() -> set[tuple[str, str]]:
        series = map(dict, federation.portal.series(f'{name}{{project_name="weather"}}'))
        return {(labels["location"], labels["project_id"]) for labels in series}

    eventually(lambda: found() == {("alpha", "shared-name-0"), ("beta", "shared-name-1")}, name)


@pytest.mark.parametrize("location", ["alpha", "beta"])
def test_the_rules_record_the_current_usage(federation: Federation, location: str) -> None:
    def value(query: str) -> float:
        return sum(federation.portal.series(query).values())

    # The machines of the sample data never stop, so the current usage equals the number of vCPUs.
    vcpus = value(f'sum(project_current_vcpu_usage{{location="{location}"}})')
    assert vcpus > 10
    burning = f'location:vcpu_usage:burn1h{{location="{location}"}}'
    eventually(lambda: value(burning) == pytest.approx(vcpus, rel=0.1), "the recorded usage is wrong")


@pytest.mark.parametrize("part", ["exporter", "prometheus", "gate"])
def test_a_part_of_a_site_stops_and_restarts(federation: Federation, part: str) -> None:
    portal = federation.portal
    eventually(federation.complete, "not complete before")
    before = {dict(labels)["project_id"]: value for labels, value in federation.usage("beta").items()}
    server: Server = getattr(federation.beta, part)
    server.stop()
    stopped = time.time()
    eventually(lambda: not federation.usage("beta"), "the usage is still exported")
    gone = time.time()
    query = 'project_vcpu_usage{location="beta"}'
    assert portal.last_seen(query, stopped - 3, gone) - stopped <= 2 * INTERVAL + LATE
    assert federation.usage("alpha")
    gate = portal.series('up{job="site-beta"}')
    assert list(gate.values()) == [1.0 if part == "exporter" else 0.0]
    if part == "exporter":
        assert list(portal.series('up{job="project_usages",location="beta"}').values()) == [0.0]

    server.start()
    server.wait_ready()
    eventually(federation.complete, "the usage does not reappear")

    def usage_grew() -> bool:
        after = {dict(labels)["project_id"]: value for labels, value in federation.usage("beta").items()}
        return all(after.get(project, 0) > value for project, value in before.items())

    eventually(usage_grew, "the usage does not grow")
    # The other site has no gap.
    times = portal.times('project_vcpu_usage{location="alpha",project_name="weather"}', since=stopped - 5)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(gaps) >= 3
    assert max(gaps) <= 2 * INTERVAL + LATE


def test_rotating_and_revoking_a_token_in_use(federation: Federation) -> None:
    portal, gate = federation.portal, federation.beta.gate
    eventually(federation.complete, "not complete before")
    begin = time.time()

    def use(token: str) -> None:
        """Replace the portal's token atomically, once the gate accepts it."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{gate.root_url}/federate"
        eventually(
            lambda: requests.get(url, {"match[]": USAGE}, headers=headers, timeout=10).status_code == 200,
            "the gate does not accept the token",
        )
        replace_file(portal.directory / "tokens" / "beta", token)

    use(federate_token("rotate", "portal", "--grace", "4s", tokens=gate.tokens).strip())
    # After the grace period, the old token has expired.
    eventually(lambda: time.time() > begin + 7, "")
    failed = f'count_over_time((up{{job="site-beta"}} == 0)[{int(time.time() - begin)}s:1s])'
    assert not portal.series(failed)

    federate_token("revoke", "portal", tokens=gate.tokens)
    eventually(lambda: not federation.usage("beta"), "the revoked token still works")
    assert list(portal.series('up{job="site-beta"}').values()) == [0.0]

    allowing = ("--allow", USAGE, "--allow", FRESHNESS)
    use(federate_token("new", "portal", *allowing, "--expires", "5s", tokens=gate.tokens).strip())
    eventually(federation.complete, "the new token does not work")
    eventually(lambda: not federation.usage("beta"), "the token has not expired")
    federate_token("revoke", "portal", tokens=gate.tokens)
    use(federate_token("new", "portal", *allowing, "--expires", "90d", tokens=gate.tokens).strip())
    eventually(federation.complete, "the last token does not work")


def running_processes(directory: Path) -> list[bytes]:
    """Return the command lines of processes that use a directory."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes())
    return [line for line in lines if str(directory).encode() in line]


def test_the_commands_that_the_demo_prints_work(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "chrysaetos",
        "demo",
        "--sites",
        "2",
        "--state-dir",
        str(tmp_path / "demo"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        try:
            for line in demo.stderr:
                if "ready" in line:
                    break
            printed: list[tuple[str, str]] = []
            comment = ""
            for line in demo.stdout:
                if line.startswith("  # "):
                    comment = line[4:].strip()
                elif line.startswith("  "):
                    printed.append((comment, line.strip()))
                if "different path" in comment and line.strip().startswith("curl"):
                    break
            for comment, line in printed:
                outputs = {
                    "an attack that fails": "HTTP/1.1 403",
                    "different path": "HTTP/1.1 404",
                    "the allowed selector": "project_vcpu_usage{",
                }
                expected = next((value for key, value in outputs.items() if key in comment), "alpha")
                if line.startswith("echo"):
                    continue

                def works(line: str = line, expected: str = expected) -> bool:
                    done = subprocess.run(
                        ["sh", "-c", line], capture_output=True, text=True, timeout=30, check=False
                    )
                    return done.returncode == 0 and expected in done.stdout

                assert wait_for(works, timeout=20), line
            assert len(printed) == 9
        finally:
            demo.send_signal(signal.SIGINT)
            _, messages = demo.communicate(timeout=30)
    assert messages.endswith("stopped\n")
    assert demo.returncode == 0
    assert not running_processes(tmp_path)

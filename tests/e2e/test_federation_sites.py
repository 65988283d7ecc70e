"""Two sites and a portal, all of them real: what the portal has, and what it has when something ends."""

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
from tests.engines import program_of

from chrysaetos.demo.processes import free_port, wait_for
from chrysaetos.demo.sites import DemoSite, PortalPrometheus, usage_of, write_portal
from chrysaetos.federation.portal import installed_version
from chrysaetos.federation.registry import FRESHNESS, USAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chrysaetos.demo.processes import Server

DAY = 86400
INTERVAL = 1.0
"""Seconds between scrapes, at sites and at the portal."""
LATE = 1.0
"""Seconds that a scrape may be late on a busy machine."""

Labels = frozenset[tuple[str, str]]


class Portal(PortalPrometheus):
    """The portal, and what one asks it."""

    def series(self, selector: str) -> dict[Labels, float]:
        """What there is now."""
        found = self._ask("query", query=selector)["result"]
        return {frozenset(one["metric"].items()): float(one["value"][1]) for one in found}

    def last_seen(self, query: str, begin: float, end: float) -> float:
        """When a query last had an answer, in steps of 0.1 seconds."""
        found = self._ask("query_range", query=query, start=str(begin), end=str(end), step="0.1")["result"]
        return max((float(moment) for one in found for moment, _ in one["values"]), default=begin)

    def times(self, selector: str, since: float) -> list[float]:
        """When a series has samples, in order."""
        (found,) = self._ask("query", query=f"{selector}[{int(time.time() - since)}s]")["result"]
        return [float(moment) for moment, _ in found["values"]]

    def _ask(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


class Federation:
    """Sites alpha and beta; beta says that it is alpha."""

    def __init__(self, directory: Path, program: str | None) -> None:
        self.start = float(int(time.time()) - 30 * DAY)
        self.sites = [self._site(directory, name, number) for number, name in enumerate(("alpha", "beta"))]
        self.alpha, self.beta = self.sites
        self.beta.prometheus.scrape_configs[0]["metric_relabel_configs"] = [
            {"target_label": name, "replacement": value}
            for name, value in (("location", "alpha"), ("location_id", "1"))
        ]
        self.portal = Portal(directory / "portal")
        version = installed_version()
        if program is not None:
            self.portal._program = program
            version = "3.0.0"
        write_portal(self.portal.directory, self.sites, version)

    def _site(self, directory: Path, name: str, number: int) -> DemoSite:
        ports: dict[str, int] = {}
        for kind in ("exporter", "prometheus", "gate", "metrics"):
            ports[kind] = free_port(taken=ports.values())
        return DemoSite(name, directory / name, ports, usage=usage_of(number), start=self.start)

    @property
    def servers(self) -> list[Server]:
        return [*(server for site in self.sites for server in site.servers), self.portal]

    def usage(self, location: str) -> dict[Labels, float]:
        return self.portal.series(f'project_vcpu_usage{{location="{location}"}}')

    def complete(self) -> bool:
        """Whether the portal has the usage of both."""
        return len(self.usage("alpha")) == 5 and len(self.usage("beta")) == 5


@pytest.fixture(scope="module", params=[None, "prometheus3"], ids=lambda one: one or "installed")
def federation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Federation]:
    """With the Prometheus on PATH, and with the one that the project follows as the portal's."""
    program = None if request.param is None else program_of(request.param)
    made = Federation(tmp_path_factory.mktemp("federation"), program)
    with ExitStack() as stack:
        for server in made.servers:
            stack.enter_context(server)
        eventually(made.complete, "the portal does not have the usage of both sites")
        yield made


def eventually(condition: Callable[[], bool], what: str) -> None:
    assert wait_for(condition, timeout=30), what


def exported(site: DemoSite) -> set[Labels]:
    """The series of a site's exporter that are agreed on, as the portal has to have them."""
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


def test_the_portal_has_exactly_what_was_agreed_on(federation: Federation) -> None:
    wanted = exported(federation.alpha) | exported(federation.beta)
    assert len(wanted) > 70
    portal = federation.portal
    eventually(lambda: set(portal.series('{job="project_usages"}')) == wanted, "not what was agreed on")
    # Beside it, what each Prometheus says of its own scrapes, and what the rules record.
    others = {dict(one)["__name__"] for one in portal.series('{__name__!="",job!="project_usages",job!=""}')}
    assert others >= {"up", "scrape_duration_seconds"}
    assert {name for name in others if not name.startswith(("scrape_", "ALERTS"))} == {"up"}
    assert {
        dict(one)["__name__"] for one in portal.series('{__name__=~".+",__name__!~".*:.*|ALERTS.*",job=""}')
    } == set()


def test_there_are_no_alerts_while_all_is_well(federation: Federation) -> None:
    eventually(lambda: not federation.portal.series("ALERTS"), "there are alerts")


def test_values_are_those_of_the_exporter(federation: Federation) -> None:
    page = requests.get(f"{federation.beta.exporter.root_url}/metrics", timeout=10).text
    shown = {
        sample.labels["project_id"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "project_vcpu_usage"
    }
    found = {dict(one)["project_id"]: value for one, value in federation.usage("beta").items()}
    assert found == pytest.approx(shown, rel=1e-3)


@pytest.mark.parametrize("name", ["project_vcpu_usage", "project:name:info"])
def test_one_name_on_two_sites_stays_two(federation: Federation, name: str) -> None:
    def found() -> set[tuple[str, str]]:
        shown = map(dict, federation.portal.series(f'{name}{{project_name="weather"}}'))
        return {(one["location"], one["project_id"]) for one in shown}

    eventually(lambda: found() == {("alpha", "shared-name-0"), ("beta", "shared-name-1")}, name)


@pytest.mark.parametrize("location", ["alpha", "beta"])
def test_the_rules_say_what_is_used_now(federation: Federation, location: str) -> None:
    def value(query: str) -> float:
        return sum(federation.portal.series(query).values())

    # The invented machines never stop: what is used is what there is.
    there = value(f'sum(project_current_vcpu_usage{{location="{location}"}})')
    assert there > 10
    burning = f'location:vcpu_usage:burn1h{{location="{location}"}}'
    eventually(lambda: value(burning) == pytest.approx(there, rel=0.1), "not what the machines use")


@pytest.mark.parametrize("part", ["exporter", "prometheus", "gate"])
def test_a_part_of_a_site_that_ends_and_comes_back(federation: Federation, part: str) -> None:
    portal = federation.portal
    eventually(federation.complete, "not complete before")
    before = {dict(one)["project_id"]: value for one, value in federation.usage("beta").items()}
    server: Server = getattr(federation.beta, part)
    server.stop()
    ended = time.time()
    eventually(lambda: not federation.usage("beta"), "the usage is still there")
    gone = time.time()
    query = 'project_vcpu_usage{location="beta"}'
    assert portal.last_seen(query, ended - 3, gone) - ended <= 2 * INTERVAL + LATE
    assert federation.usage("alpha")
    gate = portal.series('up{job="site-beta"}')
    assert list(gate.values()) == [1.0 if part == "exporter" else 0.0]
    if part == "exporter":
        assert list(portal.series('up{job="project_usages",location="beta"}').values()) == [0.0]

    server.start()
    server.wait_ready()
    eventually(federation.complete, "the usage has not come back")

    def more() -> bool:
        after = {dict(one)["project_id"]: value for one, value in federation.usage("beta").items()}
        return all(after.get(project, 0) > value for project, value in before.items())

    eventually(more, "the usage does not go on")
    # The other site goes on without a gap.
    times = portal.times('project_vcpu_usage{location="alpha",project_name="weather"}', since=ended - 5)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(gaps) >= 3
    assert max(gaps) <= 2 * INTERVAL + LATE


def test_a_token_that_is_rotated_and_revoked_while_it_is_in_use(federation: Federation) -> None:
    portal, gate = federation.portal, federation.beta.gate
    eventually(federation.complete, "not complete before")
    begin = time.time()
    place = portal.directory / "tokens" / "beta"
    new = federate_token("rotate", "portal", "--grace", "3s", tokens=gate.tokens).strip()
    place.write_text(new)
    # Beyond the grace: the old one has ended.
    eventually(lambda: time.time() > begin + 5, "")
    failed = f'count_over_time((up{{job="site-beta"}} == 0)[{int(time.time() - begin)}s:1s])'
    assert not portal.series(failed)

    federate_token("revoke", "portal", tokens=gate.tokens)
    eventually(lambda: not federation.usage("beta"), "the revoked token is still good")
    assert list(portal.series('up{job="site-beta"}').values()) == [0.0]

    allowing = ("--allow", USAGE, "--allow", FRESHNESS)
    place.write_text(federate_token("new", "portal", *allowing, "--expires", "5s", tokens=gate.tokens))
    eventually(federation.complete, "the new token is not taken")
    eventually(lambda: not federation.usage("beta"), "the token has not ended")
    federate_token("revoke", "portal", tokens=gate.tokens)
    place.write_text(federate_token("new", "portal", *allowing, "--expires", "90d", tokens=gate.tokens))
    eventually(federation.complete, "the last token is not taken")


def left_behind(directory: Path) -> list[bytes]:
    """Command lines of processes that work in a directory."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes())
    return [line for line in lines if str(directory).encode() in line]


def test_the_demo_runs_and_what_it_prints_works(tmp_path: Path) -> None:
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
            seen = ""
            for line in demo.stdout:
                if line.startswith("  # "):
                    seen = line[4:].strip()
                elif line.startswith("  "):
                    printed.append((seen, line.strip()))
                if "another path" in seen and line.strip().startswith("curl"):
                    break
            for seen, line in printed:
                wanted = {"attack": "HTTP/1.1 403", "path": "HTTP/1.1 404", "agreed": "project_vcpu_usage{"}
                expected = next((value for key, value in wanted.items() if key in seen), "alpha")
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
            _, said = demo.communicate(timeout=30)
    assert "everything is ended" in said
    assert demo.returncode == 0
    assert not left_behind(tmp_path)

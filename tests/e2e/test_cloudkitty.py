"""An unmodified CloudKitty rates metrics of Prometheus, through the gateway and directly."""

from __future__ import annotations

import math
import subprocess
import time
from datetime import UTC, datetime
from decimal import Decimal
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.mariadb import MariaDb
from tests.e2e.rating import CloudKitty, asked, credentials, periods
from tests.fakes.relay import Relay
from tests.support.deep import first_of
from tests.support.releases import CLOUDKITTY

from chrysaetos.demo.processes import wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.promql.strings import quote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.stack import GatewayFor, People

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import IdentityApi
    from chrysaetos.demo.keystone import Keystone

PERIOD = 3600
PERIODS = 24
WAIT = 2
STEP = 60
SCOPES = ("apollo", "boreas", "ceres")
VMS = ("vm-1", "vm-2")
METRICS: dict[str, dict[str, Any]] = {
    "cpu": {"unit": "vcpu", "groupby": ["vm"], "metadata": ["flavor"], "factor": 0.5},
    "disk_reads": {
        "unit": "operation",
        "alt_name": "reads",
        "groupby": ["vm"],
        "extra_args": {"aggregation_method": "sum"},
    },
}
ODD_ZONE = 'z"}) or cpu{zone=~".+'
COSTS = {"cpu": "0.25", "reads": "0.125"}  # SQLite stores these numbers exactly


class Usage:
    """Raw samples, each in the middle of a minute, so that none is on the boundary of two periods.

    Args:
        now: seconds since the epoch; half a period before the next period becomes due.
        periods: the number of periods that are due.
        scopes: the scopes with usage.
    """

    def __init__(self, now: int, periods: int, scopes: tuple[str, ...]) -> None:
        self.now = now // STEP * STEP
        self.scopes = scopes
        self._last = self.now - PERIOD // 2 - WAIT * PERIOD
        self._first = self._last - (periods - 1) * PERIOD
        self.before = _utc(self._first - PERIOD)
        self.begins = [_utc(begin) for begin in range(self._first, self._last + 1, PERIOD)]

    def samples(self, metric: str, scope: str, vm: str) -> Iterator[tuple[int, float]]:
        """Yield time and value until half an hour from now; ``ended`` stopped an hour ago."""
        seed = sum(map(ord, metric + scope + vm))
        end = self.now - 3600 if scope == "ended" else self.now + PERIOD // 2
        for moment in range(self._first + STEP // 2, end, STEP):
            value = (moment // STEP * 7 + seed) % 97 + seed % 13
            broken = scope == "broken" and metric == "cpu" and moment < self._first + PERIOD
            yield moment, math.nan if broken else value

    def text(self) -> Iterator[str]:
        """Yield all samples as OpenMetrics text."""
        for metric in METRICS:
            for scope in self.scopes:
                for vm in VMS:
                    zone = quote(ODD_ZONE if scope == "victim" else "a")
                    labels = f'project={quote(scope)},vm="{vm}",flavor="small",zone={zone}'
                    for moment, value in self.samples(metric, scope, vm):
                        yield f"{metric}{{{labels}}} {value} {moment}\n"
        yield "# EOF\n"

    def costs(self) -> dict[str, Decimal]:
        """Return the cost of each scope."""
        totals = dict.fromkeys(self.scopes, Decimal())
        for scope in self.scopes:
            for begin in range(self._first, self._last + 1, PERIOD):
                for vm in VMS:
                    cpu, reads = (
                        [
                            int(value)
                            for moment, value in self.samples(metric, scope, vm)
                            if begin < moment < begin + PERIOD and not math.isnan(value)
                        ]
                        for metric in METRICS
                    )
                    totals[scope] += Decimal(max(cpu, default=0)) / 2 * Decimal(COSTS["cpu"])
                    totals[scope] += sum(reads) * Decimal(COSTS["reads"])
        return totals


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.fixture(scope="module")
def usage() -> Usage:
    return Usage(int(time.time()), PERIODS, SCOPES)


@pytest.fixture(scope="module")
def prometheus(usage: Usage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    server = Prometheus(tmp_path_factory.mktemp("usage"))
    server.backfill(usage.text())
    with server:
        yield server


@pytest.fixture(scope="module")
def gateway(gateway_for: GatewayFor, prometheus: Prometheus) -> Gateway:
    return gateway_for(prometheus)


@pytest.fixture
def endpoint(gateway: Gateway, identity: IdentityApi) -> Iterator[Relay]:
    """The relay in front of the gateway, at the address in the catalog; it counts requests."""
    with Relay(gateway.port) as relay:
        identity.register_endpoint("metric-storage", "aetos", relay.url)
        yield relay


@pytest.fixture
def sections(keystone: Keystone, people: People) -> dict[str, dict[str, str]]:
    """A fetcher and collector with credentials that see all projects."""
    known = credentials(people.service, keystone.url)
    return {
        "collector_aetos": known,
        "fetcher_aetos": {**known, "metric": "cpu", "scope_attribute": "project"},
    }


def _direct(prometheus: Prometheus) -> dict[str, dict[str, str]]:
    url = {"prometheus_url": f"{prometheus.url}/api/v1"}
    return {
        "collector_prometheus": url,
        "fetcher_prometheus": {**url, "metric": "cpu", "scope_attribute": "project"},
    }


def rate(site: CloudKitty, usage: Usage) -> None:
    """Let a service rate all periods of all scopes."""
    site.prepare(dict.fromkeys(SCOPES, usage.before))
    process = site.processor()
    try:
        site.wait_until(dict.fromkeys(SCOPES, usage.begins[-1]), process)
    finally:
        process.stop()


@pytest.mark.parametrize("release", CLOUDKITTY)
def test_rating_through_the_gateway(release, *, usage: Usage, endpoint: Relay, sections, tmp_path: Path):
    # CloudKitty before 25 has no collector ``aetos``: there, the name is the add-on's.
    collector = "chrysaetos" if release >= 25 else "aetos"
    site = CloudKitty(tmp_path, release, METRICS, COSTS, sections, collector=collector)
    rate(site, usage)
    assert site.totals() == usage.costs()
    assert asked(endpoint) == len(METRICS) * PERIODS + 1


@pytest.mark.usefixtures("endpoint")
def test_rating_with_mariadb(usage: Usage, sections, tmp_path: Path):
    with MariaDb(tmp_path / "mariadb") as server:
        site = CloudKitty(tmp_path, 25, METRICS, COSTS, sections, server=server.url)
        rate(site, usage)
        assert site.totals() == usage.costs()
        every = {(scope, name) for scope in SCOPES for name in COSTS}
        assert periods(site.frames()) == dict.fromkeys(every, sorted(usage.begins * len(VMS)))


def test_cloudkittys_own_collector_and_fetcher_have_the_same_result(
    usage: Usage, endpoint: Relay, prometheus: Prometheus, sections, tmp_path: Path
):
    own = {**sections, **_direct(prometheus)}
    stock = CloudKitty(tmp_path, 25, METRICS, COSTS, own, fetcher="prometheus")
    stock.prepare(dict.fromkeys(SCOPES, usage.before))
    assert stock.cycle() == sorted(SCOPES)
    assert stock.totals() == usage.costs()
    assert asked(endpoint) == len(METRICS) * PERIODS * len(SCOPES)


def test_rating_from_prometheus_directly_has_the_same_result(
    usage: Usage, prometheus: Prometheus, tmp_path: Path
):
    name = "chrysaetos-prometheus"
    site = CloudKitty(tmp_path, 25, METRICS, COSTS, _direct(prometheus), collector=name, fetcher=name)
    site.prepare(dict.fromkeys(SCOPES, usage.before))
    assert site.cycle() == sorted(SCOPES)
    assert site.totals() == usage.costs()


# -- unusual scopes, and faults: a separate store with three periods

HOSTILE = (
    'zz"}[1s])) or max(cpu{project=~".+',
    'quote"',
    "back\\slash",
    "line\nfeed",
    "{}[5m]",
    "' or vector(1) #",
)


@pytest.fixture(scope="module")
def strange(people: People) -> Usage:
    return Usage(int(time.time()), 3, (*HOSTILE, "ended", "broken", "victim", str(people.a.project_id)))


@pytest.fixture(scope="module")
def strange_prometheus(strange: Usage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    server = Prometheus(tmp_path_factory.mktemp("strange"))
    server.backfill(strange.text())
    with server:
        yield server


@pytest.fixture
def foreign_endpoint(
    gateway_for: GatewayFor, strange_prometheus: Prometheus, identity: IdentityApi
) -> Iterator[Relay]:
    with Relay(gateway_for(strange_prometheus).port) as relay:
        identity.register_endpoint("metric-storage", "aetos", relay.url)
        yield relay


@pytest.mark.usefixtures("foreign_endpoint")
@pytest.mark.parametrize("bulk", first_of(["true", "false"]))
@pytest.mark.parametrize("names", first_of([("chrysaetos", "aetos"), ("chrysaetos-prometheus",) * 2]))
def test_scope_ids_with_special_characters(
    names, bulk, *, strange: Usage, strange_prometheus: Prometheus, sections, tmp_path: Path
):
    options = {**sections, **_direct(strange_prometheus), "collector_chrysaetos": {"bulk": bulk}}
    site = CloudKitty(tmp_path, 25, METRICS, COSTS, options, collector=names[0], fetcher=names[1])
    site.prepare(dict.fromkeys(strange.scopes, strange.before))
    assert site.cycle() == sorted(strange.scopes)
    # This includes the scope that has ended and the one with NaN.
    assert site.totals() == strange.costs()
    assert site.done() == dict.fromkeys(strange.scopes, strange.begins[-1])
    rated = periods(site.frames())
    assert rated["broken", "cpu"] == sorted(strange.begins[1:] * len(VMS))
    assert rated["broken", "reads"] == sorted(strange.begins * len(VMS))
    assert "Metric cpu of scope broken is not rated" in site.log


@pytest.mark.usefixtures("foreign_endpoint")
def test_the_projects_of_keystone_are_rated(
    strange: Usage, sections, *, keystone: Keystone, identity: IdentityApi, people: People, tmp_path: Path
):
    # The fetcher takes the projects in which its user has this role.
    role = identity.call("POST", "/roles", {"role": {"name": "rating"}})["role"]["id"]
    project = str(people.a.project_id)
    identity.call("PUT", f"/projects/{project}/users/{people.admin.user_id}/roles/{role}")
    options = {**sections, "fetcher_keystone": credentials(people.admin, keystone.url)}
    site = CloudKitty(tmp_path, 25, METRICS, COSTS, options, collector="chrysaetos", fetcher="keystone")
    site.prepare({project: strange.before})
    assert site.cycle() == [project]
    assert site.totals() == {project: strange.costs()[project]}
    identity.call("DELETE", f"/roles/{role}")


@pytest.mark.usefixtures("foreign_endpoint")
@pytest.mark.parametrize("fetcher", first_of(["aetos", "chrysaetos-prometheus"]))
def test_a_filter_cannot_change_the_query(
    fetcher, *, strange: Usage, strange_prometheus: Prometheus, sections, tmp_path: Path
):
    options = {**sections, **_direct(strange_prometheus)}
    for section in ("fetcher_aetos", "fetcher_prometheus"):
        options[section] = {**options[section], "filters": f"zone:{ODD_ZONE},vm:{VMS[0]}"}
    site = CloudKitty(tmp_path, 25, METRICS, COSTS, options, collector="chrysaetos", fetcher=fetcher)
    site.prepare({"victim": strange.begins[-1]})
    assert site.cycle() == ["victim"]


def _from_a_list(sections, *scopes: str) -> dict[str, dict[str, str]]:
    return {**sections, "fetcher_source": {"sources": ",".join(scopes)}}


@pytest.mark.usefixtures("foreign_endpoint")
def test_a_scope_without_data(strange: Usage, sections, tmp_path: Path):
    options = _from_a_list(sections, "victim", "nobody")
    site = CloudKitty(tmp_path, 25, METRICS, COSTS, options, collector="chrysaetos", fetcher="source")
    site.prepare(dict.fromkeys(("victim", "nobody"), strange.before))
    site.cycle()
    assert site.done() == dict.fromkeys(("victim", "nobody"), strange.begins[-1])
    assert site.totals() == {"victim": strange.costs()["victim"]}


@pytest.mark.usefixtures("foreign_endpoint")
@pytest.mark.parametrize("bulk", first_of(["true", "false"]))
def test_nothing_is_rated_with_credentials_of_one_project(
    bulk, *, strange: Usage, sections, keystone: Keystone, people: People, tmp_path: Path
):
    reader = {**sections, "collector_chrysaetos": {"bulk": bulk}}
    reader["collector_aetos"] = credentials(people.b, keystone.url)
    options = _from_a_list(reader, "victim", "ended")
    site = CloudKitty(tmp_path, 25, METRICS, COSTS, options, collector="chrysaetos", fetcher="source")
    before = dict.fromkeys(("victim", "ended"), strange.before)
    site.prepare(before)
    site.cycle()
    assert site.done() == before
    assert site.frames() == []
    assert "the credentials do not have access to all projects" in site.log


@pytest.mark.usefixtures("foreign_endpoint")
def test_no_scopes_are_found_with_credentials_of_one_project(
    strange: Usage, sections, keystone: Keystone, people: People, tmp_path: Path
):
    sections["fetcher_aetos"] |= credentials(people.b, keystone.url)
    site = CloudKitty(tmp_path, 25, METRICS, COSTS, sections, collector="chrysaetos")
    site.prepare({"victim": strange.before})
    with pytest.raises(subprocess.CalledProcessError) as ended:
        site.cycle()
    assert "do not have access to all projects" in ended.value.output
    assert site.done() == {"victim": strange.before}


@pytest.mark.parametrize("bulk", first_of(["true", "false"]))
def test_no_period_is_lost_or_repeated_when_the_gateway_is_down(
    bulk: str, strange: Usage, foreign_endpoint: Relay, sections, tmp_path: Path
):
    scopes = ("victim", "ended", "broken")
    options = {**_from_a_list(sections, *scopes), "collector_chrysaetos": {"bulk": bulk}}
    site = CloudKitty(tmp_path, 25, METRICS, COSTS, options, collector="chrysaetos", fetcher="source")
    site.prepare(dict.fromkeys(scopes, strange.before))

    def go_away() -> None:
        end = time.monotonic() + 60
        while asked(foreign_endpoint) < 3 and time.monotonic() < end:
            time.sleep(0.002)  # long before the next period is rated
        foreign_endpoint.stop()

    away = Thread(target=go_away)
    away.start()
    site.cycle()
    away.join()
    rated, done = periods(site.frames()), site.done()
    assert done != dict.fromkeys(scopes, strange.begins[-1])
    for scope, begin in done.items():
        # Exactly the periods recorded as done have been rated.
        assert sorted(set(rated.get((scope, "reads"), []))) == [one for one in strange.begins if one <= begin]
    foreign_endpoint.start()
    site.cycle()
    assert site.done() == dict.fromkeys(scopes, strange.begins[-1])
    assert site.totals() == {scope: strange.costs()[scope] for scope in scopes}


@pytest.mark.usefixtures("foreign_endpoint")
def test_a_processor_that_starts_before_keystone(
    strange: Usage, sections, keystone: Keystone, tmp_path: Path
):
    with Relay(keystone.port) as relay:
        relay.stop()
        for section in ("collector_aetos", "fetcher_aetos"):
            sections[section]["auth_url"] = f"{relay.url}/v3"
        site = CloudKitty(tmp_path, 25, METRICS, COSTS, sections, collector="chrysaetos")
        site.prepare(dict.fromkeys(strange.scopes, strange.before))
        process = site.processor()
        try:
            assert wait_for(lambda: "PrometheusFetcherError" in process.log.read_text(), timeout=60)
            assert site.done() == dict.fromkeys(strange.scopes, strange.before)
            relay.start()
            site.wait_until(dict.fromkeys(strange.scopes, strange.begins[-1]), process)
        finally:
            process.stop()
    assert site.totals() == strange.costs()


def test_separate_queries_for_each_scope_have_the_same_result(
    strange: Usage, foreign_endpoint: Relay, sections, tmp_path: Path
):
    # Averages and thirds have infinitely many digits.
    metrics = {"cpu": {**METRICS["cpu"], "factor": "1/3", "extra_args": {"aggregation_method": "avg"}}}
    frames = []
    for bulk in ("true", "false"):
        options = {**sections, "collector_chrysaetos": {"bulk": bulk}}
        site = CloudKitty(tmp_path / bulk, 25, metrics, COSTS, options, collector="chrysaetos")
        site.prepare(dict.fromkeys(strange.scopes, strange.before))
        site.cycle()
        frames.append(sorted(site.frames(), key=str))
    assert frames[0] == frames[1]
    assert {frame.scope for frame in frames[0]} == set(strange.scopes)
    periods_of_all = len(strange.begins)
    assert asked(foreign_endpoint) == periods_of_all + 1 + periods_of_all * len(strange.scopes) + 1

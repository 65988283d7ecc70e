"""``chrysaetos migrate cloudkitty`` during a month, with a real CloudKitty."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.rating import CloudKitty, credentials, periods
from tests.e2e.test_cloudkitty import (
    COSTS,
    METRICS,
    PERIODS,
    SCOPES,
    WAIT,
    endpoint,
    gateway,
    prometheus,
    usage,
)
from tests.support.commands import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stack import People
    from tests.e2e.test_cloudkitty import Usage
    from tests.fakes.relay import Relay

    from chrysaetos.demo.keystone import Keystone
    from chrysaetos.demo.prometheus import Prometheus

__all__ = ["endpoint", "gateway", "prometheus", "usage"]

HALF = PERIODS // 2


class Site(CloudKitty):
    """An installation with CloudKitty's collector and fetcher for Prometheus, which the tool moves."""

    def migrate(self, action: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run the command as an operator would, and return its exit status and its JSON."""
        command = [sys.executable, "-m", "chrysaetos", "migrate", "cloudkitty", action]
        done = run(
            [*command, "--conf", str(self._config), *arguments, "-f", "json"],
            env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"},
        )
        assert done.err == ""
        return done.status, json.loads(done.printed)

    def wait_for_periods(self, number: int) -> None:
        """Return how many periods must pass before a period is rated."""
        text = self._config.read_text()
        self._config.write_text(
            text.replace(f"wait_periods = {self.wait_periods}\n", f"wait_periods = {number}\n")
        )
        self.wait_periods = number


@pytest.fixture
def site(
    *,
    usage: Usage,
    endpoint: Relay,
    prometheus: Prometheus,
    keystone: Keystone,
    people: People,
    tmp_path: Path,
) -> Site:
    assert endpoint.url
    url = {"prometheus_url": f"{prometheus.url}/api/v1"}
    sections = {
        "collector_prometheus": url,
        "fetcher_prometheus": {**url, "metric": "cpu", "scope_attribute": "project"},
        "ks_auth": credentials(people.service, keystone.url),
    }
    made = Site(tmp_path, 25, METRICS, COSTS, sections, collector="prometheus", fetcher="prometheus")
    made.prepare(dict.fromkeys(SCOPES, usage.before))
    return made


def rated_until(site: Site, collector: str, fetcher: str) -> set[Any]:
    site.collector, site.fetcher = collector, fetcher
    return set(site.done().values())


def test_the_total_of_the_month_equals_that_without_the_move(site: Site, usage: Usage):
    site.wait_for_periods(WAIT + PERIODS - HALF)
    site.cycle()
    assert rated_until(site, "prometheus", "prometheus") == {usage.begins[HALF - 1]}

    status, report = site.migrate("check")
    assert status == 0, report
    status, report = site.migrate("apply", "--yes")
    assert status == 0, report
    assert report["restart"]["service"] == "cloudkitty-processor"
    assert rated_until(site, "chrysaetos", "aetos") == {usage.begins[HALF - 1]}
    status, report = site.migrate("verify")
    assert status == 0, report

    site.wait_for_periods(WAIT)
    assert site.cycle() == sorted(SCOPES)
    assert rated_until(site, "chrysaetos", "aetos") == {usage.begins[-1]}
    assert site.totals() == usage.costs()
    assert all(set(begins) == set(usage.begins) for begins in periods(site.frames()).values())


def test_each_period_is_rated_once_after_move_and_rollback(site: Site, usage: Usage):
    site.wait_for_periods(WAIT + PERIODS - HALF)
    status, report = site.migrate("apply", "--yes")
    assert status == 0, report
    site.cycle()
    assert rated_until(site, "chrysaetos", "aetos") == {usage.begins[HALF - 1]}
    assert site.migrate("rollback", "--yes")[0] == 0
    assert rated_until(site, "prometheus", "prometheus") == {usage.begins[HALF - 1]}
    site.wait_for_periods(WAIT)
    site.cycle()
    assert site.totals() == usage.costs()

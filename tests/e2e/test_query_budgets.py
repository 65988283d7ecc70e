"""Query budgets, enforced by real engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from tests.e2e.asking import Asker, basic
from tests.e2e.engines import PROMETHEUS, VICTORIA_METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.asking import HasUrl
    from tests.e2e.stack import GatewayFor, People, StoresOf, Window


def gateway_with(path: Path, budgets: str, engine: str) -> dict[str, dict[str, str]]:
    """Return the options of a gateway with budgets."""
    path.write_text(budgets)
    return {"gateway": {"budgets_file": str(path)}, "prometheus": {"engine": engine}}


def test_prometheus_enforces_the_budget_of_a_project(
    *, stores_of: StoresOf, gateway_for: GatewayFor, people: People, window: Window, tmp_path: Path
):
    budgets = f'[default]\ntimeout = "60s"\n[project.{people.a.project_id}]\nmax_series = 1\n'
    options = gateway_with(tmp_path / "budgets.toml", budgets, "prometheus")
    gateway = gateway_for(stores_of(PROMETHEUS[2]).ab, **options)
    a, b, admin = (Asker(gateway, basic(account)) for account in (people.a, people.b, people.admin))
    now = ("time", str(window.now))

    def found(asker: Asker, query: str, *more: tuple[str, str], method: str = "GET") -> int:
        answer = asker("/api/v1/query", [("query", query), now, *more], method=method)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["data"]["result"])

    assert found(a, 'cpu{vm="a1"}') == 1
    assert (found(b, "cpu"), found(admin, "cpu")) == (2, 5)
    for method in ("GET", "POST"):
        for more in ([], [("max_series", "1000")], [("max_series", "0")], [("timeout", "1h")]):
            answer = a("/api/v1/query", [("query", "cpu"), now, *more], method=method)
            assert (answer.status_code, answer.json()["errorType"]) == (422, "cost_limit"), answer.text
            text = "the query exceeds its budget: max_series is 1, and it would read about 2 series and "
            assert answer.json()["error"].startswith(text)
    answer = b("/api/v1/query", [("query", "cpu"), now, ("max_series", "1")])
    assert (answer.status_code, answer.json()["errorType"]) == (422, "cost_limit")
    assert "budget" not in answer.json()["error"]
    explained = a("/-/explain", [("query", "cpu"), now, ("cost", "true")]).json()["data"]
    assert explained["budget"] == {"timeout": "60s", "max_series": "1"}
    assert explained["cost"]["series"] == 2
    assert explained["cost"]["samples"] >= 2
    for asker in (a, b, admin):
        asker.close()


def over(asker: Asker, query: str, *more: tuple[str, str], method: str = "GET", path: str = "query") -> str:
    """Return the error of a query that is over its budget."""
    answer = asker(f"/api/v1/{path}", [("query", query), *more], method=method)
    assert (answer.status_code, answer.json()["errorType"]) == (422, "cost_limit"), answer.text
    return str(answer.json()["error"])


def estimate(store: HasUrl, path: str, *parameters: tuple[str, str]) -> dict[str, int]:
    """Return Prometheus' own estimate of a query.

    The samples depend on the time of day: Prometheus measures how dense they are within a block, and takes
    the scrape interval for a query that spans two.
    """
    answer = requests.get(f"{store.url}/api/v1/{path}", params=parameters, timeout=30)
    assert answer.status_code == 200, answer.text
    found = answer.json()["data"]["estimate"]
    return {"series": found["seriesTouched"], "samples": found["samplesRead"]}


def series_of(asker: Asker, query: str, *more: tuple[str, str]) -> int:
    """Return how many series a query within its budget finds."""
    answer = asker("/api/v1/query", [("query", query), *more])
    assert answer.status_code == 200, answer.text
    return len(answer.json()["data"]["result"])


def test_prometheus_enforces_the_samples_of_a_role(
    *, stores_of: StoresOf, gateway_for: GatewayFor, people: People, window: Window, tmp_path: Path
):
    # Keystone's member is a reader as well, and has the higher of the two limits.
    assert (people.a.role, people.b.role) == ("member", "reader")
    budgets = (
        "[default]\nmax_samples_read = 1\n[role.READER]\nmax_samples_read = 40\n"
        "[role.member]\nmax_samples_read = 1000\n"
    )
    options = gateway_with(tmp_path / "budgets.toml", budgets, "prometheus")
    store = stores_of(PROMETHEUS[2]).ab
    gateway = gateway_for(store, **options)
    a, b, admin = (Asker(gateway, basic(account)) for account in (people.a, people.b, people.admin))
    now = ("time", str(window.now))
    hour = (("start", str(window.now - 3600)), ("end", str(window.now)), ("step", "60"))

    assert series_of(b, "count_over_time(cpu[15m])", now) == 2
    assert series_of(a, "count_over_time(cpu[1h])", now) == 2
    assert series_of(admin, "count_over_time(cpu[1h])", now) == 5
    text = (
        "the query exceeds its budget: max_samples_read is 40, and it would read about 2 series and "
        "{} samples. Select fewer series or a shorter time"
    )
    own = f'cpu{{project="{people.b.project_id}"}}'
    cost = estimate(store, "query_cost", ("query", f"count_over_time({own}[1h])"), now)
    cost_of_range = estimate(store, "query_range_cost", ("query", own), *hour)
    assert (cost["series"], cost_of_range["series"]) == (2, 2)
    for method in ("GET", "POST"):
        for more in ([], [("max_samples_read", "1000")], [("max_samples_read", "0")]):
            error = over(b, "count_over_time(cpu[1h])", now, *more, method=method)
            assert error == text.format(cost["samples"])
        error = over(b, "cpu", *hour, method=method, path="query_range")
        assert error == text.format(cost_of_range["samples"])
    explained = b("/-/explain", [("query", "count_over_time(cpu[1h])"), now, ("cost", "true")]).json()["data"]
    assert explained["budget"] == {"max_samples_read": "40"}
    assert explained["cost"] == cost
    for asker in (a, b, admin):
        asker.close()


def test_prometheus_enforces_the_budget_of_a_domain(
    *, stores_of: StoresOf, gateway_for: GatewayFor, people: People, window: Window, tmp_path: Path
):
    budgets = (
        f"[role.member]\nmax_series = 50\n[domain.{people.a.domain}]\nmax_series = 1\n"
        f"[domain.other]\nmax_samples_read = 1\n[project.{people.b.project_id}]\nmax_series = 2\n"
    )
    options = gateway_with(tmp_path / "budgets.toml", budgets, "prometheus")
    gateway = gateway_for(stores_of(PROMETHEUS[2]).ab, **options)
    a, b, admin = (Asker(gateway, basic(account)) for account in (people.a, people.b, people.admin))
    now = ("time", str(window.now))

    assert series_of(a, 'count_over_time(cpu{vm="a1"}[1h])', now) == 1
    text = (
        "the query exceeds its budget: max_series is {}, and it would read about {} series and {} samples. "
    )
    assert over(a, "cpu", now).startswith(text.format(1, 2, 2))
    # The project comes before its domain.
    assert series_of(b, "cpu", now) == 2
    assert over(b, "{__name__=~'cpu|secret'}", now).startswith(text.format(2, 3, 3))
    assert series_of(admin, "cpu", now) == 5
    for asker in (a, b, admin):
        asker.close()


# Each of 3,600 steps has 3,600 steps of its own: many seconds.
LONG = "quantile_over_time(0.5, quantile_over_time(0.5, cpu[1h:1s])[1h:1s])"


def test_prometheus_enforces_durations(
    *, stores_of: StoresOf, gateway_for: GatewayFor, people: People, window: Window, tmp_path: Path
):
    budgets = (
        f'[default]\ntimeout = "60s"\n[project.{people.a.project_id}]\nmax_query_duration = "1s"\n'
        f'[project.{people.b.project_id}]\ntimeout = "1s"\nmax_query_duration = "50s"\n'
    )
    options = gateway_with(tmp_path / "budgets.toml", budgets, "prometheus")
    gateway = gateway_for(stores_of(PROMETHEUS[2]).ab, **options)
    now = ("time", str(window.now))
    for account, name in ((people.a, "max_query_duration"), (people.b, "timeout")):
        asker = Asker(gateway, basic(account))
        text = f"the query exceeds its budget: {name} is 1s, and it would read about 2 series and "
        for method, more in (("GET", []), ("POST", [(name, "1h")])):
            error = over(asker, LONG, now, *more, method=method)
            assert error.startswith(text)
            assert error.endswith(" samples. Select fewer series or a shorter time")
        assert series_of(asker, "cpu", now) == 2
        # A limit of the caller's own is not the budget.
        answer = asker("/api/v1/query", [("query", LONG), now, (name, "0.5")])
        assert (answer.status_code, answer.json()["errorType"]) == (503, "timeout"), answer.text
        asker.close()


def busy_text(window: Window, project_a: str, project_b: str | None = None) -> Iterator[str]:
    """Yield series with so many samples that a query can take seconds."""
    projects = [project_a] if project_b is None else [project_a, project_b]
    for project in projects:
        for vm in range(100):
            points = ((tick * (vm + 17) % 97, window.now - tick * 5) for tick in range(1440))
            labels = f'project="{project}",vm="{vm}"'
            yield "".join(f"busy{{{labels}}} {value} {moment}\n" for value, moment in points)
    yield "# EOF\n"


# VictoriaMetrics counts whole seconds and looks at the time before each series. This takes 40 s on one core.
SLOW = " + ".join(f"quantile_over_time(0.{number}, busy[1h])" for number in range(1, 5))
NOT_ABOUT_TIME = (
    "max_over_time(max_over_time(busy{vm!='timeout exceeded during query execution: "
    "0.001 seconds (elapsed 1.000 seconds)'}[5m:50ms])[20m:50ms])"
)


@pytest.mark.parametrize("number", [0, 1])
def test_victoria_metrics_enforces_the_timeout(
    *,
    number: int,
    stores_of: StoresOf,
    gateway_for: GatewayFor,
    people: People,
    window: Window,
    tmp_path: Path,
):
    store = stores_of(VICTORIA_METRICS[number], busy_text).ab
    budgets = f'[default]\ntimeout = "60s"\n[project.{people.a.project_id}]\ntimeout = "1ms"\n'
    options = gateway_with(tmp_path / "budgets.toml", budgets, "victoriametrics")
    gateway = gateway_for(store, **options)
    a, b, admin = (Asker(gateway, basic(account)) for account in (people.a, people.b, people.admin))
    now = ("time", str(window.now))
    slow_range = [("query", SLOW), ("start", str(window.now - 7200)), ("end", str(window.now)), ("step", "1")]

    answer = a("/api/v1/query", [("query", "count(busy)"), now])
    assert answer.json()["data"]["result"][0]["value"][1] == "100"
    slow = [
        ("GET", "/api/v1/query_range", slow_range),
        ("POST", "/api/v1/query_range", [*slow_range, ("timeout", "1h")]),
        ("POST", "/api/v1/query", [("query", f"max_over_time(({SLOW})[2h:1s])"), now, ("timeout", "0")]),
    ]
    for method, path, pairs in slow:
        answer = a(path, pairs, method=method)
        assert (answer.status_code, answer.json()["errorType"]) == (422, "cost_limit"), answer.text
        text = "the query exceeds its budget: timeout is 0.001s. Select fewer series or a shorter time"
        assert answer.json()["error"] == text
    # Errors that are not about the budget are the engine's.
    answer = a("/api/v1/query", [("query", NOT_ABOUT_TIME), now])
    assert (answer.status_code, answer.json()["errorType"]) == (422, "422"), answer.text
    for asker in (b, admin):
        answer = asker("/api/v1/query_range", [*slow_range, ("timeout", "0.001")])
        assert (answer.status_code, answer.json()["errorType"]) == (422, "422"), answer.text
        assert ": 0.001 seconds (elapsed " in answer.json()["error"]
    for asker in (a, b, admin):
        asker.close()


@pytest.mark.parametrize("number", [0, 1])
def test_victoria_metrics_takes_the_timeout(
    *,
    number: int,
    stores_of: StoresOf,
    gateway_for: GatewayFor,
    people: People,
    window: Window,
    tmp_path: Path,
):
    store = stores_of(VICTORIA_METRICS[number]).ab
    options = gateway_with(tmp_path / "budgets.toml", '[default]\ntimeout = "30s"\n', "victoriametrics")
    asker = Asker(gateway_for(store, **options), basic(people.a))
    pairs = [("query", "cpu"), ("time", str(window.now))]
    answer = asker("/api/v1/query", [*pairs, ("timeout", "1h")])
    assert len(answer.json()["data"]["result"]) == 2, answer.text
    explained = asker("/-/explain", [*pairs, ("cost", "true")]).json()["data"]
    assert (explained["budget"], explained["cost"]) == ({"timeout": "30s"}, None)
    asker.close()

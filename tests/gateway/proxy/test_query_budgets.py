"""Query budgets: the file, who has which budget, and what is sent to the engine."""

from __future__ import annotations

import pytest
from tests.support.memory import MIB, kept_bytes, large_caller

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.proxy.query_budgets import QueryBudget, load_budgets
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.parameters import BoundParameters

FILE = """
[default]
max_series = 1000
timeout = "30s"
[role.Gold]
max_series = 5000
[role.silver]
max_series = 2000
max_samples_read = 7
[domain.d1]
timeout = "10s"
[project.p1]
max_series = 1
max_query_duration = "1m30s"
"""


@pytest.fixture
def budgets(tmp_path):
    def load(text=FILE, engine="prometheus"):
        file = tmp_path / "budgets.toml"
        file.write_text(text)
        return load_budgets(str(file), engine)

    return load


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        ({}, {"max_series": "1000", "timeout": "30s"}),
        ({"project_id": "p2", "project_domain_id": "d1"}, {"max_series": "1000", "timeout": "10s"}),
        ({"domain_id": "d1"}, {"max_series": "1000", "timeout": "10s"}),
        (
            {"project_id": "p2", "roles": ("silver", "gold", "reader")},
            {"max_series": "5000", "timeout": "30s", "max_samples_read": "7"},
        ),
        (
            {"project_id": "p1", "project_domain_id": "d1", "roles": ("gold",)},
            {"max_series": "1", "timeout": "10s", "max_query_duration": "90s"},
        ),
    ],
)
def test_the_most_specific_budget_applies(budgets, caller, shown):
    loaded = budgets()
    for _ in range(2):  # the second one is cached
        assert loaded.of(Caller(user_id="u", **caller)).shown() == shown


@pytest.mark.parametrize(
    ("project", "shown"),
    [
        ("p1", {"max_series": "1", "timeout": "10s", "max_samples_read": "7", "max_query_duration": "90s"}),
        ("p2", {"max_series": "2000", "timeout": "10s", "max_samples_read": "7"}),
    ],
)
def test_the_domain_and_the_roles_of_a_caller_count_for_one_of_its_projects_too(budgets, project, shown):
    caller = Caller(user_id="u", domain_id="d1", roles=("silver",))
    loaded = budgets()
    assert loaded.of(caller, project).shown() == shown
    assert loaded.of(caller).shown() == {"max_series": "2000", "timeout": "10s", "max_samples_read": "7"}


def test_callers_of_one_project_have_the_budgets_of_their_own_roles(budgets):
    loaded = budgets()
    for _ in range(2):  # the second ones are cached
        for roles, most in ((("silver",), "2000"), (("reader",), "1000")):
            caller = Caller(user_id="u", project_id="p2", roles=roles)
            assert loaded.of(caller).shown()["max_series"] == most


async def test_cached_budgets_are_bounded_in_bytes(budgets):
    loaded = budgets()

    async def fill():
        for number in range(40):
            loaded.of(large_caller(number))

    assert 14 * MIB < await kept_bytes(fill) < 17 * MIB


def test_without_a_file_there_are_no_budgets():
    assert load_budgets(None, "prometheus") is None


@pytest.mark.parametrize(
    ("text", "engine", "reason"),
    [
        ("x", "prometheus", "Expected '='"),
        ("[roles.gold]", "prometheus", "[roles] is not [default], [role.NAME], [domain.ID] or [project.ID]"),
        ("default = 1", "prometheus", "default must be a table"),
        ("[project]\np1 = 1", "prometheus", "project.p1 must be a table"),
        ("[default]\nmax_serie = 1", "prometheus", "[default] max_serie: a limit is one of max_series, "),
        ("[default]\nmax_series = 0", "prometheus", "[default] max_series: 0 should be a whole number"),
        ("[default]\nmax_series = true", "prometheus", "True should be a whole number, 1 or more"),
        ('[default]\nmax_series = "1"', "prometheus", "'1' should be a whole number, 1 or more"),
        ("[role.x]\ntimeout = 30", "prometheus", '[role.x] timeout: 30 should be a duration such as "30s"'),
        ('[default]\ntimeout = "0s"', "prometheus", "'0s' should be a duration"),
        ('[default]\ntimeout = "1000000y"', "prometheus", "should be a duration"),
        ("[default]\nmax_series = 1", "victoriametrics", "max_series: VictoriaMetrics has only timeout"),
        ('[domain.d]\nmax_query_duration = "1s"', "thanos", "max_query_duration: Thanos has only timeout"),
        ('[default]\ntimeout = "30s"', "mimir", "[default] timeout: Mimir ignores limits in a query"),
    ],
)
def test_an_invalid_file_stops_the_start(budgets, text, engine, reason):
    with pytest.raises(ConfigError) as caught:
        budgets(text, engine)
    assert str(caught.value).startswith("[gateway] budgets_file: ")
    assert reason in str(caught.value)


def test_a_long_file_is_read_to_its_end(budgets):
    loaded = budgets(f"[default]\n#{' ' * (1 << 24)}\n[project.p]\nmax_series = 1\n")
    assert loaded.of_project("p").shown() == {"max_series": "1"}


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match=r"\[gateway\] budgets_file: "):
            load_budgets(str(path), "prometheus")


BUDGET = QueryBudget({"max_series": 100, "timeout": 30_000})


@pytest.mark.parametrize(
    ("given", "series", "timeout"),
    [
        (b"query=up", b"100", b"30.000"),
        (b"query=up&max_series=99&timeout=29.9", b"99", b"29.900"),
        (b"query=up&max_series=0099&timeout=20s", b"99", b"20.000"),
        (b"query=up&max_series=101&timeout=31s", b"100", b"30.000"),
        (b"query=up&max_series=0&timeout=0", b"100", b"30.000"),  # 0: no limit
        (b"query=up&timeout=1e-9", b"100", b"30.000"),  # which Prometheus rounds to 0
        (b"query=up&timeout=-5&max_series=999999999999999999", b"100", b"30.000"),
        (b"query=up&timeout=1e999", b"100", b"30.000"),
        (b"query=up&timeout=99999999999999y", b"100", b"30.000"),
        (b"query=up&timeout=1ms", b"100", b"0.001"),
        (b"query=up&timeout=0ms", b"100", b"30.000"),
        (b"query=up&timeout=%2B1", b"100", b"1.000"),
    ],
)
def test_a_caller_can_only_lower_a_limit(given, series, timeout):
    sent = b"query=up&max_series=" + series + b"&timeout=" + timeout
    assert BUDGET.applied(BoundParameters(given, None)) == BoundParameters(sent, None)
    assert BUDGET.applied(BoundParameters(b"", given)) == BoundParameters(b"", sent)


def test_limits_that_are_not_in_the_budget_are_kept():
    bound = BoundParameters(b"query=up&max_samples_read=5", None)
    assert BUDGET.applied(bound).url == b"query=up&max_samples_read=5&max_series=100&timeout=30.000"
    assert QueryBudget({}).applied(bound) is bound


def test_a_limit_that_the_caller_lowered_is_not_that_of_the_budget():
    bound = BUDGET.applied(BoundParameters(b"query=up&max_series=5&timeout=1h", None))
    assert BUDGET.in_force(bound) == {"timeout": "30s"}
    assert BUDGET.in_force(BUDGET.applied(BoundParameters(b"", b"query=up"))) == {
        "max_series": "100",
        "timeout": "30s",
    }


@pytest.mark.parametrize(
    ("given", "durations"),
    [
        (b"query=up", {"max_query_duration": "4.5s"}),
        (b"query=up&timeout=4500ms", {"max_query_duration": "4.5s"}),
        (b"query=up&timeout=4", {}),
        (b"query=up&timeout=%34", {}),
        (b"query=up&max_query_duration=4", {}),
        (b"query=up&max_query_duration=0&timeout=1h", {"max_query_duration": "4.5s"}),
    ],
)
def test_only_the_shortest_duration_can_stop_a_query(given, durations):
    budget = QueryBudget({"timeout": 30_000, "max_query_duration": 4500, "max_series": 100})
    for bound in (BoundParameters(given, None), BoundParameters(b"", given)):
        assert budget.in_force(budget.applied(bound)) == {**durations, "max_series": "100"}


def test_a_shorter_duration_of_the_caller_that_is_not_in_the_budget_stops_a_query():
    sent = BUDGET.applied(BoundParameters(b"query=up&max_query_duration=%30.5&max_series=100", None))
    assert BUDGET.in_force(sent) == {"max_series": "100"}

"""The rules, evaluated by promtool: dips, resets, renames, gaps and alerts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.support.commands import Output, run
from tests.support.rule_files import rules_in

from chrysaetos.federation.rules import alert_rules, recording_rules
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse

if TYPE_CHECKING:
    from pathlib import Path

STEP = 4
"""Minutes between samples and evaluations."""
HOUR = 60 // STEP
DAY = 24 * HOUR
ALPHA = {"location": "alpha", "location_id": "1"}
KEYS = {"domain_id": "d1", "project_id": "p1"}
NAMES = {"project_name": "weather", "domain_name": "science"}


def series(values: str, name: str = "project_vcpu_usage", **labels: str) -> dict[str, str]:
    """Return a series of the site alpha in promtool's notation, with a value for each step."""
    given = {**ALPHA, **KEYS, **NAMES, "job": "project_usages", **labels}
    pairs = ",".join(f"{label}={json.dumps(value)}" for label, value in given.items() if value)
    return {"series": f"{name}{{{pairs}}}", "values": values}


def rising(start: int, steps: int, by: int = 1) -> str:
    """Return the notation of rising values, one for each step."""
    return f"{start}+{by}x{steps - 1}"


class RuleTester:
    """Evaluates the rules with promtool."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "usage.yml").write_text(recording_rules(f"{STEP}m"))
        (directory / "alerts.yml").write_text(alert_rules())

    def promtool(self, *arguments: str) -> Output:
        return run(["promtool", *arguments], cwd=self.directory)

    def check(self, *inputs: dict[str, str], **of_test: Any) -> None:
        test = {"interval": f"{STEP}m", "input_series": list(inputs), **of_test}
        groups = [f"usage-{name}" for name in ("vcpu", "vcpu-month", "mb", "mb-month", "names")]
        content = {
            "rule_files": ["usage.yml", "alerts.yml"],
            "evaluation_interval": f"{STEP}m",
            "group_eval_order": [*groups, "usage-alerts"],
            "tests": [test],
        }
        (self.directory / "test.yml").write_text(json.dumps(content))
        assert "SUCCESS" in self.promtool("test", "rules", "test.yml").out

    def keep_rules(self, *names: str) -> None:
        """Let promtool evaluate only these rules; those over a day or 30 days take most of its time."""
        recorded = {f"project:vcpu_usage:{name}" for name in names}
        rules = [rule for rule in rules_in(recording_rules(f"{STEP}m")) if rule["record"] in recorded]
        assert len(rules) == len(names)
        groups = [{"name": "usage-vcpu", "interval": f"{STEP}m", "rules": rules}]
        (self.directory / "usage.yml").write_text(json.dumps({"groups": groups}))
        (self.directory / "alerts.yml").write_text("groups: []")

    def check_usage(self, hours: float, at: str, *inputs: dict[str, str]) -> None:
        """Check the total usage of all projects of the input at a time."""
        query = "sum(sum_over_time(project:vcpu_usage:increase1h[29d23h59m59s999ms:1h]))"
        expected = [{"labels": "{}", "value": hours}]
        self.check(*inputs, promql_expr_test=[{"expr": query, "eval_time": at, "exp_samples": expected}])


@pytest.fixture
def tester(tmp_path: Path) -> RuleTester:
    return RuleTester(tmp_path)


@pytest.fixture
def usage_tester(tester: RuleTester) -> RuleTester:
    """Evaluates only what the usage of an hour needs."""
    tester.keep_rules("total", "high1d", "base1h", "increase1h")
    return tester


def test_promtool_accepts_the_files(tester: RuleTester) -> None:
    assert "duplicate" not in tester.promtool("check", "rules", "usage.yml", "alerts.yml").out


def test_each_expression_is_promql() -> None:
    rules = [*rules_in(recording_rules("1m")), *rules_in(alert_rules())]
    for rule in rules:
        parse(rule["expr"], DEFAULT_BOUNDS)
    names = [rule.get("record") or rule["alert"] for rule in rules]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("interval", "slower"),
    [("2s", "4000ms"), ("30s", "60000ms"), ("2m", "4m"), ("3m30s", "4m"), ("4m", "4m"), ("240s", "4m")],
)
def test_rules_over_30_days_are_evaluated_half_as_often_and_within_the_lookback_delta(
    interval: str, slower: str
) -> None:
    for one in yaml.safe_load(recording_rules(interval))["groups"]:
        assert one["interval"] == (slower if one["name"].endswith("-month") else interval)


def test_steady_usage_by_hour_day_month_site_and_domain(tester: RuleTester) -> None:
    inputs = [
        series(rising(0, 3 * DAY)),
        series(rising(100, 3 * DAY, by=2), project_id="p2", project_name="genomes"),
        series(rising(100, 3 * DAY, by=4), project_id="p3", domain_id="d2", domain_name="guests"),
        series(rising(100, 3 * DAY, by=8), location="beta", location_id="2"),
    ]

    def expect(name: str, *values: tuple[str, float], at: str = "2d") -> dict[str, Any]:
        samples = [{"labels": f"{name}{{{labels}}}", "value": value} for labels, value in values]
        return {"expr": name, "eval_time": at, "exp_samples": samples}

    p1 = 'location="alpha",location_id="1",domain_id="d1",project_id="p1"'
    others = (
        p1.replace("p1", "p2"),
        p1.replace("p1", "p3").replace("d1", "d2"),
        p1.replace("alpha", "beta").replace('"1"', '"2"'),
    )
    by_project = [(p1, 1), *((labels, 2 << number) for number, labels in enumerate(others))]
    tests = [
        expect(f"project:vcpu_usage:{name}", *((labels, by * steps) for labels, by in by_project))
        for name, steps in (("increase1h", HOUR), ("increase1d", DAY), ("increase30d", 2 * DAY))
    ]
    for level, labels in (
        ("location", ('location="alpha",location_id="1"', 'location="beta",location_id="2"')),
        (
            "domain",
            (
                'location="alpha",location_id="1",domain_id="d1"',
                'location="alpha",location_id="1",domain_id="d2"',
                'location="beta",location_id="2",domain_id="d1"',
            ),
        ),
    ):
        sums = (7, 8) if level == "location" else (3, 4, 8)
        for name, steps in (("increase1d", DAY), ("increase30d", 2 * DAY)):
            values = [(level_labels, by * steps) for level_labels, by in zip(labels, sums, strict=True)]
            tests.append(expect(f"{level}:vcpu_usage:{name}", *values))
    burning = [{"labels": "{}", "value": 15 * HOUR}]
    tests.append({"expr": "sum(round(project:vcpu_usage:burn1h))", "eval_time": "2d", "exp_samples": burning})
    tests.append(
        {"expr": "sum(round(location:vcpu_usage:burn1h))", "eval_time": "2d", "exp_samples": burning}
    )
    tester.check(*inputs, promql_expr_test=tests)


def test_a_day_has_24_hours_at_any_time_of_evaluation(tester: RuleTester) -> None:
    tests = [
        {
            "expr": "project:vcpu_usage:increase1d{}",
            "eval_time": at,
            "exp_samples": [
                {
                    "labels": "project:vcpu_usage:increase1d"
                    '{location="alpha",location_id="1",domain_id="d1",project_id="p1"}',
                    "value": DAY,
                }
            ],
        }
        for at in ("2d", "2d4m", "2d32m", "2d56m", "2d1h")
    ]
    tester.check(series(rising(0, 3 * DAY)), promql_expr_test=tests)


def test_megabytes_are_counted_the_same_way(tester: RuleTester) -> None:
    name = "sum(project:mb_usage:increase30d)"
    expected = [{"labels": "{}", "value": 1024 * DAY}]
    tester.check(
        series(rising(0, 2 * DAY, by=1024), "project_mb_usage"),
        promql_expr_test=[{"expr": name, "eval_time": "1d", "exp_samples": expected}],
    )


@pytest.mark.parametrize("hours", [1, 3, 20])
@pytest.mark.parametrize("to", [0, 300])
def test_a_dip_is_not_billed_twice(usage_tester: RuleTester, hours: int, to: int) -> None:
    begin, length = 30 * HOUR, hours * HOUR
    values = f"{rising(0, begin)} {rising(to, length)} {rising(begin + length, 2 * DAY)}"
    usage_tester.check_usage(2 * DAY + 10 * HOUR, "2d10h", series(values))


def test_two_dips_on_a_day(usage_tester: RuleTester) -> None:
    begin, low = 30 * HOUR, f"{rising(0, 2 * HOUR)}"
    values = (
        f"{rising(0, begin)} {low} {rising(begin + 2 * HOUR, 5 * HOUR)} "
        f"{low} {rising(begin + 9 * HOUR, 3 * DAY)}"
    )
    usage_tester.check_usage(3 * DAY, "3d", series(values))


@pytest.mark.parametrize("level", [0, 100])
def test_usage_counts_again_one_day_after_a_new_start_date(usage_tester: RuleTester, level: int) -> None:
    values = f"{rising(0, DAY, by=2)} {rising(level, 4 * DAY)}"
    # For one day after the reset, the rules treat it as a dip.
    usage_tester.check_usage(2 * (DAY - 1) + DAY, "3d", series(values))


@pytest.mark.parametrize("hours", [2, 20, 50])
def test_usage_during_a_gap_is_billed_after_it(usage_tester: RuleTester, hours: int) -> None:
    begin, length = 20 * HOUR + 7, hours * HOUR
    values = f"{rising(0, begin)} _x{length} {rising(begin + length, 4 * DAY)}"
    usage_tester.check_usage(4 * DAY, "4d", series(values))


@pytest.mark.parametrize("hours", [2, 20, 50])
def test_usage_while_the_portal_is_down_is_billed_afterwards(tester: RuleTester, hours: int) -> None:
    # While the portal is down, it does not evaluate high1d, so the test provides high1d with a gap.
    tester.keep_rules("base1h", "increase1h")
    begin, length = 20 * HOUR + 7, hours * HOUR
    values = f"{rising(0, begin)} _x{length} {rising(begin + length, 4 * DAY)}"
    totals = series(f"0x{begin}", "project:vcpu_usage:total")
    tester.check_usage(4 * DAY, "4d", series(values, "project:vcpu_usage:high1d"), totals)


def test_a_renamed_project_continues(tester: RuleTester) -> None:
    half = DAY + 7
    old = f"{rising(0, half)} stale"
    new = f"_x{half} {rising(half, 2 * DAY)}"
    labels = 'location="alpha",location_id="1",domain_id="d1",project_id="p1"'
    named = f'project:name:info{{{labels},domain_name="science",project_name='
    tests = [
        {
            "expr": "project:name:info",
            "eval_time": at,
            "exp_samples": [{"labels": f'{named}"{name}"}}', "value": 1}],
        }
        for at, name in (("1d", "weather"), ("1d28m", "climate"), ("2d", "climate"))
    ]
    tester.check(series(old), series(new, project_name="climate"), promql_expr_test=tests)
    tester.check_usage(2 * DAY, "2d", series(old), series(new, project_name="climate"))


def test_a_renamed_part_of_a_project_uses_once_now(tester: RuleTester) -> None:
    """Such a part has its name in its id, so the old series ends and a new one begins with its total."""
    half = DAY + 7
    old = series(f"{rising(0, half)} stale", project_id="p1/weather")
    new = series(f"_x{half} {rising(half, DAY)}", project_id="p1/climate", project_name="climate")
    tests = [
        {
            "expr": f"round({level}:vcpu_usage:burn1h, 0.001)",
            "eval_time": f"{(half + steps) * STEP}m",
            "exp_samples": [{"labels": f"{{{labels}}}", "value": HOUR}],
        }
        for level, labels in (
            ("domain", 'location="alpha",location_id="1",domain_id="d1"'),
            ("location", 'location="alpha",location_id="1"'),
        )
        for steps in (-2, 2, HOUR + 2)
    ]
    tester.check(old, new, promql_expr_test=tests)


def test_an_old_name_that_is_still_reported_does_not_count(usage_tester: RuleTester) -> None:
    old = f"{rising(0, DAY)} {DAY}x{2 * DAY}"
    new = f"_x{DAY} {rising(DAY, 2 * DAY)}"
    usage_tester.check_usage(2 * DAY, "2d", series(old), series(new, project_name="climate"))


def test_two_exporters_of_a_site_count_once(usage_tester: RuleTester) -> None:
    values = rising(0, 3 * DAY)
    usage_tester.check_usage(
        2 * DAY, "2d", series(values, instance="a:8080"), series(values, instance="b:8080")
    )


def test_the_same_name_on_two_sites_is_two_projects(tester: RuleTester) -> None:
    beta = {"location": "beta", "location_id": "2"}
    tests = [
        {
            "expr": f"count({name})",
            "eval_time": "1d",
            "exp_samples": [{"labels": "{}", "value": 2}],
        }
        for name in ("project:vcpu_usage:increase1d", "project:name:info")
    ]
    inputs = (series(rising(0, 2 * DAY)), series(rising(0, 2 * DAY), **beta))
    tester.check(*inputs, promql_expr_test=tests)


def test_a_new_project_counts_from_its_beginning(usage_tester: RuleTester) -> None:
    known = series(f"5x{3 * DAY}")
    begin = DAY + 7
    usage_tester.check_usage(DAY - 7, "2d", known, series(f"_x{begin} {rising(0, 2 * DAY)}", project_id="p2"))


def test_usage_before_a_project_first_appears_is_not_billed(usage_tester: RuleTester) -> None:
    begin = DAY + 7
    usage_tester.check_usage(DAY - 7, "2d", series(f"_x{begin} {rising(100_000, 2 * DAY)}"))


def test_a_deleted_project_keeps_its_name(tester: RuleTester) -> None:
    joined = (
        "count(project:vcpu_usage:increase30d * on (location, location_id, domain_id, project_id) "
        "group_left (project_name) project:name:info)"
    )
    tests = [
        {"expr": joined, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}]}
        for at in ("10h", "4d")
    ]
    tester.check(series(f"{rising(0, DAY)} stale"), promql_expr_test=tests)


UP = 'up{job="site-alpha",instance="alpha:443",location="alpha",location_id="1"}'


def check_alert(tester: RuleTester, name: str, at: str, *inputs: dict[str, str], times: int) -> None:
    """Check how many times an alert fires for the site alpha."""
    query = f'sum(ALERTS{{alertname="{name}",alertstate="firing",location="alpha"}}) or vector(0)'
    expected = [{"labels": "{}", "value": times}]
    tester.check(*inputs, promql_expr_test=[{"expr": query, "eval_time": at, "exp_samples": expected}])


@pytest.mark.parametrize(
    ("name", "broken", "healthy"),
    [
        (
            "SiteGateRefused",
            [{"series": UP, "values": "0x60"}],
            [{"series": UP, "values": "1x60"}],
        ),
        (
            "SiteStale",
            [{"series": UP, "values": "1x60"}, series(f"{rising(0, 10)} stale")],
            [{"series": UP, "values": "1x60"}, series(rising(0, 60))],
        ),
        (
            "SiteExporterFailing",
            [{"series": UP.replace("site-alpha", "project_usages"), "values": "0x60"}],
            [{"series": UP.replace("site-alpha", "project_usages"), "values": "1x60"}],
        ),
        (
            "SiteExporterFailing",
            [series("0x60", "usage_exporter_up")],
            [series("1x60", "usage_exporter_up"), series("0x60", "usage_exporter_problem", reason="nova")],
        ),
        (
            "SiteExporterFailing",
            [series("1x60", "usage_exporter_problem", reason="nova")],
            [],
        ),
        (
            "SiteUsageOld",
            [series("10x60", "usage_exporter_counted_until_timestamp_seconds")],
            [series("0+240x60", "usage_exporter_counted_until_timestamp_seconds")],
        ),
        (
            "SiteTotalsFell",
            [series("500 400x60")],
            [series(rising(0, 60))],
        ),
        (
            "SiteProjectsOfOneId",
            [series("1x60"), series("1x60", project_name="genomes")],
            [series("1x60"), series("1x60", project_id="p2")],
        ),
    ],
)
def test_alerts_fire_when_they_should(
    tester: RuleTester, name: str, broken: list[dict[str, str]], healthy: list[dict[str, str]]
) -> None:
    check_alert(tester, name, "110m", *broken, times=1)
    check_alert(tester, name, "110m", *healthy, times=0)
    check_alert(tester, name, "8m", *broken, times=0)

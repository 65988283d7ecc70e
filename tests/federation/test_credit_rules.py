"""The rules for credits, evaluated by promtool at a site (without a location) and at a portal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.support.commands import run
from tests.support.rule_files import rules_in

from chrysaetos.federation.rules import credit_rules
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse

if TYPE_CHECKING:
    from pathlib import Path

SITE = 'domain_id="d",project_id="p",resource="vcpu"'
PORTAL = f'location="alpha",location_id="1",{SITE}'
DAY = 24 * 60
STEP = 10
"""Minutes."""


def series(name: str, values: str, labels: str, project_name: str = "one") -> dict[str, str]:
    names = f'project_name="{project_name}",domain_name="default"'
    return {"series": f"usage_exporter_credits_{name}_hours{{{labels},{names}}}", "values": values}


def test_each_expression_is_promql() -> None:
    for rule in rules_in(credit_rules("1m")):
        parse(rule["expr"], DEFAULT_BOUNDS)


@pytest.mark.parametrize("labels", [SITE, PORTAL])
def test_used_left_the_end_and_the_alerts(tmp_path: Path, labels: str) -> None:
    (tmp_path / "credits.yml").write_text(credit_rules(f"{STEP}m"))
    steps = 3 * DAY // STEP
    half = steps // 2
    # One hour of credits in each step. The project is renamed in between.
    inputs = [
        series("granted", f"{steps}x{half}", labels),
        series("granted", f"_x{half} {steps}x{half + 4}", labels, "renamed"),
        series("used", f"0+1x{half}", labels),
        series("used", f"_x{half} {half}+1x{half + 4}", labels, "renamed"),
        series("left", f"{steps}-1x{half}", labels),
        series("left", f"_x{half} {steps - half}-1x{half + 4}", labels, "renamed"),
    ]

    def expect(name: str, value: float, at: int) -> dict[str, object]:
        return {
            "expr": f"round(project:credits:{name}, 0.001)",
            "eval_time": f"{at * STEP}m",
            "exp_samples": [{"labels": f"{{{labels}}}", "value": value}],
        }

    tests = [
        expect("used", half, half),
        expect("used", steps - 1, steps - 1),
        expect("left", half, half),
        expect("left_ratio", 0.5, half),
        expect("burn1d", 60 / STEP, steps - 10),
        expect("end_timestamp_seconds", steps * STEP * 60, steps - 10),
    ]

    # Exactly one alert fires: which one, its name says.
    for part, name in (
        (0.5, ""),
        (0.85, "CreditsBelow20Percent"),
        (0.95, "CreditsBelow10Percent"),
        (1, "CreditsUsedUp"),
    ):
        tests.append(
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{(int(steps * part) + 2) * STEP}m"
                if part == 1
                else f"{int(steps * part) * STEP}m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1}] if name else [],
            }
        )
    content = {
        "rule_files": ["credits.yml"],
        "evaluation_interval": f"{STEP}m",
        "group_eval_order": ["credits", "credits-alerts"],
        "tests": [{"interval": f"{STEP}m", "input_series": inputs, "promql_expr_test": tests}],
    }
    (tmp_path / "test.yml").write_text(json.dumps(content))
    assert "SUCCESS" in run(["promtool", "test", "rules", "test.yml"], cwd=tmp_path).out


def test_projects_inside_a_simplevm_project_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "credits.yml").write_text(credit_rules("1m"))
    inputs = [
        series(name, f"{value}x20", f"{SITE}{part}", project_name)
        for part, project_name, left in ((',part="a"', "a", 8), (',part="b"', "b", -2), ("", "host", 5))
        for name, value in (("granted", 10), ("used", 10 - left), ("left", left))
    ]
    labels = SITE.replace('"', "") + ",part=b"
    tests = [
        {
            "expr": "sort(project:credits:left)",
            "eval_time": "10m",
            "exp_samples": [
                {"labels": f"project:credits:left{{{SITE}{part}}}", "value": value}
                for part, value in ((',part="b"', -2), ("", 5), (',part="a"', 8))
            ],
        }
    ]
    alerts = [
        {
            "eval_time": "10m",
            "alertname": "CreditsUsedUp",
            "exp_alerts": [
                {
                    "exp_labels": {
                        **dict(pair.split("=") for pair in labels.split(",")),
                        "severity": "critical",
                    },
                    "exp_annotations": {
                        "summary": "Project p/b  has no vcpu credits left: they are used or have expired."
                    },
                }
            ],
        }
    ]
    content = {
        "rule_files": ["credits.yml"],
        "evaluation_interval": "1m",
        "group_eval_order": ["credits", "credits-alerts"],
        "tests": [
            {
                "interval": "1m",
                "input_series": inputs,
                "promql_expr_test": tests,
                "alert_rule_test": alerts,
            }
        ],
    }
    (tmp_path / "test.yml").write_text(json.dumps(content))
    assert "SUCCESS" in run(["promtool", "test", "rules", "test.yml"], cwd=tmp_path).out

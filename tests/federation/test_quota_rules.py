"""The rules for quotas, evaluated by promtool at a site (without a location) and at a portal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.support.commands import run
from tests.support.rule_files import rules_in

from chrysaetos.federation.rules import quota_rules
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse

if TYPE_CHECKING:
    from pathlib import Path

SITE = 'domain_id="d",project_id="p"'
PORTAL = f'location="alpha",location_id="1",{SITE}'


def test_each_expression_is_promql() -> None:
    for rule in rules_in(quota_rules("1m")):
        parse(rule["expr"], DEFAULT_BOUNDS)


@pytest.mark.parametrize("labels", [SITE, PORTAL])
def test_the_ratio_and_the_alert(tmp_path: Path, labels: str) -> None:
    (tmp_path / "quotas.yml").write_text(quota_rules("1m"))
    names = 'project_name="one",domain_name="default",service="compute"'
    recorded = f'{labels},service="compute"'
    quotas = {
        "cores": ("20", "19"),
        "ram": ("+Inf", "5000"),
        "server_groups": ("0", "0"),
        "instances": ("10", "5"),
    }
    inputs = [
        {
            "series": f'usage_exporter_quota_{name}{{{labels},{names},resource="{resource}"}}',
            "values": " ".join([value] * 91),
        }
        for resource, values in quotas.items()
        for name, value in zip(("limit", "used"), values, strict=True)
    ]
    ratios = {"cores": 0.95, "ram": 0, "instances": 0.5}
    tests = {
        "rule_files": ["quotas.yml"],
        "tests": [
            {
                "interval": "1m",
                "input_series": inputs,
                "promql_expr_test": [
                    {
                        "expr": "project:quota:used_ratio",
                        "eval_time": "5m",
                        "exp_samples": [
                            {
                                "labels": f'project:quota:used_ratio{{{recorded},resource="{resource}"}}',
                                "value": ratio,
                            }
                            for resource, ratio in ratios.items()
                        ],
                    },
                    {
                        "expr": 'count by (resource) (ALERTS{alertstate="firing"})',
                        "eval_time": "75m",
                        "exp_samples": [{"labels": '{resource="cores"}', "value": 1}],
                    },
                ],
            }
        ],
    }
    (tmp_path / "tests.yml").write_text(json.dumps(tests))
    assert "SUCCESS" in run(["promtool", "test", "rules", str(tmp_path / "tests.yml")]).printed

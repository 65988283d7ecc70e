"""The pages of metrics and audit fields."""

from __future__ import annotations

import re
from pathlib import Path

from tools.reference.telemetry import gateway_metrics, render_alerts, render_metrics

SOURCE = Path(__file__).parents[3] / "src" / "chrysaetos"


def test_each_metric_in_the_source_is_on_the_page():
    source = (SOURCE / "gateway" / "telemetry" / "metrics.py").read_text()
    names = {f"chrysaetos_{name}" for name in re.findall(r'(?:_gauge|_counter)\(\s*"(\w+)"', source)}
    names |= set(re.findall(r'"(chrysaetos_\w+)"', source))
    names |= set(
        re.findall(r'"(chrysaetos_\w+)"', (SOURCE / "gateway" / "federate" / "metrics.py").read_text())
    )
    assert len(names) >= 30
    page = render_metrics()
    documented = {name.removesuffix("_total") for name in re.findall(r"``(chrysaetos_\w+)``", page)}
    assert documented == names


def test_each_metric_of_the_usage_exporter_is_on_the_page():
    source = (SOURCE / "usage" / "snapshot.py").read_text()
    names = set(re.findall(r'"((?:project|usage_exporter)_\w+)"', source))
    assert {"project_vcpu_usage", "usage_exporter_credits_left_hours"} < names
    page = render_metrics()
    assert [
        name for name in sorted(names - {"project_id", "project_name"}) if f"``{name}``" not in page
    ] == []


def test_each_metric_has_a_text_and_is_listed_once():
    rows = gateway_metrics()
    assert all(text for _, _, _, text in rows)
    assert len({name for name, *_ in rows}) == len(rows)


def test_each_alert_is_on_the_page_with_its_expression():
    page = render_alerts()
    assert "``ChrysaetosGatewayDown``" in page
    assert '``up{job="chrysaetos"} == 0``' in page
    source = (SOURCE / "install" / "templates" / "alerts.yml").read_text()
    assert page.count("``Chrysaetos") == len(re.findall(r"- alert:", source))

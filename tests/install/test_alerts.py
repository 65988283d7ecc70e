"""The alert rules for the gateway: each fires when its fault occurs, and none without a fault."""

from __future__ import annotations

import json
import re
from importlib import resources

import pytest
import yaml
from tests.support.commands import run
from tools.reference.telemetry import gateway_metrics

RULES = (resources.files("chrysaetos.install") / "templates" / "alerts.yml").read_text()
GROUPS = yaml.safe_load(RULES)["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}

TARGET = 'job="chrysaetos",instance="gw:9102"'
UPSTREAM = f'{TARGET},upstream="store:9090"'
QUERY = f'{TARGET},endpoint="query"'


def series(name, labels, values):
    return {"series": f"{name}{{{labels}}}", "values": values}


def histogram(name, slow):
    """Return the buckets of a histogram: 10 requests a minute, all of them below 0.5 s, or above 30 s."""
    return [
        series(f"{name}_bucket", f'{QUERY},le="{bound}"', "0x60" if slow and bound == "0.5" else "0+10x60")
        for bound in ("0.5", "60.0", "+Inf")
    ]


HEALTHY = [
    series("up", TARGET, "1x60"),
    series("chrysaetos_requests_total", f'{QUERY},method="GET",code="200",scope="own"', "0+100x60"),
    series("chrysaetos_requests_total", f'{QUERY},method="GET",code="503",scope="own"', "0+1x60"),
    series("chrysaetos_requests_total", f'{QUERY},method="GET",code="429",scope="own"', "0+1x60"),
    series("chrysaetos_keystone_errors_total", TARGET, "1x60"),
    series("chrysaetos_keystone_blocked", TARGET, "0x60"),
    series("chrysaetos_upstream_errors_total", UPSTREAM, "0+1x60"),
    series("chrysaetos_upstream_connections_opened_total", UPSTREAM, "0+1x60"),
    series("chrysaetos_upstream_connections_reused_total", UPSTREAM, "0+100x60"),
    series("chrysaetos_limited_waiting", TARGET, "0 5 0 0 5 0 0 5 0x53"),
    series("chrysaetos_limited_refused_total", f'{TARGET},limit="all"', "3x60"),
    series("chrysaetos_limited_refused_total", f'{TARGET},limit="project"', "0+10x60"),
    series("chrysaetos_log_lines_lost_total", f'{TARGET},log="audit",reason="queue_full"', "7x60"),
    series("chrysaetos_policy_stale", TARGET, "0x60"),
    *histogram("chrysaetos_gateway_seconds", slow=False),
    *histogram("chrysaetos_upstream_seconds", slow=False),
    series("process_open_fds", TARGET, "100x60"),
    series("process_max_fds", TARGET, "1000x60"),
    series("chrysaetos_federation_tokens_current", TARGET, "1x60"),
    series("chrysaetos_federation_token_expires_timestamp_seconds", f'{TARGET},token="p"', "9000000x120"),
    # Of another job: a rule without its job would see them.
    series("up", 'job="other",instance="other:1"', "0x60"),
    series("process_open_fds", 'job="other",instance="other:1"', "1000x60"),
    series("process_max_fds", 'job="other",instance="other:1"', "1000x60"),
]

FAULTS = {
    "the gateway is down": ("ChrysaetosGatewayDown", [series("up", TARGET, "1x10 0x50")]),
    "there is no target": ("ChrysaetosGatewayNotScraped", None),
    "requests fail": (
        "ChrysaetosErrors",
        [series("chrysaetos_requests_total", f'{QUERY},method="GET",code="503",scope="own"', "0+20x60")],
    ),
    "responses are missing": (
        "ChrysaetosErrors",
        [series("chrysaetos_requests_total", f'{QUERY},method="GET",code="none",scope="own"', "0+20x60")],
    ),
    "Keystone does not answer": (
        "ChrysaetosKeystoneUnreachable",
        [series("chrysaetos_keystone_errors_total", TARGET, "0+1x60")],
    ),
    "Keystone is not asked": (
        "ChrysaetosKeystoneUnreachable",
        [series("chrysaetos_keystone_blocked", TARGET, "1x60")],
    ),
    "the only upstream is down": (
        "ChrysaetosUpstreamDown",
        [
            series("chrysaetos_upstream_errors_total", UPSTREAM, "0+100x60"),
            series("chrysaetos_upstream_connections_opened_total", UPSTREAM, "1x60"),
            series("chrysaetos_upstream_connections_reused_total", UPSTREAM, "100x60"),
        ],
    ),
    "requests are throttled": (
        "ChrysaetosThrottling",
        [series("chrysaetos_requests_total", f'{QUERY},method="GET",code="429",scope="own"', "0+20x60")],
    ),
    "requests always wait": (
        "ChrysaetosSlotsFull",
        [series("chrysaetos_limited_waiting", TARGET, "5x60")],
    ),
    "all slots are taken": (
        "ChrysaetosSlotsFull",
        [series("chrysaetos_limited_refused_total", f'{TARGET},limit="all"', "0+10x60")],
    ),
    "log lines are lost": (
        "ChrysaetosLogLinesLost",
        [
            series("chrysaetos_log_lines_lost_total", f'{TARGET},log="audit",reason="queue_full"', "0+1x60"),
        ],
    ),
    "the policy file is invalid": (
        "ChrysaetosPolicyInvalid",
        [series("chrysaetos_policy_stale", TARGET, "1x60")],
    ),
    "the gateway is slow": ("ChrysaetosSlow", histogram("chrysaetos_gateway_seconds", slow=True)),
    "Prometheus is slow": ("ChrysaetosUpstreamSlow", histogram("chrysaetos_upstream_seconds", slow=True)),
    "files run out": ("ChrysaetosFilesExhausted", [series("process_open_fds", TARGET, "900x60")]),
    "the token file is invalid": (
        "ChrysaetosPortalTokensInvalid",
        [series("chrysaetos_federation_tokens_current", TARGET, "0x60")],
    ),
    "a token expires": (
        "ChrysaetosPortalTokenExpires",
        [series("chrysaetos_federation_token_expires_timestamp_seconds", f'{TARGET},token="p"', "90000x120")],
    ),
}


def firing(tmp_path, inputs, *, minute="60m"):
    """Return the alerts that fire, as promtool evaluates the rules."""
    (tmp_path / "alerts.yml").write_text(RULES)
    # promtool prints what it got for each alert that is expected not to fire.
    tests = {
        "rule_files": ["alerts.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": inputs,
                "alert_rule_test": [
                    {"eval_time": minute, "alertname": name, "exp_alerts": []} for name in ALERTS
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(json.dumps(tests))
    done = run(["promtool", "test", "rules", tmp_path / "test.yml"])
    text = done.printed + done.err
    found = set(re.findall(r'got:\s*\[\s*\d+:\s*Labels:\{alertname="(\w+)"', text))
    assert (done.status == 0) == (not found), text
    return found


def healthy_except(inputs):
    replaced = {one["series"] for one in inputs}
    return [one for one in HEALTHY if one["series"] not in replaced] + inputs


def test_nothing_fires_without_a_fault(tmp_path):
    assert firing(tmp_path, HEALTHY) == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_an_alert_fires_when_its_fault_occurs(fault, tmp_path):
    alert, inputs = FAULTS[fault]
    series_of_fault = [series("up", 'job="other"', "1x60")] if inputs is None else healthy_except(inputs)
    assert firing(tmp_path, series_of_fault) == {alert}


def test_each_alert_has_a_fault():
    assert {alert for alert, _ in FAULTS.values()} == ALERTS.keys()


def test_each_metric_of_the_rules_is_one_of_the_gateway():
    known = {"up"}
    for name, kind, *_ in gateway_metrics():
        known |= {f"{name}_bucket"} if kind == "histogram" else {name}
    for name, rule in ALERTS.items():
        used = set(re.findall(r"([a-z_]+)\{", rule["expr"]))
        assert used, name
        assert used <= known, name
        assert rule["expr"].count('job="chrysaetos"') == len(re.findall(r"[a-z_]+\{", rule["expr"])), name


def test_each_alert_says_what_to_do():
    for rule in ALERTS.values():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}

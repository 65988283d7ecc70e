"""``chrysaetos targets``, ``rules`` and ``alerts``."""

import json

TARGETS, RULES, ALERTS = "/api/v1/targets", "/api/v1/rules", "/api/v1/alerts"


def test_targets_are_shown_with_their_health(run_on_server, responses, server):
    active = {
        "labels": {"job": "vm", "instance": "a:9100"},
        "health": "down",
        "lastScrape": "2026-11-21T12:00:00Z",
        "lastError": "connection refused",
    }
    dropped = {"discoveredLabels": {"job": "vm", "__address__": "b:9100"}}
    responses.set(TARGETS, {"activeTargets": [active], "droppedTargets": [dropped]})
    rows = json.loads(run_on_server("targets", "--state", "any", "-f", "json").out)
    assert rows[0] == {
        "state": "active",
        "job": "vm",
        "instance": "a:9100",
        "health": "down",
        "last_scrape": "2026-11-21T12:00:00Z",
        "last_error": "connection refused",
    }
    assert (rows[1]["state"], rows[1]["instance"]) == ("dropped", "b:9100")
    assert server.requests[-1].parameters["state"] == "any"


def test_active_targets_are_the_default(run_on_server, responses, server):
    responses.set(TARGETS, {"activeTargets": [], "droppedTargets": None})
    assert run_on_server("targets").status == 0
    assert server.requests[-1].parameters["state"] == "active"


def test_a_row_per_rule(run_on_server, responses, server):
    alert = {"type": "alerting", "name": "Down", "query": "up == 0", "health": "ok", "state": "firing"}
    record = {"type": "recording", "name": "job:up", "query": "sum(up)", "health": "err", "lastError": "no"}
    responses.set(
        RULES, {"groups": [{"name": "g", "rules": [alert, record]}, {"name": "empty", "rules": []}]}
    )
    rows = json.loads(run_on_server("rules", "--type", "alert", "-f", "json").out)
    assert [(row["group"], row["name"], row["state"], row["last_error"]) for row in rows] == [
        ("g", "Down", "firing", ""),
        ("g", "job:up", "", "no"),
    ]
    assert server.requests[-1].parameters["type"] == "alert"


def test_a_row_per_alert(run_on_server, responses):
    labels = {"alertname": "Down", "vm": "a", "severity": "page"}
    alert = {"labels": labels, "state": "firing", "activeAt": "2026-11-21T12:00:00Z", "value": "0e+00"}
    responses.set(ALERTS, {"alerts": [alert]})
    assert json.loads(run_on_server("alerts", "-f", "json").out) == [
        {
            "alert": "Down",
            "state": "firing",
            "active_since": "2026-11-21T12:00:00Z",
            "value": "0e+00",
            "labels": "severity=page, vm=a",
        }
    ]

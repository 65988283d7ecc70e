"""The evaluators of an unmodified Aodh, with a server that answers like the gateway."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from aodh import keystone_client, service
from aodh.evaluator import composite, prometheus
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from stevedore.extension import ExtensionManager
from tests.aodh.test_queries import HEADER, gateway
from tests.fakes.metrics_server import MetricsServer, failed, vector

import chrysaetos.aodh.evaluator as ours

RULE = {"comparison_operator": "gt", "threshold": 1.0, "query": "up", "scope_to_project": "OTHER"}


@pytest.fixture
def conf(monkeypatch, tmp_path):
    file = tmp_path / "aodh.conf"
    file.write_text("[DEFAULT]\ntransport_url = fake:/\n[service_credentials]\nauth_type = none\n")
    monkeypatch.setattr(ours, "_QUERIES", [])
    return service.prepare_service(argv=[], config_files=[str(file)], with_gmr=False)


@pytest.fixture
def here(conf, monkeypatch):
    """A server whose answer a test sets, and how an alarm's state changes."""

    class Here:
        def __init__(self, server):
            self.server = server
            self.answer = vector("1")
            self.changes = []

        def alarm(self, rule, **fields):
            return SimpleNamespace(
                **{
                    "alarm_id": "1",
                    "project_id": "P",
                    "state": "ok",
                    "rule": rule,
                    "repeat_actions": False,
                    "time_constraints": [],
                    **fields,
                }
            )

        def evaluate(self, kind, rule, **fields):
            self.changes = []
            ours._QUERIES.clear()
            evaluator = kind(conf)
            evaluator._refresh = lambda _alarm, state, reason, *_: self.changes.append((state, reason))
            evaluator._increment_evaluation_result = lambda *_: None
            evaluator.evaluate(self.alarm(rule, **fields))
            return [state for state, _ in self.changes]

    with MetricsServer(gateway(lambda _: made.answer)) as server:
        made = Here(server)
        session = Session(auth=Token(server.url, "token"))
        monkeypatch.setattr(keystone_client, "get_session", lambda _: session)
        yield made


@pytest.mark.parametrize("kind", [prometheus.PrometheusEvaluator, ours.AetosEvaluator])
def test_a_query_is_restricted_to_the_alarms_project_whatever_the_rule_says(here, kind):
    here.answer = vector("2")
    assert here.evaluate(kind, dict(RULE)) == ["alarm"]
    (request,) = here.server.requests
    assert request.headers[HEADER] == "P"
    assert request.parameters["query"] == "up"


def test_a_composite_alarm_is_restricted_too(here):
    here.answer = vector("2")
    rule = {
        "and": [{"type": "prometheus", **RULE}, {"or": [{"type": "prometheus", **RULE, "query": "down"}]}]
    }
    assert here.evaluate(composite.CompositeEvaluator, rule) == ["alarm"]
    assert [(r.headers[HEADER], r.parameters["query"]) for r in here.server.requests] == [
        ("P", "up"),
        ("P", "down"),
    ]


@pytest.mark.parametrize(
    ("values", "state", "expected"),
    [
        (("2", "3"), "ok", ["alarm"]),
        (("0", "1"), "alarm", ["ok"]),
        (("0", "1"), "ok", []),
        (("2", "0"), "ok", []),  # some of each: no transition
        (("2", "0"), "insufficient data", ["ok"]),  # the trend
        ((), "ok", ["insufficient data"]),
        (("NaN",), "alarm", ["ok"]),
    ],
)
def test_the_states_are_those_of_aodh(here, values, state, expected):
    here.answer = vector(*values)
    assert here.evaluate(prometheus.PrometheusEvaluator, dict(RULE), state=state) == expected


@pytest.mark.parametrize("status", [400, 422])
def test_an_invalid_query_is_insufficient_data_with_its_error(here, status):
    here.answer = failed(status, "bad_data", "1:1: not PromQL")
    assert here.evaluate(prometheus.PrometheusEvaluator, dict(RULE)) == ["insufficient data"]
    assert here.changes[0][1] == "the query failed: 1:1: not PromQL"


@pytest.mark.parametrize("kind", [prometheus.PrometheusEvaluator, composite.CompositeEvaluator])
@pytest.mark.parametrize("status", [401, 403, 500])
def test_an_alarm_keeps_its_state_when_the_gateway_cannot_answer(here, kind, status, caplog):
    here.answer = failed(status, "x", "no")
    rule = dict(RULE) if kind is prometheus.PrometheusEvaluator else {"and": [{"type": "prometheus", **RULE}]}
    with caplog.at_level(logging.ERROR, "chrysaetos.aodh"):
        assert here.evaluate(kind, rule) == []
    (record,) = caplog.records
    assert "alarm 1: not evaluated, its state stays ok" in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize("project", [None, "", "A B"])
def test_an_alarm_without_a_project_sees_nothing(here, project):
    assert here.evaluate(prometheus.PrometheusEvaluator, dict(RULE), project_id=project) == []
    assert here.server.requests == []


def test_a_rule_outside_of_an_alarm_is_not_evaluated(conf):
    with pytest.raises(LookupError):
        prometheus.PrometheusEvaluator(conf).evaluate_rule(dict(RULE))


def test_aodh_finds_the_evaluator_and_needs_no_keystone_for_it(conf):
    found: ExtensionManager[Any] = ExtensionManager(
        "aodh.evaluator", invoke_on_load=True, invoke_args=(conf,)
    )
    ours_and_aodhs = [each.plugin for each in found if each.name == "prometheus"]
    assert {each.__name__ for each in ours_and_aodhs} == {"AetosEvaluator", "PrometheusEvaluator"}
    assert isinstance(found["prometheus"].obj, prometheus.PrometheusEvaluator)

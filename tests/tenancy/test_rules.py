"""Rules and alerts of a scope."""

import json

import pytest

from chrysaetos.errors import BadGateway
from chrysaetos.promql.parser import Bounds
from chrysaetos.tenancy.labels import LabelTable
from chrysaetos.tenancy.rules import filter_alerts, filter_rules, is_whole_query
from chrysaetos.tenancy.scope import Scope

A = Scope.of("project", "A")
BOTH = Scope.of("project", "A", "C")
TIME = "2024-01-01T00:00:00Z"
OWN = 'cpu{project="A"} > 1'


def alert(project="A", **more):
    labels = {"alertname": "High", "vm": "x", **({} if project is None else {"project": project})}
    fields = {
        "labels": labels,
        "annotations": {"summary": "secret"},
        "state": "firing",
        "activeAt": TIME,
        "value": "4.2e+01",
    }
    return fields | more


def alerting(query, *alerts, **more):
    fields = {
        "state": "firing",
        "name": "High",
        "query": query,
        "duration": 60,
        "keepFiringFor": 5,
        "labels": {"severity": "page"},
        "annotations": {"summary": "secret"},
        "alerts": list(alerts),
        "health": "err",
        "lastError": "secret",
        "evaluationTime": 0.5,
        "lastEvaluation": TIME,
        "type": "alerting",
        "addedLater": "secret",
    }
    return fields | more


def recording(query, **more):
    fields = {
        "name": "a:b",
        "query": query,
        "labels": {},
        "health": "ok",
        "evaluationTime": 0.25,
        "lastEvaluation": TIME,
        "type": "recording",
    }
    return fields | more


def group(*rules, name="group", file="/rules.yml"):
    return {
        "name": name,
        "file": file,
        "rules": list(rules),
        "interval": 15,
        "limit": 3,
        "evaluationTime": 9.5,
        "lastEvaluation": TIME,
    }


def shown(*groups, scope=A):
    return filter_rules({"groups": list(groups)}, scope, {})["groups"]


@pytest.mark.parametrize(
    ("query", "whole"),
    [
        ('cpu{project="A"}', True),
        ('{__name__="cpu",project="A",vm=~".+"}', True),
        ('sum by (vm) (rate(cpu{project="A"}[5m])) / on () group_left () up{project="A"}', True),
        ('max_over_time(cpu{project="A"}[1h:5m] offset 1h)', True),
        ('cpu{project="A",project="B"}', True),  # nothing is both
        ('cpu{"project"="A"}', True),
        ("cpu{project='A'}", True),
        (r'cpu{project="\x41"} + 0 * up{project="A"}', True),
        ('info(cpu{project="A"}, {project="A"})', True),
        ("cpu", False),
        ('cpu{project="B"}', False),
        ('cpu{project="A"} + cpu', False),
        ('cpu{project="A"} or cpu{project="B"}', False),
        ('cpu{project=~"A"}', False),
        ('cpu{project=~"A|B"}', False),
        ('cpu{project!="A"}', False),
        ('cpu{project!~"A"}', False),
        ('cpu{vm="A"}', False),
        ('cpu{Project="A"}', False),
        ('cpu{project="AA"}', False),
        ('cpu{project="a"}', False),
        ('cpu{project=""}', False),
        ('info(cpu{project="A"})', False),
        ('info(cpu{project="A"}, {k="A"})', False),
        ('absent(cpu{project="A"}) and on () secret', False),
        ('vector(1) # project="A"', False),
        ('label_replace(vector(1), "project", "A", "", "")', False),
        ('cpu{project="A"', False),
        ('cpu{project="A" or project="B"}', False),
        ("A", False),
        ("", False),
    ],
)
def test_a_query_belongs_to_the_tenant_if_every_selector_has_the_scope(query, whole):
    assert is_whole_query(query, A) is whole


def test_a_query_over_the_limit_does_not_belong_to_the_tenant():
    assert not is_whole_query(OWN, A, Bounds(bytes=5))


def test_a_query_with_any_value_of_the_scope_belongs_to_the_tenant():
    assert is_whole_query('cpu{project="A"} + cpu{project="C"}', BOTH)
    assert not is_whole_query('cpu{project="A"} + cpu{project="B"}', BOTH)


@pytest.mark.parametrize(
    ("query", "whole"),
    [
        ('cpu{tenant="A"}', True),
        ('{__name__="cpu",tenant="A"}', True),
        ('cpu{project="A"}', False),
        ('memory{tenant="A"}', False),
        ('memory{project="A"} * on (host) group_left () up', True),
        ('{__name__=~"cpu",project="A"}', True),
        ('up{job="A"}', False),
    ],
)
def test_the_metrics_own_label_is_checked(query, whole):
    scope = Scope("project", ("A",), LabelTable.of({"cpu": "tenant"}, ["up"]))
    assert is_whole_query(query, scope) is whole


def test_the_label_of_the_recorded_metric_is_checked():
    scope = Scope("project", ("A",), LabelTable.of({"ALERTS": "tenant", "a:b": "tenant"}))
    own = {"labels": {"tenant": "A"}, "state": "firing"}
    rules = shown(
        group(
            alerting("cpu", own, alert("A")),
            recording("cpu", labels={"tenant": "A"}),
            recording("cpu", labels={"project": "A"}),
        ),
        scope=scope,
    )[0]["rules"]
    assert [rule["labels"] for rule in rules] == [{"severity": "page"}, {"tenant": "A"}]
    assert [one["labels"] for one in rules[0]["alerts"]] == [{"tenant": "A"}]


def test_a_rule_of_the_tenant_is_shown_unchanged():
    rule = alerting(OWN, alert(), alert(None, keepFiringSince=TIME))
    got = shown(group(rule, recording('sum(cpu{project="A"})')))
    del rule["addedLater"]
    assert got == [group(rule, recording('sum(cpu{project="A"})'))]


def test_a_rule_of_another_tenant_is_not_shown():
    others = [
        alerting('cpu{project="B"}', alert("B"), labels={"project": "B"}),
        alerting("cpu", alert("B"), alert(None)),
        recording("sum(cpu)"),
        recording('cpu{project="B"}', labels={"project": "B"}),
    ]
    assert shown(group(*others)) == []
    assert "secret" not in json.dumps(shown(group(*others, recording(OWN))))


def test_alerts_of_an_operators_rule_are_shown_without_values():
    rule = alerting("cpu > 1", alert("B"), alert("A", state="pending"), alert(None), alert("AA"))
    assert shown(group(rule, name="secret", file="/secret.yml")) == [
        {
            "name": "shared-1",
            "file": "",
            "interval": 15,
            "limit": 0,
            "evaluationTime": 0,
            "lastEvaluation": TIME,
            "rules": [
                {
                    "state": "pending",
                    "name": "High",
                    "query": "",
                    "duration": 0,
                    "keepFiringFor": 0,
                    "labels": {"severity": "page"},
                    "annotations": {},
                    "alerts": [alert("A", state="pending", annotations={}, value="NaN")],
                    "health": "unknown",
                    "evaluationTime": 0,
                    "lastEvaluation": TIME,
                    "type": "alerting",
                }
            ],
        }
    ]


def test_a_rule_that_is_labelled_as_the_tenants_is_shown_without_its_query():
    labels = {"project": "A", "text": "{{ secret }}", "severity": "page"}
    (got,) = shown(group(alerting("node_load1 > 1", labels=labels), recording("node_load1", labels=labels)))
    assert [(rule["name"], rule["query"]) for rule in got["rules"]] == [("High", ""), ("a:b", "")]
    assert all(rule["labels"] == {"project": "A", "severity": "page"} for rule in got["rules"])
    assert got["rules"][0]["state"] == "inactive"
    assert "secret" not in json.dumps(got)


@pytest.mark.parametrize(
    "more",
    [
        {"labels": {"project": "B"}},
        {"labels": {"project": "{{ $labels.vm }}"}},
        {"annotations": {"summary": '{{ with query "secret" }}{{ . }}{{ end }}'}},
        {"labels": {"text": '{{ "secret" | query | first | value }}'}},
    ],
)
def test_a_rule_with_a_querying_template_or_another_label_is_the_operators(more):
    rules = shown(group(alerting(OWN, alert(), **more)))[0]["rules"]
    assert [(rule["query"], rule["annotations"]) for rule in rules] == [("", {})]
    assert rules[0]["alerts"][0]["value"] == "NaN"
    assert shown(group(alerting(OWN, alert(None), alert("B"), **more))) == []
    assert shown(group(recording(OWN, labels=more.get("labels", {"x": "{{ query }}"})))) == []


def test_an_alert_labelled_for_another_tenant_is_not_shown():
    query = 'label_replace(cpu{project="A"}, "project", "B", "", "")'
    assert shown(group(alerting(query, alert("B"))))[0]["rules"][0]["alerts"] == []


def test_a_group_is_named_if_all_its_rules_are_the_tenants():
    groups = [
        group(recording(OWN), name="own", file="/own.yml"),
        group(recording(OWN), recording("secret"), name="mixed-1", file="/mixed.yml"),
        group(recording(OWN), name="beside", file="/mixed.yml"),
        group(recording("secret"), name="others", file="/others.yml"),
        group(recording("secret"), recording(OWN), name="mixed-2", file="/mixed.yml"),
    ]
    got = [(one["name"], one["file"], one["limit"], one["evaluationTime"]) for one in shown(*groups)]
    assert got == [
        ("own", "/own.yml", 3, 9.5),
        ("shared-1", "", 0, 0.25),
        ("beside", "", 3, 9.5),
        ("shared-2", "", 0, 0.25),
    ]


def test_alerts_are_those_of_the_rules():
    data = {
        "groups": [
            group(alerting(OWN, alert(None)), alerting("cpu", alert("B"), alert("A"))),
            group(alerting('cpu{project="B"}', alert("B"))),
        ]
    }
    assert filter_alerts(data, A) == {
        "alerts": [alert(None), alert("A", annotations={}, value="NaN")],
    }
    assert filter_alerts({"groups": []}, A) == {"alerts": []}


@pytest.mark.parametrize("alerts", [None, []])
def test_a_rule_can_have_no_alerts(alerts):
    rule = alerting(OWN, alerts=alerts)
    assert shown(group(rule))[0]["rules"][0]["alerts"] == []


def test_fields_that_an_older_prometheus_lacks_are_not_added():
    rule = alerting(OWN)
    for name in ("keepFiringFor", "lastError", "lastEvaluation"):
        del rule[name]
    (got,) = shown(group(rule))[0]["rules"]
    assert {"keepFiringFor", "lastError", "lastEvaluation"}.isdisjoint(got)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"groups": {}},
        {"groups": ["x"]},
        {"groups": [{"rules": {}}]},
        {"groups": [{"rules": ["x"]}]},
        {"groups": [group({"type": "alerting"})]},
        {"groups": [group(recording(None))]},
        {"groups": [group(recording({"x": 1}))]},
        {"groups": [group(recording(OWN, type=1))]},
        {"groups": [group(recording(OWN, name=None))]},
        {"groups": [group(recording(OWN, labels=["project"]))]},
        {"groups": [group(recording(OWN, labels={"project": ["A"]}))]},
        {"groups": [group(recording(OWN, evaluationTime="1"))]},
        {"groups": [group(alerting(OWN, "x"))]},
        {"groups": [group(alerting(OWN, alert(value=1)))]},
        {"groups": [group(alerting(OWN, alerts={}))]},
        {"groups": [group(alerting("cpu", {"labels": {"project": "A"}, "state": {"x": 1}}))]},
        {"groups": [group(recording(OWN), file=1)]},
        {"groups": [group(recording(OWN), recording("cpu"), file=None)]},
    ],
    ids=lambda data: json.dumps(data)[:60],
)
def test_malformed_rules_are_not_relayed(data):
    with pytest.raises(BadGateway):
        filter_rules(data, A, {})
    with pytest.raises(BadGateway):
        filter_alerts(data, A)


def test_rules_of_an_unknown_kind_show_no_more_than_a_recording_rule():
    rule = recording("cpu", type="new", labels={"project": "A"}, extra="secret")
    assert shown(group(rule))[0]["rules"][0]["type"] == "recording"
    assert "secret" not in json.dumps(shown(group(rule)))

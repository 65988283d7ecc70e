"""Filter rules and alerts by scope.

A rule is **whole** if every selector in its query carries an equality matcher with a value of the scope
(except for metrics that are open to all tenants), its labels do not name another tenant, and its templates
run no queries. Its result cannot contain data of others, so it is shown unchanged.

Any other rule is the operator's. A tenant may see what Prometheus stores with the tenant's label: a recording
rule whose own labels carry the scope is a series, and an alert whose labels carry it is a sample of
``ALERTS``. Name, labels, state and time are shown. The query, annotations, errors, values, and alerts of
others are hidden, since they may quote data of others.

The name of a group or a file is shown if everything in it is whole. That needs all rules, so the gateway
requests all of them from the upstream and applies the request's parameters itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chrysaetos.errors import QueryError
from chrysaetos.promql.ast import VectorSelector, walk
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse
from chrysaetos.promql.strings import unquote
from chrysaetos.tenancy.labels import OPEN, fixed_metric
from chrysaetos.tenancy.rule_parameters import select_groups
from chrysaetos.tenancy.shapes import as_labels, as_list, as_number, as_object, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chrysaetos.promql.parser import Bounds
    from chrysaetos.tenancy.scope import Scope
    from chrysaetos.tenancy.shapes import Asked, Object

__all__ = ["filter_alerts", "filter_rules", "is_whole_query"]

_NEVER: Final = "0001-01-01T00:00:00Z"
_STATES: Final = ("firing", "pending")

_RECORDING: Final[Mapping[str, Callable[[object], Any]]] = {
    "name": as_text,
    "query": as_text,
    "labels": as_labels,
    "health": as_text,
    "lastError": as_text,
    "evaluationTime": as_number,
    "lastEvaluation": as_text,
}
_ALERTING: Final[Mapping[str, Callable[[object], Any]]] = {
    "state": as_text,
    **_RECORDING,
    "duration": as_number,
    "keepFiringFor": as_number,
    "annotations": as_labels,
}
_ALERT: Final[Mapping[str, Callable[[object], Any]]] = {
    "labels": as_labels,
    "annotations": as_labels,
    "state": as_text,
    "activeAt": as_text,
    "keepFiringSince": as_text,
    "value": as_text,
}


def filter_rules(data: object, scope: Scope, asked: Asked, bounds: Bounds = DEFAULT_BOUNDS) -> Object:
    """Return the content of ``/api/v1/rules`` for a scope.

    Args:
        data: ``data`` of the upstream's response to a request without parameters.
        scope: the caller's scope.
        asked: the request's parameters.
        bounds: the maximum size of a query; rules with larger ones are hidden.

    Raises:
        BadGateway: the data has an unexpected structure.
        BadRequest: a parameter is invalid.
    """
    return select_groups(_groups(data, scope, bounds), asked)


def filter_alerts(data: object, scope: Scope, bounds: Bounds = DEFAULT_BOUNDS) -> Object:
    """Return the content of ``/api/v1/alerts`` for a scope.

    The upstream's list of alerts does not name their rules, so the result is built from the rules.

    Args:
        data: ``data`` of the upstream's response to ``/api/v1/rules?type=alert``.
        scope: the caller's scope.
        bounds: as in :func:`filter_rules`.

    Raises:
        BadGateway: the data has an unexpected structure.
    """
    groups = _groups(data, scope, bounds)
    return {
        "alerts": [alert for group in groups for rule in group["rules"] for alert in rule.get("alerts", ())]
    }


def is_whole_query(query: str, scope: Scope, bounds: Bounds = DEFAULT_BOUNDS) -> bool:
    """Return whether each selector of a query carries an equality matcher with a value of the scope.

    Selectors of metrics that are open to all need none, but at least one selector must carry it. A query that
    cannot be parsed is not whole.
    """
    if not any(value in query for value in scope.values):
        return False  # most rules are of others, and parsing takes time
    try:
        parsed = parse(query, bounds)
    except QueryError:
        return False
    selectors = [node for node in walk(parsed.expr) if isinstance(node, VectorSelector)]
    if parsed.infos or len(selectors) != len(parsed.selectors):
        return False
    labels = [scope.label_of(fixed_metric(selector)) for selector in selectors]
    return any(label != OPEN for label in labels) and all(
        label == OPEN
        or any(
            matcher.op == "=" and matcher.name == label and unquote(matcher.raw) in scope.values
            for matcher in selector.matchers
        )
        for selector, label in zip(selectors, labels, strict=True)
    )


def _groups(data: object, scope: Scope, bounds: Bounds) -> list[Object]:
    """Return the visible part of each group that has one."""
    groups = [as_object(group) for group in as_list(as_object(data).get("groups"))]
    whole: list[bool] = []
    mixed_files: set[str] = set()
    shown: list[list[Object]] = []
    for group in groups:
        rules = [as_object(rule) for rule in as_list(group.get("rules"))]
        wholes = [_is_whole(rule, scope, bounds) for rule in rules]
        whole.append(all(wholes))
        if not whole[-1]:
            mixed_files.add(as_text(group.get("file", "")))
        seen = (
            _whole(rule, scope) if is_whole else _part(rule, scope)
            for rule, is_whole in zip(rules, wholes, strict=True)
        )
        shown.append([rule for rule in seen if rule is not None])
    result: list[Object] = []
    shared = 0
    for group, rules, is_whole in zip(groups, shown, whole, strict=True):
        if not rules:
            continue
        if is_whole:
            file = as_text(group.get("file", ""))
            seen_group = {
                "name": as_text(group.get("name", "")),
                "file": "" if file in mixed_files else file,
                "limit": as_number(group.get("limit", 0)),
                "evaluationTime": as_number(group.get("evaluationTime", 0)),
            }
        else:
            shared += 1
            times = sum(rule["evaluationTime"] for rule in rules)
            seen_group = {"name": f"shared-{shared}", "file": "", "limit": 0, "evaluationTime": times}
        seen_group["interval"] = as_number(group.get("interval", 0))
        seen_group["lastEvaluation"] = as_text(group.get("lastEvaluation", _NEVER))
        seen_group["rules"] = rules
        result.append(seen_group)
    return result


def _is_whole(rule: Object, scope: Scope, bounds: Bounds) -> bool:
    labels, annotations = as_labels(rule.get("labels")), as_labels(rule.get("annotations"))
    if labels.get(_label_written(rule, scope), scope.values[0]) not in scope.values:
        return False
    # Templates may run queries of their own (Prometheus documentation, "Template reference": query).
    if any("{{" in text and "query" in text for text in (*labels.values(), *annotations.values())):
        return False
    return is_whole_query(as_text(rule.get("query")), scope, bounds)


def _whole(rule: Object, scope: Scope) -> Object:
    shown: Object = {"name": as_text(rule.get("name")), "labels": {}, "evaluationTime": 0}
    if not _is_alerting(rule):
        return shown | _known(rule, _RECORDING) | {"type": "recording"}
    label = _label_written(rule, scope)
    # An alert with another tenant's label (label_replace) is not the tenant's.
    own = [alert for alert in _alerts(rule) if alert["labels"].get(label, scope.values[0]) in scope.values]
    return shown | _known(rule, _ALERTING) | {"alerts": own, "type": "alerting"}


def _part(rule: Object, scope: Scope) -> Object | None:
    """Return the part of an operator's rule that carries the scope, None if nothing does."""
    labels = as_labels(rule.get("labels"))
    label = _label_written(rule, scope)
    carries = labels.get(label) in scope.values
    shown: Object = {
        "name": as_text(rule.get("name")),
        "query": "",
        # A template's text is the operator's. Everything else is in the labels of the alerts or series.
        "labels": {name: text for name, text in labels.items() if "{{" not in text},
        "health": "unknown",
        "evaluationTime": 0,
        "lastEvaluation": as_text(rule.get("lastEvaluation", _NEVER)),
    }
    if not _is_alerting(rule):
        return shown | {"type": "recording"} if carries else None
    own = [alert for alert in _alerts(rule) if alert["labels"].get(label) in scope.values]
    if not own and not carries:
        return None
    for alert in own:
        # The value is the result of the operator's query, but clients expect a number.
        alert |= {"annotations": {}, "value": "NaN"}
    states = {alert.get("state") for alert in own}
    return shown | {
        "state": next((state for state in _STATES if state in states), "inactive"),
        "duration": 0,
        "keepFiringFor": 0,
        "annotations": {},
        "alerts": own,
        "type": "alerting",
    }


def _alerts(rule: Object) -> list[Object]:
    return [{"labels": {}} | _known(as_object(alert), _ALERT) for alert in as_list(rule.get("alerts"))]


def _label_written(rule: Object, scope: Scope) -> str:
    """Return the label that holds the tenant in the series that a rule writes."""
    metric = "ALERTS" if _is_alerting(rule) else as_text(rule.get("name"))
    return scope.label_of(metric) or scope.label


def _is_alerting(rule: Object) -> bool:
    return as_text(rule.get("type")) == "alerting"


def _known(fields: Object, checks: Mapping[str, Callable[[object], Any]]) -> Object:
    """Return the known fields, checked for their types."""
    return {name: check(fields[name]) for name, check in checks.items() if name in fields}

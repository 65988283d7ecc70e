"""Rules and alerts: what of them is within a scope.

A rule is **whole** if every selector of its query carries an equality matcher with a value of the scope (but
for metrics that are open to all tenants), and neither its labels say that it is another's nor its templates
ask Prometheus for more. Nothing of others can be in what it computed, so it is shown as it is.

Any other rule is the operator's. Of it a tenant may know what Prometheus writes into the store with the
tenant's label: a recording rule whose own labels carry the scope is a series, and an alert whose labels
carry it is a sample of ``ALERTS``. Name, labels, state and time are shown. The query, annotations,
errors, values, and alerts of others are not: they may quote what is not the tenant's.

A group, and a file, are shown by name if everything in them is whole. For that all rules have to be looked
at, so the upstream is asked for all, and what the request asks for is picked here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chrysaetos.errors import QueryError
from chrysaetos.promql.ast import VectorSelector, walk
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse
from chrysaetos.promql.strings import unquote
from chrysaetos.tenancy.labels import OPEN, fixed_metric
from chrysaetos.tenancy.pages import pick
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
    """What ``/api/v1/rules`` shows of a scope.

    Args:
        data: ``data`` of the upstream's answer, to a request without parameters.
        scope: what may be seen.
        asked: the request's parameters.
        bounds: how large a query may be that is looked at; larger ones are not shown.

    Raises:
        BadGateway: the data have an unexpected shape.
        BadRequest: a parameter cannot be used.
    """
    return pick(_groups(data, scope, bounds), asked)


def filter_alerts(data: object, scope: Scope, bounds: Bounds = DEFAULT_BOUNDS) -> Object:
    """What ``/api/v1/alerts`` shows of a scope.

    The upstream's own list does not say which rule an alert is of, so this is made from the rules.

    Args:
        data: ``data`` of the upstream's answer to ``/api/v1/rules?type=alert``.
        scope: what may be seen.
        bounds: as in :func:`filter_rules`.

    Raises:
        BadGateway: the data have an unexpected shape.
    """
    groups = _groups(data, scope, bounds)
    return {
        "alerts": [alert for group in groups for rule in group["rules"] for alert in rule.get("alerts", ())]
    }


def is_whole_query(query: str, scope: Scope, bounds: Bounds = DEFAULT_BOUNDS) -> bool:
    """Whether each selector of a query carries an equality matcher with a value of the scope.

    Selectors of metrics that are open to all need none, but one has to carry it: a query of nothing else is
    not the tenant's. Nor is one that cannot be parsed.
    """
    if not any(value in query for value in scope.values):
        return False  # most rules are others', and parsing takes time
    try:
        parsed = parse(query, bounds)
    except QueryError:
        return False
    selectors = [node for node in walk(parsed.expr) if isinstance(node, VectorSelector)]
    if parsed.infos or len(selectors) != len(parsed.selectors):
        return False
    labels = [_label_of(scope, fixed_metric(selector)) for selector in selectors]
    return any(label != OPEN for label in labels) and all(
        label == OPEN
        or any(
            matcher.op == "=" and matcher.name == label and unquote(matcher.raw) in scope.values
            for matcher in selector.matchers
        )
        for selector, label in zip(selectors, labels, strict=True)
    )


def _label_of(scope: Scope, metric: str | None) -> str:
    """The label that holds the tenant in a metric; ``OPEN`` if it is open to all."""
    label = None if metric is None else scope.labels.label(metric)
    return scope.label if label is None else label


def _groups(data: object, scope: Scope, bounds: Bounds) -> list[Object]:
    """The groups that hold something to show, and of each what is to be shown."""
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
    # A label that was rewritten (label_replace) makes an alert another's.
    own = [alert for alert in _alerts(rule) if alert["labels"].get(label, scope.values[0]) in scope.values]
    return shown | _known(rule, _ALERTING) | {"alerts": own, "type": "alerting"}


def _part(rule: Object, scope: Scope) -> Object | None:
    """What of a rule that is not whole carries the scope; None for nothing."""
    labels = as_labels(rule.get("labels"))
    label = _label_written(rule, scope)
    carries = labels.get(label) in scope.values
    shown: Object = {
        "name": as_text(rule.get("name")),
        "query": "",
        # A template's text is the operator's; all else is in the labels of each alert or series.
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
        # The value was computed by the operator's query, and a client expects a number.
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
    """The label that holds the tenant in the series that a rule writes."""
    metric = "ALERTS" if _is_alerting(rule) else as_text(rule.get("name"))
    return _label_of(scope, metric) or scope.label


def _is_alerting(rule: Object) -> bool:
    return as_text(rule.get("type")) == "alerting"


def _known(fields: Object, checks: Mapping[str, Callable[[object], Any]]) -> Object:
    """The fields that are known, each of its type."""
    return {name: check(fields[name]) for name, check in checks.items() if name in fields}

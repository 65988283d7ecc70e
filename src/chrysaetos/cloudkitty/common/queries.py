"""The queries of collectors and fetchers. Values from outside are quoted, so they cannot change a query.

Scope ids are label values, and filters and labels come from the configuration; the client's query builder
quotes them. The prefix and suffix of metrics.yml are PromQL and are used unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chrysaetos.client.promql import Matcher, call, equal, label_name, selector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["is_shareable", "quantity_query", "scopes_query"]


def quantity_query(
    metric: str,
    matchers: Mapping[str, str] | Matcher,
    *,
    period: int,
    labels: Iterable[str],
    arguments: Mapping[str, Any],
) -> str:
    """Return the query for the quantities of the period that ends at the evaluation time.

    Args:
        metric: the metric's name in metrics.yml; the part after ``@#`` is CloudKitty's and is ignored.
        matchers: the matchers of the series.
        period: the length of the period in seconds.
        labels: the labels to group by.
        arguments: the validated ``extra_args`` of metrics.yml.

    Raises:
        InvalidArgument: a name or a value is not valid in a query.
    """
    method = arguments["aggregation_method"]
    series = selector(metric.partition("@#")[0], matchers, range=period)
    query = call(arguments.get("range_function", f"{method}_over_time"), series)
    if "query_function" in arguments:
        query = call(arguments["query_function"], query)
    text = f"{call(method, query)} by ({', '.join(map(label_name, labels))})"
    return " ".join(filter(None, (arguments["query_prefix"], text, arguments["query_suffix"])))


def is_shareable(arguments: Mapping[str, Any]) -> bool:
    """Return whether a query for all scopes has the same quantities as separate queries for each scope.

    The quantities are grouped by scope, so functions and aggregations do not mix scopes. A prefix or suffix
    may mix them: ``topk(3, …)``.

    Args:
        arguments: the validated ``extra_args`` of metrics.yml.
    """
    return not arguments["query_prefix"] and not arguments["query_suffix"]


def scopes_query(metric: str, filters: Mapping[str, str], label: str, look_back: int) -> str:
    """Return the query for the values of a label.

    Args:
        metric: the metric's name.
        filters: labels of the series, with their values.
        label: the label of the scope.
        look_back: the look-back time in seconds; 0 for the series that exist now. That query is the one of
            CloudKitty's specification "Adding Prometheus fetcher".

    Raises:
        InvalidArgument: a name or a value is not valid in a query.
    """
    by = f"by ({label_name(label)})"
    if look_back:
        series = call("present_over_time", selector(metric, filters, range=look_back))
        return f"{call('max', series)} {by}"
    name = str(selector(metric))
    if name.endswith("}"):  # a name that has to be quoted
        return f"{call('max', selector(metric, filters))} {by}"
    matchers = ", ".join(str(equal(key, value)) for key, value in filters.items())
    return f"max({name}{{{matchers}}}) {by}" if matchers else f"max({name}) {by}"

"""The queries of collectors and fetchers. What comes from outside is data in them, and stays data.

Scope ids are labels of series, filters and labels come from configuration: each is written by the client's
builder, which quotes. A prefix and a suffix of metrics.yml are PromQL by their nature, and stand as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chrysaetos.client.promql import Matcher, call, label_name, selector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["measured", "scopes", "shareable"]


def measured(
    metric: str,
    matchers: Mapping[str, str] | Matcher,
    *,
    period: int,
    labels: Iterable[str],
    arguments: Mapping[str, Any],
) -> str:
    """How much was used in the period that ends at the time of the query.

    Args:
        metric: name of the metric, as metrics.yml has it; what follows `@#` is a name of CloudKitty's.
        matchers: which of its series.
        period: seconds.
        labels: what quantities are told apart by.
        arguments: the `extra_args` of metrics.yml, validated.

    Raises:
        InvalidArgument: a name or a value that no query can hold.
    """
    method = arguments["aggregation_method"]
    series = selector(metric.partition("@#")[0], matchers, range=period)
    query = call(arguments.get("range_function", f"{method}_over_time"), series)
    if "query_function" in arguments:
        query = call(arguments["query_function"], query)
    text = f"{call(method, query)} by ({', '.join(map(label_name, labels))})"
    return " ".join(filter(None, (arguments["query_prefix"], text, arguments["query_suffix"])))


def shareable(arguments: Mapping[str, Any]) -> bool:
    """Whether one query for all scopes gives each what a query of its own would give.

    The quantities of a scope are groups of their own, so the function and the aggregation do not mix them.
    A prefix or suffix may: `topk(3, …)`.

    Args:
        arguments: the `extra_args` of metrics.yml, validated.
    """
    return not arguments["query_prefix"] and not arguments["query_suffix"]


def scopes(metric: str, filters: Mapping[str, str], label: str, look_back: int) -> str:
    """Which values of a label there have been.

    Args:
        metric: whose series.
        filters: labels that they must have.
        label: the label.
        look_back: seconds.

    Raises:
        InvalidArgument: as `measured`.
    """
    series = call("present_over_time", selector(metric, filters, range=look_back))
    return f"{call('max', series)} by ({label_name(label)})"

"""The queries of the dashboards, with Grafana's variables filled in."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from chrysaetos.dashboards import load_dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["panels", "queries", "variable_queries"]

_VARIABLE = re.compile(r"\$(\w*[a-z]\w*)")

_FUNCTION = re.compile(r"label_values\((.+), \w+\)|query_result\((.+)\)")


def filled(expression: str, *, project: str = ".*", window: str = "10m") -> str:
    """Return an expression with its variables replaced. The value of All is ``.*``."""
    values = {"__rate_interval": "1m", "project": project, "window": window}
    return _VARIABLE.sub(lambda name: values.get(name[1], ".*"), expression)


def panels(name: str) -> list[dict[str, Any]]:
    """Return the panels of a dashboard."""
    found: list[dict[str, Any]] = json.loads(load_dashboard(name))["panels"]
    return found


def queries(name: str, **values: str) -> Iterator[tuple[str, str]]:
    """Yield the panel's title and the expression of each query of a dashboard."""
    for panel in panels(name):
        for target in panel["targets"]:
            yield panel["title"], filled(target["expr"], **values)


def variable_queries(name: str) -> Iterator[str]:
    """Yield the expressions of the dashboard's variables."""
    for variable in json.loads(load_dashboard(name))["templating"]["list"]:
        if variable["type"] == "query":
            inner = re.fullmatch(
                r"label_values\((.+), \w+\)|query_result\((.+)\)", variable["query"]["query"]
            )
            assert inner
            yield filled(inner[1] or inner[2])

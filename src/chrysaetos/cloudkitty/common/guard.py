"""Detect that Aetos has restricted a query to some projects.

A gateway restricts the queries of credentials that are not privileged to their own project: the result lacks
the series of other projects, without an error. Chrysaetos reports this in a response header
(``X-Chrysaetos-Scope``). Aetos does not, so a guard is added to the query:

    (max(…)) or absent(cpu{chrysaetos_guard="0",project="chrysaetos_guard"})

No series has the label ``chrysaetos_guard``, so ``absent`` returns one element, with the labels of the
selector's equality matchers. A matcher that Aetos adds changes them: ``tenant="A"`` is a further label, and a
second equality matcher for a label removes it (PromQL, ``absent``). The guard is evaluated in the same query,
so the restriction cannot change in between, and there is no further request.

A Chrysaetos gateway restricts ``absent`` without changing its labels, as isolation requires, so there only
the header shows the restriction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chrysaetos.client.promql import call, selector
from chrysaetos.cloudkitty.common.prometheus_client_base import NOT_PRIVILEGED, NotPrivilegedError
from chrysaetos.promql.parser import parse
from chrysaetos.promql.strings import unquote

if TYPE_CHECKING:
    from chrysaetos.promql.ast import VectorSelector

__all__ = ["Guard"]

_LABEL = "chrysaetos_guard"

_TENANTS = ("project", "project_id")
"""The usual labels of the project: Aetos' default, and that of OpenStack's exporters."""


class Guard:
    """A query with a guard for each metric.

    Args:
        query: PromQL whose result is a vector.
        label: the label of the scope, which is probably also the gateway's label of the project.

    Attributes:
        query: the query to send.

    Raises:
        QueryError: the query is not PromQL.
        ValueError: the result of the query is not a vector.
    """

    def __init__(self, query: str, label: str) -> None:
        parsed = parse(query)
        if parsed.expr.type != "vector":
            raise ValueError(f"expected a query for a vector, got one for a {parsed.expr.type}: {query}")
        names = dict.fromkeys(map(_metric, parsed.selectors))
        tenants = dict.fromkeys((label, *_TENANTS), _LABEL)
        self._expected = [{_LABEL: str(index), **tenants} for index in range(len(names))]
        guards = (
            call("absent", selector(name, labels)) for name, labels in zip(names, self._expected, strict=True)
        )
        # A comment at the end must not extend to the guards.
        end = "\n" if "#" in query else ""
        self.query = " or ".join((f"({query}{end})", *guards))

    def check(self, result: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the elements of a result without those of the guards.

        Args:
            result: the vector in Prometheus' JSON.

        Raises:
            NotPrivilegedError: a gateway has restricted the query.
        """
        found = [item["metric"] for item in result if _LABEL in item["metric"]]
        if len(found) != len(self._expected) or any(labels not in self._expected for labels in found):
            visible = {
                f"{name}={value!r}"
                for labels in found
                for name, value in labels.items()
                if _LABEL not in (name, value)
            }
            limits = f" ({', '.join(sorted(visible))})" if visible else ""
            raise NotPrivilegedError(f"{NOT_PRIVILEGED}{limits}")
        return [item for item in result if _LABEL not in item["metric"]]


def _metric(series: VectorSelector) -> str | None:
    """Return the metric's name if the selector has one."""
    if series.name is not None:
        return series.name
    fixed = (unquote(m.raw) for m in series.matchers if m.name == "__name__" and m.op == "=")
    return next(fixed, None)

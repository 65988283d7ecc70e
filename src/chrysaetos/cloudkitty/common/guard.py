"""Proof that an answer of Aetos holds every project's series.

A gateway restricts the queries of credentials that are not privileged to their own project: the series of
others are merely not there. Chrysaetos says so in a header of the answer (``X-Chrysaetos-Scope``). Aetos does
not, so a query asks a second thing beside what it is about:

    (max(…)) or absent(cpu{chrysaetos_guard="0",project="chrysaetos_guard"})

No series has the label ``chrysaetos_guard``, so ``absent`` gives one element, with the labels that its
selector fixes by equality. Where Aetos has added a matcher, that shows: ``tenant="A"`` is one more label, and
a second equality for a label that is already there removes it (PromQL, ``absent``). The element is part of
the same answer, so no time passes between the question and its proof, and it costs no request.

A Chrysaetos gateway restricts ``absent`` without a trace in its labels, as isolation requires, so the header
is the only proof there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chrysaetos.client.promql import call, selector
from chrysaetos.cloudkitty.common.asking import PARTIAL
from chrysaetos.cloudkitty.common.prometheus_client_base import NotPrivilegedError
from chrysaetos.promql.parser import parse
from chrysaetos.promql.strings import unquote

if TYPE_CHECKING:
    from chrysaetos.promql.ast import VectorSelector

__all__ = ["Guard"]

_LABEL = "chrysaetos_guard"

_TENANTS = ("project", "project_id")
"""The project's label at most gateways: Aetos' default, and what OpenStack's exporters write."""


class Guard:
    """A query with its proof.

    Args:
        query: PromQL that gives a vector.
        label: the label that holds the scope. Most likely it is the gateway's label for the project, too.

    Attributes:
        query: what to send.

    Raises:
        QueryError: it is not PromQL.
        ValueError: it gives no vector.
    """

    def __init__(self, query: str, label: str) -> None:
        parsed = parse(query)
        if parsed.expr.type != "vector":
            raise ValueError(f"the query gives a {parsed.expr.type}, and a vector is needed: {query}")
        names = dict.fromkeys(map(_metric, parsed.selectors))
        likely = dict.fromkeys((label, *_TENANTS), _LABEL)
        self._expected = [{_LABEL: str(index), **likely} for index in range(len(names))]
        guards = (
            call("absent", selector(name, labels)) for name, labels in zip(names, self._expected, strict=True)
        )
        # A comment at its end must not swallow the rest.
        end = "\n" if "#" in query else ""
        self.query = " or ".join((f"({query}{end})", *guards))

    def open(self, result: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The elements of an answer that are not the guard's.

        Args:
            result: the vector, as Prometheus' JSON has it.

        Raises:
            NotPrivilegedError: a gateway has restricted the query.
        """
        found = [item["metric"] for item in result if _LABEL in item["metric"]]
        if len(found) != len(self._expected) or any(labels not in self._expected for labels in found):
            seen = {
                f"{name}={value!r}"
                for labels in found
                for name, value in labels.items()
                if _LABEL not in (name, value)
            }
            limits = f" ({', '.join(sorted(seen))})" if seen else ""
            raise NotPrivilegedError(f"{PARTIAL}{limits}")
        return [item for item in result if _LABEL not in item["metric"]]


def _metric(series: VectorSelector) -> str | None:
    """The name of the metric that a selector fixes."""
    if series.name is not None:
        return series.name
    fixed = (unquote(one.raw) for one in series.matchers if one.name == "__name__" and one.op == "=")
    return next(fixed, None)

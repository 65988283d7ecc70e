"""What the parts report of themselves: metrics, asked of the collectors, and the fields of the audit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tools.reference.rst import escaped, heading, literal, table

from chrysaetos.gateway.federate.metrics import GateMetrics
from chrysaetos.gateway.proxy.coalescing import Coalescer
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.telemetry.audit import FIELDS
from chrysaetos.gateway.telemetry.metrics import Telemetry
from chrysaetos.usage.snapshot import LABELS, METRICS, Health

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric

__all__ = ["render_audit", "render_metrics"]


def render_audit() -> str:
    """Return the table of the audit's fields."""
    return table(("Field", "Meaning"), [(literal(name), meaning) for name, meaning in FIELDS.items()])


def render_metrics() -> str:
    """Return a table of metrics for each part that has some."""
    usage = [(name, "gauge", LABELS, text) for name, (_, text) in METRICS.items()]
    return (
        heading("The gateway", "-")
        + _table(_rows(_gateway().collect()))
        + heading("The federation gate", "-")
        + _table(_rows(GateMetrics(_nothing(expiries=dict, is_current=True)).collect()))
        + heading("The usage exporter", "-")
        + _table([*usage, *_rows(Health().collect())])
    )


def _gateway() -> Telemetry:
    """The collector of a gateway with all its parts, which have counted nothing."""
    lookups = _nothing(hits=0, misses=0, negative_hits=0)
    telemetry = Telemetry(
        keystone=_nothing(cache=lookups, projects=lookups, keystone_errors=0, keystone_blocked=False),
        replicas=_nothing(failovers=0),
        limits=Limits(LimitOptions()),
        coalescer=Coalescer(),
        per_project=True,
    )
    telemetry.watch(_nothing(refusals={}))
    return telemetry


def _nothing(**attributes: Any) -> Any:
    return SimpleNamespace(**attributes)


def _rows(families: Iterable[Metric]) -> list[tuple[str, str, Iterable[str], str]]:
    return [
        (
            f"{family.name}_total" if family.type == "counter" else family.name,
            family.type,
            getattr(family, "_labelnames", ()),  # prometheus-client has no public name for it
            family.documentation,
        )
        for family in families
    ]


def _table(rows: list[tuple[str, str, Iterable[str], str]]) -> str:
    cells = (
        (literal(name), kind, ", ".join(map(literal, labels)), escaped(text))
        for name, kind, labels, text in rows
    )
    return table(("Metric", "Type", "Labels", "Meaning"), cells)

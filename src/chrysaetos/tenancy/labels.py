"""Which label holds the tenant, by metric.

Exporters differ: one writes ``project``, another ``project_id`` or ``tenant_id``. And some metrics are for
all. A table of names and prefixes says so. It counts for selectors whose metric is fixed; all others get the
default label, so a table can only show more of what it names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chrysaetos.promql.strings import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chrysaetos.promql.ast import VectorSelector

__all__ = ["OPEN", "UNIFORM", "LabelTable", "fixed_metric"]

OPEN = ""
"""The label of a metric that everybody may see."""

_PATTERN = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*\*?")


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Labels by metric names.

    Args:
        entries: pairs of a pattern and a label: a metric's name, or its beginning and ``*``; ``OPEN`` as the
            label for metrics that are open to all tenants.

    Raises:
        ValueError: a pattern is neither, or is there twice.
    """

    entries: tuple[tuple[str, str], ...] = ()
    _names: dict[str, str] = field(init=False, repr=False, compare=False)
    _prefixes: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names: dict[str, str] = {}
        for pattern, label in self.entries:
            if _PATTERN.fullmatch(pattern) is None:
                raise ValueError(f"{pattern!r} is neither a metric's name nor the beginning of one and *")
            if pattern in names:
                raise ValueError(f"{pattern!r} is there twice")
            names[pattern] = label
        prefixes = [(pattern[:-1], label) for pattern, label in names.items() if pattern.endswith("*")]
        prefixes.sort(key=lambda entry: -len(entry[0]))
        object.__setattr__(self, "_names", names)
        object.__setattr__(self, "_prefixes", tuple(prefixes))

    @classmethod
    def of(cls, labels: Mapping[str, str], open_metrics: Iterable[str] = ()) -> LabelTable:
        """A table from labels by pattern, and patterns of metrics that are open to all tenants.

        Raises:
            ValueError: as the class does, and where a label is empty: nothing is open by an omission.
        """
        if not all(labels.values()):
            raise ValueError("a label is missing")
        return cls((*labels.items(), *((pattern, OPEN) for pattern in open_metrics)))

    def label(self, metric: str) -> str | None:
        """The label for a metric, None if there is none. Names win over beginnings, long ones over short."""
        label = self._names.get(metric)
        if label is not None:
            return label
        for prefix, label in self._prefixes:
            if metric.startswith(prefix):
                return label
        return None


UNIFORM = LabelTable()
"""The table that says nothing: every metric has the default label."""


def fixed_metric(selector: VectorSelector) -> str | None:
    """The metric's name, if a selector fixes it: before its braces, or by one equality inside them."""
    if selector.name is not None:
        return selector.name
    named = [matcher for matcher in selector.matchers if matcher.name == "__name__"]
    return unquote(named[0].raw) if len(named) == 1 and named[0].op == "=" else None

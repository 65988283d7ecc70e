"""The label that holds the tenant, by metric.

Exporters differ: one writes ``project``, another ``project_id`` or ``tenant_id``, and some metrics are open
to all. A table of metric names and prefixes has these exceptions. It applies to selectors that fix the
metric's name; all others get the default label, so a table can only give access to the metrics that it names.
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
"""The label of a metric that is open to all tenants."""

_PATTERN = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*\*?")


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Labels by metric names.

    Args:
        entries: pairs of a pattern and a label. A pattern is a metric's name, or a prefix and ``*``; the
            label is ``OPEN`` for metrics that are open to all tenants.

    Raises:
        ValueError: a pattern is invalid, or a duplicate.
    """

    entries: tuple[tuple[str, str], ...] = ()
    _names: dict[str, str] = field(init=False, repr=False, compare=False)
    _prefixes: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names: dict[str, str] = {}
        for pattern, label in self.entries:
            if _PATTERN.fullmatch(pattern) is None:
                raise ValueError(f"{pattern!r} is not a metric name or a prefix with *")
            if pattern in names:
                raise ValueError(f"{pattern!r} is a duplicate")
            names[pattern] = label
        prefixes = [(pattern[:-1], label) for pattern, label in names.items() if pattern.endswith("*")]
        prefixes.sort(key=lambda entry: -len(entry[0]))
        object.__setattr__(self, "_names", names)
        object.__setattr__(self, "_prefixes", tuple(prefixes))

    @classmethod
    def of(cls, labels: Mapping[str, str], open_metrics: Iterable[str] = ()) -> LabelTable:
        """Return a table of labels by pattern, and patterns of metrics that are open to all tenants.

        Raises:
            ValueError: as for the class, or a label is empty. A metric is open only if that is stated.
        """
        if not all(labels.values()):
            raise ValueError("a label is empty")
        return cls((*labels.items(), *((pattern, OPEN) for pattern in open_metrics)))

    def label(self, metric: str) -> str | None:
        """Return the label for a metric, None for the default.

        A name precedes a prefix, and a longer prefix a shorter one.
        """
        label = self._names.get(metric)
        if label is not None:
            return label
        for prefix, label in self._prefixes:
            if metric.startswith(prefix):
                return label
        return None


UNIFORM = LabelTable()
"""The empty table: every metric has the default label."""


def fixed_metric(selector: VectorSelector) -> str | None:
    """Return the name of the metric if a selector fixes it, before the braces or by an equality."""
    if selector.name is not None:
        return selector.name
    named = [matcher for matcher in selector.matchers if matcher.name == "__name__"]
    if len(named) != 1 or named[0].op != "=":
        return None
    # Engines differ in some escapes, so a name with one may be another metric's to them.
    return None if "\\" in named[0].raw else unquote(named[0].raw)

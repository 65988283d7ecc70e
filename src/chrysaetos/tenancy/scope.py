"""Scopes: the series with certain values of one label, or all series."""

from __future__ import annotations

from dataclasses import dataclass, field

from chrysaetos.errors import BadRequest
from chrysaetos.promql.strings import is_legacy_name, quote, regex_quote
from chrysaetos.tenancy.labels import OPEN, UNIFORM, LabelTable

__all__ = ["MAX_ADDED", "UNRESTRICTED", "Scope", "check_added"]

MAX_ADDED = 2 * 1024 * 1024
"""Characters that scoping may add to a request, which may hold thousands of selectors: the matcher of a scope
with many tenants is long itself."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The tenants whose series a caller may see.

    Args:
        label: the label that holds the tenant.
        values: its values, at least one. Only ``UNRESTRICTED`` has no label and no values.
        labels: the metrics that have the tenant in another label, or are open to all.

    Attributes:
        matcher: the scope as a matcher in PromQL's syntax, empty for ``UNRESTRICTED``: an equality for one
            value, an alternation for several, which Prometheus anchors. A value only matches itself.
        regex_matcher: the same, but always a regular expression, since ``absent()`` takes labels from
            equalities.
        unrestricted: whether everything may be seen: only by ``UNRESTRICTED``.

    Raises:
        ValueError: no label, ``__name__`` as the label, no value, or a value that is empty or not valid
            Unicode. An empty value would match the series that belong to nobody.
        TypeError: a label or a value that is not a string, or a string instead of a tuple of them.
    """

    label: str
    values: tuple[str, ...]
    labels: LabelTable = UNIFORM
    matcher: str = field(init=False)
    regex_matcher: str = field(init=False)
    unrestricted: bool = field(init=False, compare=False)
    _others: dict[str, tuple[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        matcher, regex_matcher = _matchers(self.label, self.values)
        object.__setattr__(self, "matcher", matcher)
        object.__setattr__(self, "regex_matcher", regex_matcher)
        object.__setattr__(self, "unrestricted", False)
        others = {label: _matchers(label, self.values) for _, label in self.labels.entries if label != OPEN}
        object.__setattr__(self, "_others", {**others, OPEN: ("", "")})

    def __reduce__(self) -> str | tuple[type[Scope], tuple[str, tuple[str, ...], LabelTable]]:
        """Return how to copy it to another process, where the copy of ``UNRESTRICTED`` is the one there."""
        return "UNRESTRICTED" if self.unrestricted else (Scope, (self.label, self.values, self.labels))

    @classmethod
    def of(cls, label: str, *values: str) -> Scope:
        """Return the scope of one or more tenants."""
        return cls(label, values)

    def label_of(self, metric: str | None) -> str:
        """Return the label that holds the tenant in a metric; ``OPEN`` if it is open to all tenants.

        Args:
            metric: its name; None for a selector that does not fix the name.
        """
        label = None if metric is None else self.labels.label(metric)
        return self.label if label is None else label

    def matchers_for(self, metric: str | None) -> tuple[str, str]:
        """Return ``matcher`` and ``regex_matcher`` for a metric; both are empty if it is open to all tenants.

        Args:
            metric: its name; None for a selector that does not fix the name.
        """
        label = None if metric is None else self.labels.label(metric)
        return (self.matcher, self.regex_matcher) if label is None else self._others[label]


def _matchers(label: str, values: tuple[str, ...]) -> tuple[str, str]:
    if not isinstance(values, tuple) or not all(isinstance(text, str) for text in (label, *values)):
        raise TypeError("a scope is a label and a tuple of values, all strings")
    if not label or label == "__name__":
        raise ValueError(f"a scope needs the label that holds the tenant, not {label!r}")
    if not values or not all(values):
        raise ValueError("a scope needs at least one value, and none may be empty")
    name = label if is_legacy_name(label) else quote(label)
    regex_matcher = f"{name}=~{quote('|'.join(map(regex_quote, values)))}"
    return f"{name}={quote(values[0])}" if len(values) == 1 else regex_matcher, regex_matcher


def _unrestricted() -> Scope:
    scope = object.__new__(Scope)
    empty = {"label": "", "values": (), "labels": UNIFORM, "matcher": "", "regex_matcher": "", "_others": {}}
    for name, value in {**empty, "unrestricted": True}.items():
        object.__setattr__(scope, name, value)
    return scope


UNRESTRICTED = _unrestricted()
"""The scope of callers who may see everything. The constructor cannot create it."""


def check_added(scope: Scope, characters: int) -> None:
    """Check how many characters scoping adds to a request.

    Raises:
        BadRequest: more than ``MAX_ADDED``.
    """
    if characters > MAX_ADDED:
        raise BadRequest(
            f"each selector would name the {len(scope.values)} projects that you may see, and the request "
            "has too many selectors for that: use fewer, or a token of one project"
        )

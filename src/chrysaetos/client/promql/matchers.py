"""Matchers of a selector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.promql.literals import label_name, regex_literal, string

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Matcher", "equal", "none_of", "not_equal", "not_regex", "one_of", "regex", "starts_with"]


@dataclass(frozen=True, slots=True)
class Matcher:
    """One matcher of a selector.

    Attributes:
        label: the label's name.
        operator: ``=``, ``!=``, ``=~`` or ``!~``.
        value: the value or the regular expression, without quotes.
    """

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{label_name(self.label)}{self.operator}{string(self.value)}"


def equal(label: str, value: str) -> Matcher:
    """Return ``label="value"``. An empty value matches series without the label."""
    return Matcher(label, "=", value)


def not_equal(label: str, value: str) -> Matcher:
    """Return ``label!="value"``."""
    return Matcher(label, "!=", value)


def regex(label: str, pattern: str) -> Matcher:
    """Return ``label=~"pattern"``: an RE2 pattern for the whole value. For literal values, use ``one_of``."""
    return Matcher(label, "=~", pattern)


def not_regex(label: str, pattern: str) -> Matcher:
    """Return ``label!~"pattern"``."""
    return Matcher(label, "!~", pattern)


def one_of(label: str, values: Iterable[str]) -> Matcher:
    """Return a matcher for series whose label has one of these values.

    Raises:
        InvalidArgument: there are no values: the matcher would match series without the label.
    """
    return _alternatives(label, values, "=", "=~")


def none_of(label: str, values: Iterable[str]) -> Matcher:
    """Return a matcher for series whose label has none of these values.

    Raises:
        InvalidArgument: there are no values.
    """
    return _alternatives(label, values, "!=", "!~")


def _alternatives(label: str, values: Iterable[str], single: str, several: str) -> Matcher:
    if isinstance(values, str):
        raise InvalidArgument(f"the values of {label!r} must be a collection, not a str: {values!r}")
    literals = list(dict.fromkeys(values))
    if not literals:
        raise InvalidArgument(f"no values for {label!r}")
    if len(literals) == 1:
        return Matcher(label, single, literals[0])
    return Matcher(label, several, "|".join(map(regex_literal, literals)))


def starts_with(label: str, prefix: str) -> Matcher:
    """Return a matcher for series whose label's value starts with a prefix."""
    # (?s): the dot also matches a newline.
    return Matcher(label, "=~", f"(?s){regex_literal(prefix)}.*")

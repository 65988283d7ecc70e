"""A token's policy: the vector selectors that it may read, and how requests are combined with them.

A portal may read a series if the request and one of the policy's selectors both select it. Prometheus accepts
several matchers for the same label and requires all of them to match, so the intersection of two selectors is
a selector with the matchers of both. Nothing has to decide whether one regular expression contains another.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.errors import ConfigError, QueryError
from chrysaetos.promql.parser import parse_selector
from chrysaetos.promql.strings import quote, unquote
from chrysaetos.tenancy.enforce import conjoin_selector
from chrysaetos.tenancy.portable import portable

if TYPE_CHECKING:
    from chrysaetos.promql.ast import Matcher

__all__ = ["Policy"]

_MAX_COMPARED_CHARACTERS = 256
"""The longest label value that the gate compares itself; it leaves longer values to Prometheus."""
_PORTABLE_PATTERN = re.compile(r"(?:[A-Za-z0-9_:/@,<>=\x20-]|\\[.+*?()|\[\]{}^$\\]|\.[*+]?|[()|])*")
"""Regular expressions that mean the same in Python and in RE2: letters, escaped characters, dots, groups."""
_MAX_BRANCHES = 3
"""Repetitions and groups in a pattern that the gate evaluates itself; each multiplies the backtracking."""


class _CompiledMatcher(NamedTuple):
    """A matcher of the policy that the gate can evaluate without asking Prometheus.

    Attributes:
        label: the label's name.
        negated: whether the value must not match.
        value: the literal value or the pattern; None if only Prometheus can evaluate it.
    """

    label: str
    negated: bool
    value: str | re.Pattern[str] | None

    def may_match(self, text: str) -> bool:
        """Return whether a label with this value may match; True if the gate cannot decide."""
        if self.value is None:
            return True
        if isinstance(self.value, str):
            matches = self.value == text
        elif len(text) > _MAX_COMPARED_CHARACTERS or "\n" in text:
            return True  # whether a dot matches a newline depends on the version of Prometheus
        else:
            matches = self.value.fullmatch(text) is not None
        return matches != self.negated


class _AllowedSelector(NamedTuple):
    """A selector of the policy: its matchers as PromQL and compiled."""

    matchers: tuple[str, ...]
    compiled: tuple[_CompiledMatcher, ...]


class Policy:
    """The series that a token may read: all that at least one of its selectors selects.

    Args:
        selectors: vector selectors without modifiers, at least one.

    Raises:
        ConfigError: there is no selector, or a selector is invalid or selects everything.
    """

    __slots__ = ("_allowed", "selectors")

    def __init__(self, selectors: tuple[str, ...]) -> None:
        if not selectors:
            raise ConfigError("a token needs at least one selector of the series that it may read (--allow)")
        self.selectors = selectors
        self._allowed = tuple(map(_parse_allowed, selectors))

    def conjoin(self, text: str) -> list[str]:
        """Return the selectors that together select the series that both a request and the policy select.

        Args:
            text: the value of a ``match[]`` parameter.

        Returns:
            One selector for each selector of the policy that may have series in common with the request's;
            empty if there are certainly no such series.

        Raises:
            QueryError: the text is not a selector, has modifiers, or is too large.
        """
        selector = parse_selector(text).selectors[0]
        requested = [("__name__", selector.name)] if selector.name is not None else []
        requested += [
            (matcher.name, unquote(matcher.raw)) for matcher in selector.matchers if matcher.op == "="
        ]
        return [
            conjoin_selector(text, allowed.matchers)
            for allowed in self._allowed
            if all(
                matcher.may_match(value)
                for matcher in allowed.compiled
                for label, value in requested
                if label == matcher.label
            )
        ]


def _parse_allowed(text: str) -> _AllowedSelector:
    try:
        query = parse_selector(portable(parse_selector(text)))
    except QueryError as error:
        raise ConfigError(f"a selector of the token's policy is invalid: {error}") from error
    selector = query.selectors[0]
    matchers = [query.text[matcher.start : matcher.end] for matcher in selector.matchers]
    compiled = [_compile(matcher) for matcher in selector.matchers]
    if selector.name is not None:
        matchers.insert(0, f"__name__={quote(selector.name)}")
        compiled.insert(0, _CompiledMatcher("__name__", negated=False, value=selector.name))
    if not matchers:
        raise ConfigError(f"{text!r} selects every series: restrict what the token may read")
    return _AllowedSelector(tuple(matchers), tuple(compiled))


def _compile(matcher: Matcher) -> _CompiledMatcher:
    text = unquote(matcher.raw)
    value: str | re.Pattern[str] | None = text
    if matcher.op in ("=~", "!~"):
        value = None
        if _PORTABLE_PATTERN.fullmatch(text) and sum(map(text.count, (".*", ".+", "("))) <= _MAX_BRANCHES:
            with suppress(re.error):
                value = re.compile(text)
    return _CompiledMatcher(matcher.name, matcher.op in ("!=", "!~"), value)

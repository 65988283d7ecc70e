"""What a token may see, as vector selectors; and how a request is conjoined with it.

A series is shown if one of the policy's selectors and the request both select it. Prometheus takes several
matchers of one label, and all must match, so the intersection of two selectors is their matchers side by
side: no containment of regular expressions has to be decided, and a narrower request just works.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.errors import ConfigError, QueryError
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse_selector
from chrysaetos.promql.strings import quote, unquote
from chrysaetos.tenancy.enforce import conjoin_selector
from chrysaetos.tenancy.portable import portable

if TYPE_CHECKING:
    from chrysaetos.promql.ast import Matcher
    from chrysaetos.promql.parser import Bounds

__all__ = ["Policy"]

_LONGEST_COMPARED = 256
"""Characters of a label's value that is compared with the policy ahead; Prometheus compares longer ones."""
_PLAIN = re.compile(r"(?:[A-Za-z0-9_:/@,<>=\x20-]|\\[.+*?()|\[\]{}^$\\]|\.[*+]?|[()|])*")
"""Patterns that Python reads as Prometheus (RE2) does: letters, escaped characters, dots, groups."""
_MOST_BRANCHES = 3
"""Repetitions and groups in a pattern that is evaluated ahead: each multiplies what Python may try."""


class _Rule(NamedTuple):
    """One matcher of the policy, evaluated ahead.

    Attributes:
        label: the label's name.
        negated: whether it must not match.
        value: what it must be, to the letter, or a pattern; None where only Prometheus can say.
    """

    label: str
    negated: bool
    value: str | re.Pattern[str] | None

    def may_match(self, text: str) -> bool:
        """Whether a label with this value may match; True where it is not known."""
        if self.value is None:
            return True
        if isinstance(self.value, str):
            matches = self.value == text
        elif len(text) > _LONGEST_COMPARED or "\n" in text:
            return True  # whether a dot takes a line's end depends on Prometheus' version
        else:
            matches = self.value.fullmatch(text) is not None
        return matches != self.negated


class _Allowed(NamedTuple):
    """One selector of the policy: its matchers as texts, and evaluated."""

    matchers: tuple[str, ...]
    rules: tuple[_Rule, ...]


class Policy:
    """The series that a token may see: what one of its selectors selects.

    Args:
        selectors: vector selectors without modifiers, at least one.

    Raises:
        ConfigError: one is no such selector, or says nothing, or there is none.
    """

    __slots__ = ("_allowed", "selectors")

    def __init__(self, selectors: tuple[str, ...]) -> None:
        if not selectors:
            raise ConfigError("a token needs at least one selector that says what it may see (--allow)")
        self.selectors = selectors
        self._allowed = tuple(map(_allowed, selectors))

    def conjoin(self, text: str, bounds: Bounds = DEFAULT_BOUNDS) -> list[str]:
        """The selectors that together select what both the policy and a request select.

        Args:
            text: a ``match[]`` parameter.
            bounds: how large it may be.

        Returns:
            One selector for each of the policy's that can have series in common with the request's; none
            where it is plain that there are no such series.

        Raises:
            QueryError: the text is not a selector without modifiers, or too large.
        """
        selector = parse_selector(text, bounds).selectors[0]
        fixed = [("__name__", selector.name)] if selector.name is not None else []
        fixed += [(one.name, unquote(one.raw)) for one in selector.matchers if one.op == "="]
        return [
            conjoin_selector(text, allowed.matchers, bounds)
            for allowed in self._allowed
            if all(
                rule.may_match(value)
                for rule in allowed.rules
                for label, value in fixed
                if label == rule.label
            )
        ]


def _allowed(text: str) -> _Allowed:
    try:
        query = parse_selector(portable(parse_selector(text)))
    except QueryError as error:
        raise ConfigError(f"what a token may see is not a selector: {error}") from error
    selector = query.selectors[0]
    matchers = [query.text[one.start : one.end] for one in selector.matchers]
    rules = [_rule(one) for one in selector.matchers]
    if selector.name is not None:
        matchers.insert(0, f"__name__={quote(selector.name)}")
        rules.insert(0, _Rule("__name__", negated=False, value=selector.name))
    if not matchers:
        raise ConfigError(f"what a token may see has to be said: {text!r} would be everything")
    return _Allowed(tuple(matchers), tuple(rules))


def _rule(matcher: Matcher) -> _Rule:
    text = unquote(matcher.raw)
    value: str | re.Pattern[str] | None = text
    if matcher.op in ("=~", "!~"):
        value = None
        if _PLAIN.fullmatch(text) and sum(map(text.count, (".*", ".+", "("))) <= _MOST_BRANCHES:
            with suppress(re.error):
                value = re.compile(text)
    return _Rule(matcher.name, matcher.op in ("!=", "!~"), value)

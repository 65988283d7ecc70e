"""Stores for given expressions, with series that match each of their selectors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse
from chrysaetos.promql.strings import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.e2e.stack import Window

    from chrysaetos.promql.ast import Matcher, VectorSelector

__all__ = ["tailored_text"]

_STEP = 120
_SECONDS = 7200
_LEGACY_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_LEGACY_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def tailored_text(
    expressions: Iterable[str], window: Window, project_a: str, project_b: str | None = None
) -> Iterator[str]:
    """Return a store's content as OpenMetrics text with timestamps.

    Args:
        expressions: the expressions that will be queried.
        window: ``now`` is the time of the newest samples.
        project_a: the id of tenant A's project.
        project_b: the id of tenant B's project, to include series of B and without a project as well.
    """
    owners = [{"project": project_a}]
    if project_b is not None:
        owners += [{"project": project_b}, {}]
    wanted = {labels for text in expressions for labels in _series_of(text)}
    times = range(window.now - _SECONDS, window.now + 1, _STEP)
    for labels in sorted(wanted):
        name = dict(labels)["__name__"]
        seed = sum(map(ord, repr(labels)))
        for number, owner in enumerate(owners):
            named = {key: value for key, value in labels if key not in {"__name__", "project"}} | owner
            pairs = ",".join(f'{key}="{_escaped(value)}"' for key, value in named.items())
            lines = (
                f"{name}{{{pairs}}} {(seed + tick * (seed % 5 + 1)) % 997 + number * 1000} {moment}\n"
                for tick, moment in enumerate(times)
            )
            yield "".join(lines)
    yield "# EOF\n"


def _series_of(text: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """Return labels of series that match an expression's selectors; none if it is not PromQL."""
    try:
        selectors = parse(text).selectors
    except QueryError:
        return
    for selector in selectors:
        labels = _matching(selector)
        name = labels.get("__name__", "")
        if _LEGACY_NAME.fullmatch(name) and all(map(_LEGACY_LABEL.fullmatch, labels)):
            if name.endswith("_bucket") and "le" not in labels:
                yield from (tuple(sorted({**labels, "le": le}.items())) for le in ("0.5", "+Inf"))
            else:
                yield tuple(sorted(labels.items()))


def _matching(selector: VectorSelector) -> dict[str, str]:
    labels = {"__name__": selector.name} if selector.name is not None else {}
    for matcher in selector.matchers:
        value = _value(matcher)
        if value:
            labels[matcher.name] = value
    return labels


def _value(matcher: Matcher) -> str:
    """Return a simple value that a matcher matches, or an empty string."""
    pattern = unquote(matcher.raw)
    if matcher.op == "=":
        return pattern
    if matcher.op != "=~":
        return ""
    # The first alternative, with its wildcards replaced.
    simple = re.sub(r"\\(.)", r"\1", re.sub(r"\[[^]]*\][+*]?|\\d[+*]?|\.[+*]\??", "1", pattern))
    candidates = (simple, simple.strip("()^$").split("|")[0].strip("()^$"), "a", "1", "200", "x.y")
    return next((one for one in candidates if one and _matches(pattern, one)), "")


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return False


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

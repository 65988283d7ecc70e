"""Text + Scope → scoped text.

A query is scoped by splicing: the scope's matcher is inserted into each vector selector, in the caller's own
text. The tree is never printed, so nothing can be printed wrongly, and everything else stays unchanged. (Some
rare forms that engines read differently are rewritten: see ``portable``.)

``absent()`` and ``absent_over_time()`` give their result the labels that their selector fixes by equality
(``promql/functions.go``, ``createLabelsForAbsentFunction``). So there the matcher is a regular expression,
which gives no label, and it comes first: a label is also dropped at any matcher after its first equality.

The whole result is split into tokens again, by another lexer. They must be the tokens of the query, with the
matcher in each selector of its tree. A tree depends on the tokens alone, so that of the result is that of the
query with the matcher in each selector. The first pass takes the selectors from the parser, the second one
from the tree, so a mistake in one is found by the other, and the request is refused.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING

from chrysaetos.errors import ChrysaetosError
from chrysaetos.promql.ast import Call, MatrixSelector, Paren, Subquery, Unary, VectorSelector, walk
from chrysaetos.promql.matchers import is_matcher
from chrysaetos.promql.parser import DEFAULT_BOUNDS, Bounds, parse, parse_selector
from chrysaetos.promql.strings import quote
from chrysaetos.promql.tokens import split
from chrysaetos.tenancy.edits import edited
from chrysaetos.tenancy.labels import UNIFORM, fixed_metric
from chrysaetos.tenancy.portable import is_portable, portable, portable_edits
from chrysaetos.tenancy.scope import check_added

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chrysaetos.promql.parser import Query
    from chrysaetos.tenancy.edits import Edit
    from chrysaetos.tenancy.scope import Scope

__all__ = [
    "EnforcementError",
    "conjoin_selector",
    "scope_parsed",
    "scope_query",
    "scope_selector",
    "scoping_edits",
]

# The bounds apply to the caller's text. The additions open no parenthesis.
_UNBOUNDED = Bounds(bytes=sys.maxsize, depth=sys.maxsize, tokens=sys.maxsize, matchers=sys.maxsize)


class EnforcementError(ChrysaetosError):
    """A scoped text lacks its scope somewhere: a defect of this package, not an error of the caller."""


def scope_query(text: str, scope: Scope, bounds: Bounds = DEFAULT_BOUNDS) -> str:
    """Restrict a query to a scope.

    Args:
        text: a PromQL expression.
        scope: the caller's scope.
        bounds: the maximum size of the text.

    Returns:
        The text with the scope's matcher in each selector; unchanged if the scope is unrestricted.

    Raises:
        QueryError: the text is not PromQL, or too large.
        BadRequest: there are too many selectors for the number of tenants in the scope.
        EnforcementError: the result would not be safe.
    """
    return scope_parsed(parse(text, bounds), scope, parse)


def scope_selector(text: str, scope: Scope, bounds: Bounds = DEFAULT_BOUNDS) -> str:
    """Restrict a ``match[]`` parameter to a scope.

    Args:
        text: a vector selector without modifiers.
        scope: the caller's scope.
        bounds: the maximum size of the text.

    Returns:
        The selector with the scope's matcher; unchanged if the scope is unrestricted.

    Raises:
        QueryError: the text is not a selector, or too large.
        BadRequest: the scope has too many tenants.
        EnforcementError: the result would not be safe.
    """
    return scope_parsed(parse_selector(text, bounds), scope, parse_selector)


def conjoin_selector(text: str, matchers: Sequence[str]) -> str:
    """Add matchers to a ``match[]`` parameter.

    Args:
        text: a vector selector without modifiers.
        matchers: matchers in PromQL's syntax, also of the metric's name.

    Returns:
        The selector with the matchers. A name before the braces becomes a matcher, since Prometheus does not
        allow both.

    Raises:
        QueryError: the text is not a selector, or larger than ``DEFAULT_BOUNDS``.
        EnforcementError: the result would not be safe.
    """
    query = parse_selector(text)
    agreed = portable(query)
    if agreed is not text:
        query = parse_selector(agreed, _UNBOUNDED)
    selector = query.selectors[0]
    named = () if selector.name is None else (f"__name__={quote(selector.name)}",)
    wanted = (*named, *matchers)
    if selector.brace is None:
        opening, rest = "", f"}}{agreed[selector.name_end :]}"
    else:
        opening, rest = "," if selector.matchers else "", agreed[selector.brace :]
    result = f"{agreed[: selector.start]}{{{','.join(wanted)}{opening}{rest}"
    # Beside another name, an empty one is written differently.
    result = portable(parse_selector(result, _UNBOUNDED))
    parsed = parse_selector(result, _UNBOUNDED)
    conjoined = parsed.selectors
    carried = [result[own.start : own.end] for one in conjoined for own in one.matchers]
    if (
        len(conjoined) != 1
        or conjoined[0].name is not None
        or carried[: len(wanted)] != list(wanted)
        or len(carried) != len(wanted) + len(selector.matchers)
        or portable(parsed) != result
    ):
        raise EnforcementError("a conjoined selector does not carry its matchers")
    return result


def scope_parsed(query: Query, scope: Scope, parser: Callable[[str, Bounds], Query]) -> str:
    """Restrict a query or a ``match[]`` parameter that was parsed, as the functions above do.

    Args:
        query: the query or selector.
        scope: the caller's scope.
        parser: what parsed it.

    Raises:
        QueryError, BadRequest, EnforcementError: as above.
    """
    if scope.unrestricted:
        return query.text
    agreed = portable(query)
    if agreed is not query.text:
        query = parser(agreed, _UNBOUNDED)
        if portable(query) != agreed:
            raise EnforcementError("engines may differ in how they read the query")
    result = _splice(query, scope)
    _verify(query, scope, result)
    return result


def scoping_edits(
    text: str, scope: Scope, *, is_selector: bool, bounds: Bounds = DEFAULT_BOUNDS
) -> tuple[list[Edit], list[Edit]]:
    """Return what scoping changes in a text.

    Args:
        text: as :func:`scope_query` or :func:`scope_selector` took it.
        scope: what may be seen, not unrestricted.
        is_selector: whether it is a ``match[]`` parameter.
        bounds: the maximum size of the text.

    Returns:
        The edits that make the text portable, and those that scope the result.
    """
    parser = parse_selector if is_selector else parse
    query = parser(text, bounds)
    changes = portable_edits(query)
    agreed = edited(text, changes)
    return changes, _insertions(parser(agreed, _UNBOUNDED) if changes else query, scope)


def _splice(query: Query, scope: Scope) -> str:
    """Return the query's text with the matcher in each selector."""
    return edited(query.text, _insertions(query, scope))


def _insertions(query: Query, scope: Scope) -> list[Edit]:
    """Return the edits that insert the matcher into each selector."""
    insertions: list[Edit] = []
    label_sources = _label_sources(query)
    for selector in query.selectors:
        matcher = _matcher(scope, selector, label_sources)
        if not matcher:
            continue
        if selector.brace is None:
            insertions.append((selector.name_end, selector.name_end, f"{{{matcher}}}"))
        else:
            addition = f"{matcher}," if selector.matchers else matcher
            insertions.append((selector.brace, selector.brace, addition))
    if query.infos:
        # info(v) selects target_info on its own, with the matchers of its second argument.
        insertions += [(call.end - 1, call.end - 1, f",{{{scope.matcher}}}") for call in query.infos]
        insertions.sort(key=itemgetter(0))  # stable: a selector that ends at the parenthesis comes first
    check_added(scope, sum(len(addition) for _, _, addition in insertions))
    return insertions


def _label_sources(query: Query) -> frozenset[int]:
    """Return the starts of the selectors from which ``absent()`` and ``absent_over_time()`` take labels.

    Some engines take them through a plus sign and from a subquery too.
    """
    if "absent" not in query.text:
        return frozenset()
    starts: list[int] = []
    for node in walk(query.expr):
        if isinstance(node, Call) and node.function.name in {"absent", "absent_over_time"}:
            arg = node.args[0]
            while isinstance(arg, Paren | Subquery) or (isinstance(arg, Unary) and arg.op == "+"):
                arg = arg.expr
            if isinstance(arg, MatrixSelector):
                arg = arg.selector
            if isinstance(arg, VectorSelector):
                starts.append(arg.start)
    return frozenset(starts)


def _matcher(scope: Scope, selector: VectorSelector, label_sources: frozenset[int]) -> str:
    """Return the matcher that a selector must carry; empty if its metric is open to all tenants."""
    metric = None if scope.labels is UNIFORM else fixed_metric(selector)
    matcher, regex_matcher = scope.matchers_for(metric)
    return regex_matcher if selector.start in label_sources else matcher


def _verify(query: Query, scope: Scope, result: str) -> None:
    """Check that a text is a query with the matcher in each of its selectors.

    Args:
        query: the query, which is portable.
        scope: not unrestricted.
        result: the text.

    Raises:
        EnforcementError: the text lacks a matcher, or has other tokens than the query.
    """
    matchers, changes = _changes(query, scope)
    expected: list[str] = []
    parts = query.tokens.parts
    position = 0
    for start, end, written in changes:
        expected += parts[position:start]
        expected += written
        position = end
    expected += parts[position:-2]  # without the ends
    if split(result) != expected:
        raise EnforcementError("the scoped query has other tokens than the original and its scope")
    if not all(map(is_matcher, matchers)):
        raise EnforcementError("the scope is not a single matcher")
    if not is_portable(result):
        raise EnforcementError("engines may differ in how they read the scoped query")


def _changes(query: Query, scope: Scope) -> tuple[set[str], list[tuple[int, int, tuple[str, ...]]]]:
    """Return the matchers of a query's selectors, and how its tokens and those of its scoped text differ.

    Returns:
        The matchers, and the changes: the index of the first token that is replaced, the index after the
        last, and the texts that :func:`~chrysaetos.promql.tokens.split` returns instead.
    """
    text, kinds, starts, parts, _ = query.tokens
    label_sources = _label_sources(query)
    matchers: set[str] = set()
    changes: list[tuple[int, int, tuple[str, ...]]] = []
    infos: list[tuple[int, int, tuple[str, ...]]] = []
    for node in walk(query.expr):
        if isinstance(node, VectorSelector):
            matcher = _matcher(scope, node, label_sources)
            if not matcher:
                continue
            matchers.add(matcher)
            index = bisect_left(starts, node.start) + (node.name is not None)
            if node.brace is None:
                changes.append((index, index, (f"{{{matcher}}}",)))
            else:
                comma = "," if node.matchers else ""
                changes.append((index, index + 1, (f"{{{matcher}{comma}{parts[index][1:]}",)))
        elif isinstance(node, Call) and node.function.name == "info" and len(node.args) == 1:
            matchers.add(scope.matcher)
            index = bisect_left(starts, node.end - 1)
            infos.append((index, index, (",", f"{{{scope.matcher}}}")))
    position = -1
    for _ in range(kinds.count("[")):
        index = kinds.index("[", position + 1)
        position = kinds.index("]", index)
        changes.append((index, position + 1, (text[starts[index] : starts[position] + 1],)))
    # Stable: what a selector gets comes before the bracket or the parenthesis that follows it.
    changes = sorted(changes + infos, key=itemgetter(0))
    return matchers, changes

"""Text + Scope → scoped text.

A query is scoped by splicing: the scope's matcher is inserted into each vector selector, in the caller's own
text. The tree is never printed, so nothing can be printed wrongly, and everything else stays unchanged. (Some
rare forms that engines read differently are rewritten: see ``portable``.)

``absent()`` and ``absent_over_time()`` give their result the labels that their selector fixes by equality
(``promql/functions.go``, ``createLabelsForAbsentFunction``). So there the matcher is a regular expression,
which gives no label, and it comes first: a label is also dropped at any matcher after its first equality.

The result is parsed again, and each selector in its tree is checked. The two passes find selectors in
different ways (the first while parsing, the second by walking the tree), so a mistake in one is found by the
other, and the request is refused.
"""

from __future__ import annotations

import sys
from operator import itemgetter
from typing import TYPE_CHECKING

from chrysaetos.errors import ChrysaetosError
from chrysaetos.promql.ast import Call, MatrixSelector, Paren, Subquery, Unary, VectorSelector, walk
from chrysaetos.promql.parser import DEFAULT_BOUNDS, Bounds, parse, parse_selector
from chrysaetos.promql.strings import quote
from chrysaetos.tenancy.edits import edited
from chrysaetos.tenancy.labels import UNIFORM, fixed_metric
from chrysaetos.tenancy.portable import portable, portable_edits
from chrysaetos.tenancy.scope import check_added

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chrysaetos.promql.parser import Query
    from chrysaetos.tenancy.edits import Edit
    from chrysaetos.tenancy.scope import Scope

__all__ = ["EnforcementError", "conjoin_selector", "scope_query", "scope_selector", "scoping_edits"]

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
    return _scope(text, scope, bounds, parse)


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
    return _scope(text, scope, bounds, parse_selector)


def conjoin_selector(text: str, matchers: Sequence[str], bounds: Bounds = DEFAULT_BOUNDS) -> str:
    """Add matchers to a ``match[]`` parameter.

    Args:
        text: a vector selector without modifiers.
        matchers: matchers in PromQL's syntax, also of the metric's name.
        bounds: the maximum size of the text.

    Returns:
        The selector with the matchers. A name before the braces becomes a matcher, since Prometheus does not
        allow both.

    Raises:
        QueryError: the text is not a selector, or too large.
        EnforcementError: the result would not be safe.
    """
    query = parse_selector(text, bounds)
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


def _scope(text: str, scope: Scope, bounds: Bounds, parser: Callable[[str, Bounds], Query]) -> str:
    query = parser(text, bounds)
    if scope.unrestricted:
        return text
    agreed = portable(query)
    if agreed is not text:
        query = parser(agreed, _UNBOUNDED)
    result = _splice(query, scope)
    _verify(parser(result, _UNBOUNDED), scope, len(query.selectors) + len(query.infos))
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


def _verify(query: Query, scope: Scope, expected: int) -> None:
    """Check that each selector carries the matcher of its metric.

    Raises:
        EnforcementError: a selector lacks the matcher, or their number is not the expected one.
    """
    found = 0
    text = query.text
    if portable(query) != text:
        raise EnforcementError("engines may differ in how they read the scoped query")
    label_sources = _label_sources(query)
    for node in walk(query.expr):
        if isinstance(node, VectorSelector):
            found += 1
            matcher = _matcher(scope, node, label_sources)
            if not matcher:
                continue
            for own in node.matchers:
                if text[own.start : own.end] == matcher:
                    break
            else:
                raise EnforcementError("a selector of the scoped query does not carry the scope")
        elif isinstance(node, Call) and node.function.name == "info" and len(node.args) != 2:
            raise EnforcementError("a call of info() in the scoped query does not carry the scope")
    if found != expected:
        raise EnforcementError("the scoped query does not have the selectors of the original")

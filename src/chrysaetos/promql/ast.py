"""The tree of a PromQL expression: immutable nodes with spans.

A span is ``start`` (index of the first character) and ``end`` (index after the last) in the parsed text;
``type`` is Prometheus' value type. Nodes are named tuples, the fastest immutable class to create.

The tree of a long chain is deep. So nothing here recurses (:func:`walk` keeps its own stack), and whole trees
must not be compared or printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chrysaetos.promql.functions import Function, Type

__all__ = [
    "Aggregate",
    "At",
    "Binary",
    "Call",
    "Duration",
    "Expr",
    "MatchOp",
    "Matcher",
    "Matching",
    "MatrixSelector",
    "NumberLiteral",
    "Paren",
    "StringLiteral",
    "Subquery",
    "Unary",
    "VectorSelector",
    "children",
    "walk",
]

MatchOp = Literal["=", "!=", "=~", "!~"]


class Matcher(NamedTuple):
    """One matcher of a selector.

    Attributes:
        name: the label's name, unquoted; ``__name__`` for a quoted metric name without an operator.
        op: the operator.
        raw: the value as written, with quotes and escapes.
    """

    start: int
    end: int
    name: str
    op: MatchOp
    raw: str


class Duration(NamedTuple):
    """A range, step or offset.

    Attributes:
        seconds: the value of a literal; None for a duration expression.
        postfix: the expression of a range or step in postfix notation: seconds, operators, and ``step``,
            ``range``, ``max_of``, ``min_of`` and ``neg``; empty for a literal.
    """

    start: int
    end: int
    seconds: float | None
    postfix: tuple[float | str, ...] = ()


class At(NamedTuple):
    """An ``@`` modifier.

    Attributes:
        timestamp: seconds since the epoch, or ``start`` or ``end`` of the query's range.
    """

    start: int
    end: int
    timestamp: float | Literal["start", "end"]


class NumberLiteral(NamedTuple):
    """A number, or a duration used as a number of seconds."""

    start: int
    end: int
    value: float
    type: Type = "scalar"


class StringLiteral(NamedTuple):
    """A quoted string."""

    start: int
    end: int
    type: Type = "string"


class VectorSelector(NamedTuple):
    """An instant vector selector, with its modifiers.

    Attributes:
        name: the metric's name before the braces, None if it has none there.
        matchers: the matchers inside the braces.
        brace: index after the opening brace, None without braces.
        name_end: index after the name, or the selector's start without a name.
        offset, at, extended: the modifiers; ``extended`` is ``anchored`` or ``smoothed``.
    """

    start: int
    end: int
    name: str | None
    matchers: tuple[Matcher, ...]
    brace: int | None
    name_end: int
    offset: Duration | None = None
    at: At | None = None
    extended: Literal["anchored", "smoothed"] | None = None
    type: Type = "vector"


class MatrixSelector(NamedTuple):
    """A range vector selector. Its vector selector holds the modifiers of both."""

    start: int
    end: int
    selector: VectorSelector
    range: Duration
    type: Type = "matrix"


class Subquery(NamedTuple):
    """An expression evaluated over a range. ``step`` is None for the default resolution."""

    start: int
    end: int
    expr: Expr
    range: Duration
    step: Duration | None
    offset: Duration | None = None
    at: At | None = None
    type: Type = "matrix"


class Paren(NamedTuple):
    """An expression in parentheses."""

    start: int
    end: int
    expr: Expr
    type: Type


class Unary(NamedTuple):
    """``+`` or ``-`` before an expression."""

    start: int
    end: int
    op: str
    expr: Expr
    type: Type


class Matching(NamedTuple):
    """The modifiers between a binary operator and its right side.

    Attributes:
        return_bool: whether ``bool`` is present.
        on: True for ``on``, False for ``ignoring``, None for neither.
        labels: the labels of ``on`` or ``ignoring``.
        group: ``group_left``, ``group_right`` or None.
        include: the labels of ``group``.
        fill: whether any of ``fill``, ``fill_left``, ``fill_right`` is present.
    """

    return_bool: bool = False
    on: bool | None = None
    labels: tuple[str, ...] = ()
    group: str | None = None
    include: tuple[str, ...] = ()
    fill: bool = False


class Binary(NamedTuple):
    """Two expressions and an operator (its token's kind)."""

    start: int
    end: int
    op: str
    lhs: Expr
    rhs: Expr
    matching: Matching
    type: Type


class Aggregate(NamedTuple):
    """An aggregation. ``grouping`` is None without ``by`` and ``without``."""

    start: int
    end: int
    op: str
    expr: Expr
    param: Expr | None
    grouping: tuple[str, ...] | None
    without: bool
    type: Type = "vector"


class Call(NamedTuple):
    """A function call. It ends with its closing parenthesis."""

    start: int
    end: int
    function: Function
    args: tuple[Expr, ...]
    type: Type


Expr = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Paren
    | Unary
    | Binary
    | Aggregate
    | Call
)


_BELOW: dict[type, Callable[[Any], tuple[Expr, ...]]] = {
    NumberLiteral: lambda _: (),
    StringLiteral: lambda _: (),
    VectorSelector: lambda _: (),
    MatrixSelector: lambda node: (node.selector,),
    Subquery: lambda node: (node.expr,),
    Paren: lambda node: (node.expr,),
    Unary: lambda node: (node.expr,),
    Binary: lambda node: (node.lhs, node.rhs),
    Aggregate: lambda node: (node.expr,) if node.param is None else (node.param, node.expr),
    Call: lambda node: node.args,
}


def children(node: Expr) -> tuple[Expr, ...]:
    """Return the direct children of an expression.

    Raises:
        TypeError: a node of an unknown class. It may hold a selector, so it must not be skipped.
    """
    below = _BELOW.get(type(node))
    if below is None:
        raise TypeError(f"not a PromQL node: {type(node).__name__}")
    return below(node)


def walk(root: Expr) -> Iterator[Expr]:
    """Yield an expression and all its descendants, each node before its children, from left to right."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack += children(node)[::-1]

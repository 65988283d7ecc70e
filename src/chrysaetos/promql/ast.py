"""The tree of a PromQL expression: immutable nodes with spans.

A span is ``start`` (index of the first character) and ``end`` (index behind the last) in the text that was
parsed; ``type`` is Prometheus' value type. Nodes are named tuples: no other immutable class is made as fast.

The tree of a long chain is deep. So nothing here recurses (:func:`walk` keeps its own stack), and whole trees
are neither to be compared nor printed.
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
        name: the label's name, unquoted; ``__name__`` for a quoted metric name that stands alone.
        op: the operator.
        raw: the value as it is written, quotes and escapes included.
    """

    start: int
    end: int
    name: str
    op: MatchOp
    raw: str


class Duration(NamedTuple):
    """A range, step or offset.

    Attributes:
        seconds: its value, if it is a literal; None for a duration expression.
    """

    start: int
    end: int
    seconds: float | None


class At(NamedTuple):
    """An ``@`` modifier.

    Attributes:
        timestamp: seconds since the epoch, or ``start`` or ``end`` of the query's range.
    """

    start: int
    end: int
    timestamp: float | Literal["start", "end"]


class NumberLiteral(NamedTuple):
    """A number, or a duration that stands for its seconds."""

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
        name: the metric's name where it stands before the braces, else None.
        matchers: what stands inside the braces.
        brace: index behind the opening brace, None where there are no braces.
        name_end: index behind the name, or the selector's start where there is none.
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
    """A range vector selector: its vector selector holds the modifiers of both."""

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
    """What stands between a binary operator and its right side.

    Attributes:
        return_bool: whether ``bool`` is there.
        on: True for ``on``, False for ``ignoring``, None for neither.
        labels: the labels of ``on`` or ``ignoring``.
        group: ``group_left``, ``group_right`` or None.
        include: the labels of ``group``.
        fill: whether any of ``fill``, ``fill_left``, ``fill_right`` is there.
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
    """An aggregation. ``grouping`` is None where neither ``by`` nor ``without`` is given."""

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
    """The expressions directly below one.

    Raises:
        TypeError: a node of an unknown class. What is not known may hold a selector, so it must not pass.
    """
    below = _BELOW.get(type(node))
    if below is None:
        raise TypeError(f"not a PromQL node: {type(node).__name__}")
    return below(node)


def walk(root: Expr) -> Iterator[Expr]:
    """An expression and all below it, each node before its children, from left to right."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack += children(node)[::-1]

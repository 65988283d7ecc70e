"""The tree of a PromQL expression: frozen nodes with spans.

A span is ``start`` (index of the first character) and ``end`` (index behind the last) in the text that was
parsed. Trees of long chains are deep, so nothing here recurses: :func:`walk` keeps its own stack, and nodes
are compared by identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.promql.functions import Function

__all__ = [
    "Aggregate",
    "At",
    "Binary",
    "Call",
    "Duration",
    "Expr",
    "Matcher",
    "Matching",
    "MatrixSelector",
    "NumberLiteral",
    "Paren",
    "StringLiteral",
    "Subquery",
    "Type",
    "Unary",
    "VectorSelector",
    "children",
    "walk",
]

Type = Literal["scalar", "vector", "matrix", "string"]
"""Prometheus' value types, by their short names."""

MatchOp = Literal["=", "!=", "=~", "!~"]


@dataclass(frozen=True, slots=True, eq=False)
class Matcher:
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


@dataclass(frozen=True, slots=True, eq=False)
class Duration:
    """A range, step or offset.

    Attributes:
        seconds: its value, if it is a literal; None for a duration expression.
    """

    start: int
    end: int
    seconds: float | None


@dataclass(frozen=True, slots=True, eq=False)
class At:
    """An ``@`` modifier.

    Attributes:
        timestamp: seconds since the epoch, or ``start`` or ``end`` of the query's range.
    """

    start: int
    end: int
    timestamp: float | Literal["start", "end"]


@dataclass(frozen=True, slots=True, eq=False)
class NumberLiteral:
    """A number, or a duration that stands for its seconds."""

    type: ClassVar[Type] = "scalar"

    start: int
    end: int
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class StringLiteral:
    """A quoted string."""

    type: ClassVar[Type] = "string"

    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class VectorSelector:
    """An instant vector selector, with its modifiers.

    Attributes:
        name: the metric's name where it stands before the braces, else None.
        matchers: what stands inside the braces.
        brace: index behind the opening brace, None where there are no braces.
        name_end: index behind the name, or the selector's start where there is none.
        offset, at, extended: the modifiers; ``extended`` is ``anchored`` or ``smoothed``.
    """

    type: ClassVar[Type] = "vector"

    start: int
    end: int
    name: str | None
    matchers: tuple[Matcher, ...]
    brace: int | None
    name_end: int
    offset: Duration | None = None
    at: At | None = None
    extended: Literal["anchored", "smoothed"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MatrixSelector:
    """A range vector selector: its vector selector holds the modifiers of both."""

    type: ClassVar[Type] = "matrix"

    start: int
    end: int
    selector: VectorSelector
    range: Duration


@dataclass(frozen=True, slots=True, eq=False)
class Subquery:
    """An expression evaluated over a range. ``step`` is None for the default resolution."""

    type: ClassVar[Type] = "matrix"

    start: int
    end: int
    expr: Expr
    range: Duration
    step: Duration | None
    offset: Duration | None = None
    at: At | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Paren:
    """An expression in parentheses."""

    start: int
    end: int
    expr: Expr
    type: Type


@dataclass(frozen=True, slots=True, eq=False)
class Unary:
    """``+`` or ``-`` before an expression."""

    start: int
    end: int
    op: str
    expr: Expr
    type: Type


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
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


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    """Two expressions and an operator (its token's kind)."""

    start: int
    end: int
    op: str
    lhs: Expr
    rhs: Expr
    matching: Matching
    type: Type


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """An aggregation. ``grouping`` is None where neither ``by`` nor ``without`` is given."""

    type: ClassVar[Type] = "vector"

    start: int
    end: int
    op: str
    expr: Expr
    param: Expr | None
    grouping: tuple[str, ...] | None
    without: bool


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function call. ``close`` is the index of its closing parenthesis."""

    start: int
    end: int
    function: Function
    args: tuple[Expr, ...]
    close: int

    @property
    def type(self) -> Type:
        """What the function returns."""
        return self.function.returns


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


def children(node: Expr) -> tuple[Expr, ...]:
    """The expressions directly below one.

    Raises:
        TypeError: a node of an unknown class. What is not known may hold a selector, so it must not pass.
    """
    match node:
        case NumberLiteral() | StringLiteral() | VectorSelector():
            return ()
        case MatrixSelector():
            return (node.selector,)
        case Subquery() | Paren() | Unary():
            return (node.expr,)
        case Binary():
            return (node.lhs, node.rhs)
        case Aggregate():
            return (node.expr,) if node.param is None else (node.param, node.expr)
        case Call():
            return node.args
        case _:
            raise TypeError(f"not a PromQL node: {type(node).__name__}")


def walk(root: Expr) -> Iterator[Expr]:
    """An expression and all below it, each node before its children, from left to right."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))

"""Tokens → tree.

Prometheus' grammar (``promql/parser/generated_parser.y``, 3.16) and its type check (``parse.go``,
``checkAST``) are the specification; each method's docstring is its production. The parser accepts what
Prometheus enables by feature flags; whether a feature is enabled is for the server to decide.

Binary and unary operators are parsed with a stack, not by recursion, so a chain may be as long as the text.
Parentheses, arguments and duration expressions recurse, to a depth of at most :attr:`Bounds.depth`.

A syntax error is raised at once. A type error is raised after the whole text was read, since a later syntax
error is more useful.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.errors import QueryError
from chrysaetos.promql import checks, durations, grouping
from chrysaetos.promql.ast import (
    Aggregate,
    Binary,
    Call,
    NumberLiteral,
    Paren,
    StringLiteral,
    Unary,
    VectorSelector,
)
from chrysaetos.promql.cursor import Cursor
from chrysaetos.promql.functions import FUNCTIONS
from chrysaetos.promql.grouping import CALL_WORDS, METRIC_WORDS
from chrysaetos.promql.modifiers import SUFFIXES
from chrysaetos.promql.tokens import (
    BRACES,
    DURATION,
    END,
    IDENTIFIER,
    NUMBER,
    STRING_LITERAL,
    tokenize,
)
from chrysaetos.promql.words import AGGREGATORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.promql.ast import Duration, Expr, Matcher, Matching
    from chrysaetos.promql.tokens import Tokens

__all__ = ["DEFAULT_BOUNDS", "Bounds", "Query", "parse", "parse_selector"]

# generated_parser.y: the %left and %right declarations. A sign binds like a multiplication.
_PRECEDENCE = {
    "or": 1,
    "and": 2,
    "unless": 2,
    **dict.fromkeys(("==", ">=", ">", "<", "<=", "!=", "</", ">/"), 3),
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
    "%": 5,
    "atan2": 5,
    "^": 6,
}
_UNARY = 5
_RIGHT_ASSOCIATIVE = 6

_SIGNS = frozenset({"+", "-"})
_NUMBERS = frozenset({NUMBER, DURATION})
_TWO_ARGUMENTS = frozenset({"topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The maximum size of a text, checked before or while it is parsed.

    A dashboard that names 900 servers in one regular expression is long and has few tokens. What takes time
    is tokens, so their number bounds that, and the length may be larger.

    Attributes:
        bytes: length in UTF-8.
        depth: levels of parentheses.
        tokens: number of tokens.
        matchers: number of selectors and matchers together.
    """

    bytes: int = 256 * 1024
    depth: int = 100
    tokens: int = 32 * 1024
    matchers: int = 8 * 1024


DEFAULT_BOUNDS = Bounds()


class Query(NamedTuple):
    """A parsed text.

    Attributes:
        text: the text.
        expr: its tree.
        tokens: its tokens. The tree is determined by them alone.
        selectors: each vector selector without its modifiers, in the order of the text.
        infos: each call of ``info`` that has no label matchers: it selects series on its own.
        durations: each literal duration that is written as a number (``[300]``, ``offset 0x10``).
        quoted_labels: each quoted label of a grouping: its span and its name.
    """

    text: str
    expr: Expr
    tokens: Tokens
    selectors: tuple[VectorSelector, ...]
    infos: tuple[Call, ...]
    durations: tuple[Duration, ...]
    quoted_labels: tuple[tuple[int, int, str], ...]


def parse(text: str, bounds: Bounds = DEFAULT_BOUNDS) -> Query:
    """Parse a query (the grammar's start symbol ``expr``).

    Raises:
        QueryError: the text is not PromQL, or larger than the bounds.
    """
    return _parse(text, bounds, _Parser.query)


def parse_selector(text: str, bounds: Bounds = DEFAULT_BOUNDS) -> Query:
    """Parse a ``match[]`` parameter (the grammar's start symbol ``vector_selector``).

    As in Prometheus, the selector may be empty: ``{}``.

    Raises:
        QueryError: the text is not a vector selector, or larger than the bounds.
    """
    return _parse(text, bounds, _Parser.selector)


def _parse(text: str, bounds: Bounds, production: Callable[[_Parser], Expr]) -> Query:
    try:
        tokens = _tokens(text, bounds)
        parser = _Parser(tokens, bounds)
        expr = production(parser)
    except ValueError as error:
        # A conversion refused what the lexer has accepted: a defect here or in the interpreter. Refuse the
        # query.
        raise QueryError("the query cannot be read", text, 0, len(text)) from error
    return Query(
        text,
        expr,
        tokens,
        tuple(parser.selectors),
        tuple(parser.infos),
        tuple(parser.numeric_durations),
        tuple(parser.quoted_labels),
    )


def _tokens(text: str, bounds: Bounds) -> Tokens:
    if len(text) <= bounds.bytes:
        try:
            size = len(text) if text.isascii() else len(text.encode())
        except UnicodeEncodeError as error:
            raise QueryError("the text is not valid UTF-8", text, error.start, error.end) from None
        if size <= bounds.bytes:
            return tokenize(text, limit=bounds.tokens)
    raise QueryError(f"the query is longer than {bounds.bytes} bytes", text, 0)


class _Parser(Cursor):
    """Recursive descent over one list of tokens."""

    __slots__ = ("_matchers", "infos", "selectors", "unnamed")

    def __init__(self, tokens: Tokens, bounds: Bounds) -> None:
        super().__init__(tokens, bounds.depth)
        self.selectors: list[VectorSelector] = []
        self.infos: list[Call] = []
        self.unnamed: dict[int, VectorSelector] = {}  # selectors that may be empty, by their starts
        self._matchers = bounds.matchers

    def query(self) -> Expr:
        """``expr EOF``."""
        if self.kinds[0] == END:
            self.refuse("no expression found in input", 0, len(self.text))
        expr = self.expression()
        self.finish()
        return expr

    def selector(self) -> Expr:
        """``vector_selector EOF``; the selector may be empty."""
        selector = self.vector_selector()
        self.unnamed.clear()
        self.finish()
        return selector

    def finish(self) -> None:
        """``EOF``. Raise the recorded errors.

        Raises:
            QueryError: there is more text, or a type error was recorded.
        """
        if self.kinds[self.index] != END:
            self.unexpected()
        if self.fault is not None:
            raise self.fault
        for selector in self.unnamed.values():
            if not any(map(checks.refuses_empty, selector.matchers)):
                self.refuse(
                    "vector selector must contain at least one non-empty matcher",
                    selector.start,
                    selector.end,
                )

    def expression(self) -> Expr:
        """``expr``: operands and operators, by precedence."""
        kinds = self.kinds
        if kinds[self.index] in _SIGNS:
            operand = None
        else:
            operand = self._operand()
            if kinds[self.index] not in _PRECEDENCE:
                return operand
        operands: list[Expr] = []
        operators: list[tuple[int, int, Matching | None]] = []  # precedence, token, None for a sign
        while True:
            if operand is None:
                while kinds[self.index] in _SIGNS:
                    operators.append((_UNARY, self.index, None))
                    self.index += 1
                operand = self._operand()
            precedence = _PRECEDENCE.get(kinds[self.index], 0)
            while operators:
                top, token, matching = operators[-1]
                if top < precedence or top == precedence == _RIGHT_ASSOCIATIVE:
                    break
                operators.pop()
                if matching is None:
                    operand = self._unary(token, operand)
                else:
                    operand = self._binary(token, operands.pop(), operand, matching)
            if not precedence:
                return operand
            operands.append(operand)
            token = self.index
            self.index = token + 1
            operators.append((precedence, token, grouping.matching(self)))
            operand = None

    def _unary(self, token: int, operand: Expr) -> Expr:
        """``unary_expr : unary_op expr``. A signed number is a number."""
        op, start = self.kinds[token], self.starts[token]
        if isinstance(operand, NumberLiteral):
            return NumberLiteral(start, operand.end, -operand.value if op == "-" else operand.value)
        node = Unary(start, operand.end, op, operand, operand.type)
        checks.check_unary(self, node)
        return node

    def _binary(self, token: int, lhs: Expr, rhs: Expr, matching: Matching) -> Expr:
        """``binary_expr : expr OP bin_modifier expr``."""
        scalar = lhs.type == rhs.type == "scalar"
        node = Binary(
            lhs.start, rhs.end, self.kinds[token], lhs, rhs, matching, "scalar" if scalar else "vector"
        )
        checks.check_binary(self, node)
        return node

    def _operand(self) -> Expr:
        """Parse an operand with its suffixes: ranges and modifiers."""
        index = self.index
        kinds = self.kinds
        kind = kinds[index]
        node: Expr
        if kind == IDENTIFIER or kind in CALL_WORDS:
            node = self._call() if kinds[index + 1] == "(" else self.vector_selector()
        elif kind in _NUMBERS:
            value = durations.number(self)
            node = NumberLiteral(*self.span(index), value)
        elif kind in AGGREGATORS and kinds[index + 1] in {"(", "by", "without"}:
            node = self._aggregate()
        elif kind == "(":
            start = self.starts[index]
            self.enter()
            inner = self.expression()
            node = Paren(start, self.leave("parentheses"), inner, inner.type)
        elif kind == STRING_LITERAL:
            self.index = index + 1
            node = StringLiteral(*self.span(index))
        else:
            node = self.vector_selector()
        suffix = SUFFIXES.get(kinds[self.index])
        while suffix is not None:
            node = suffix(self, node)
            suffix = SUFFIXES.get(kinds[self.index])
        return node

    def _call(self) -> Call:
        """``function_call : name function_call_body``."""
        index = self.index
        name = self.parts[index]
        function = FUNCTIONS.get(name)
        if function is None:
            self.refuse(f"unknown function with name {name!a}", *self.span(index))
        self.index = index + 1
        args, end = self._arguments()
        node = Call(self.starts[index], end, function, args, function.returns)
        checks.check_call(self, node)
        if name == "info":
            if len(args) == 1:
                self.infos.append(node)
            elif args:
                # The second argument is only a list of matchers, so it may be empty.
                self.unnamed.pop(args[-1].start, None)
        return node

    def _aggregate(self) -> Aggregate:
        """``aggregate_expr : op [modifier] function_call_body | op function_call_body modifier``."""
        index = self.index
        op, start = self.kinds[index], self.starts[index]
        self.index = index + 1
        modifier = self._aggregate_modifier()
        args, end = self._arguments()
        wanted = 2 if op in _TWO_ARGUMENTS else 1
        if len(args) != wanted:
            self.refuse(f"wrong number of arguments for {op}, expected {wanted}, got {len(args)}", start, end)
        if modifier is None and (modifier := self._aggregate_modifier()) is not None:
            end = self.span(self.index - 1)[1]
        labels, without = modifier or (None, False)
        node = Aggregate(start, end, op, args[-1], args[0] if wanted == 2 else None, labels, without)
        checks.check_aggregate(self, node)
        return node

    def _aggregate_modifier(self) -> tuple[tuple[str, ...], bool] | None:
        """``aggregate_modifier : (BY | WITHOUT) grouping_labels``."""
        kind = self.kinds[self.index]
        if kind not in {"by", "without"}:
            return None
        self.index += 1
        return grouping.grouping_labels(self), kind == "without"

    def _arguments(self) -> tuple[tuple[Expr, ...], int]:
        """``function_call_body : "(" [expr {"," expr}] ")"``. Return the arguments and the next index."""
        if self.kinds[self.index] != "(":
            self.unexpected("aggregation", '"("')
        self.enter()
        args: list[Expr] = []
        if self.kinds[self.index] != ")":
            args.append(self.expression())
            while self.kinds[self.index] == ",":
                self.index += 1
                if self.kinds[self.index] == ")":
                    expected = "an expression (no comma may be the last)"
                    self.unexpected("function arguments", expected)
                args.append(self.expression())
        return tuple(args), self.leave("function arguments")

    def vector_selector(self) -> VectorSelector:
        """``vector_selector : metric_identifier [label_matchers] | label_matchers``."""
        index = self.index
        kinds, starts, parts = self.kinds, self.starts, self.parts
        start = end = starts[index]
        name: str | None = None
        matchers: tuple[Matcher, ...] = ()
        brace: int | None = None
        name_end = start
        if kinds[index] in METRIC_WORDS:
            name = parts[index]
            name_end = end = start + len(name)
            index += 1
        elif kinds[index] != BRACES:
            self.unexpected("", "an expression")
        if kinds[index] == BRACES:
            matchers = self.braces[index]
            brace = starts[index] + 1
            end = brace + len(parts[index]) - 1
            index += 1
        self.index = index
        node = VectorSelector(start, end, name, matchers, brace, name_end)
        self._matchers -= 1 + len(matchers)
        if self._matchers < 0:
            self.refuse("the query has too many selectors and matchers", start, end)
        if name is None:
            self.unnamed[start] = node
        else:
            for matcher in matchers:
                if matcher.name == "__name__":
                    self.complain("metric name must not be set twice", start, end)
        self.selectors.append(node)
        return node

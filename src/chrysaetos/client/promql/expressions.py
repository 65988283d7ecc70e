"""Expressions: selectors, calls, aggregations, operators, subqueries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.promql.literals import duration, label_name, number, string
from chrysaetos.client.promql.matchers import Matcher, equal
from chrysaetos.client.times import Duration, Time, milliseconds, seconds_text
from chrysaetos.errors import QueryError
from chrysaetos.promql.strings import is_label_name
from chrysaetos.promql.words import KEYWORDS, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Expression",
    "aggregate",
    "binary",
    "call",
    "negate",
    "raw",
    "selector",
    "subquery",
    "with_offset",
]

_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words that the lexer does not read as the name of a metric.
_WORDS = KEYWORDS | NUMBERS
_OPERATORS = frozenset(
    {"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless", "atan2"}
)
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})


class Expression(str):
    """PromQL text, as opposed to a plain ``str``, which is data."""

    __slots__ = ()


class _Compound(Expression):
    """An expression that needs parentheses as an operand of another."""

    __slots__ = ()


Operand = Expression | int | float | Decimal
"""A value that PromQL accepts as an expression."""


def selector(
    metric: str | None,
    *matchers: Mapping[str, str] | Matcher,
    range: Duration | None = None,  # noqa: A002  # PromQL's own word
    offset: Duration | None = None,
    at: Time | None = None,
) -> Expression:
    """Return an instant vector selector, or a range vector selector if there is a range.

    Args:
        metric: the metric's name; None for any.
        matchers: mappings of label to value, or matchers; a series has to match all of them.
        range: the range, ``[5m]``.
        offset: the offset modifier.
        at: the time of the ``@`` modifier.

    Raises:
        InvalidArgument: there is neither a metric nor a matcher, or a part is invalid.
    """
    wanted: list[Matcher] = []
    for matcher in matchers:
        if isinstance(matcher, Matcher):
            wanted.append(matcher)
        elif isinstance(matcher, Mapping):
            wanted += [equal(label, value) for label, value in matcher.items()]
        else:
            raise InvalidArgument(f"a matcher must be a Matcher or a mapping, not {matcher!r}")
    name = ""
    if metric is not None:
        if not isinstance(metric, str) or not is_label_name(metric):
            raise InvalidArgument(f"not a metric name: {metric!r}")
        if _METRIC.fullmatch(metric) and metric.lower() not in _WORDS:
            name = metric
        else:
            # Only Prometheus 3 accepts a quoted name; every release accepts this form.
            wanted.insert(0, equal("__name__", metric))
    elif not wanted:
        raise InvalidArgument("a selector needs a metric or a matcher")
    text = name + (f"{{{','.join(map(str, wanted))}}}" if wanted else "")
    if range is not None:
        text += f"[{duration(range)}]"
    if at is not None:
        text += f" @ {seconds_text(milliseconds(at))}"
    return Expression(text + _offset(offset))


def _offset(offset: Duration | None) -> str:
    return "" if offset is None else f" offset {duration(offset)}"


def _text(operand: object, *, part: bool) -> str:
    """Return an operand as text, in parentheses if it needs them as a part of another expression."""
    if isinstance(operand, Expression):
        return f"({operand})" if part and isinstance(operand, _Compound) else str(operand)
    if isinstance(operand, str):
        raise InvalidArgument(
            f"expected an Expression, not a str: {operand!r}; convert PromQL text with raw()"
        )
    text = number(operand)  # type: ignore[arg-type]  # number() checks it
    return f"({text})" if part and text.startswith("-") else text


def call(function: str, *arguments: Operand | str) -> Expression:
    """Return a function call. A plain ``str`` as an argument becomes a string literal.

    Raises:
        InvalidArgument: the name is not a valid function name.
    """
    _check_name(function)
    return Expression(f"{function}({', '.join(map(_argument, arguments))})")


def _argument(argument: Operand | str) -> str:
    if isinstance(argument, str) and not isinstance(argument, Expression):
        return string(argument)
    return _text(argument, part=False)


def _check_name(word: str) -> None:
    if not isinstance(word, str) or _FUNCTION.fullmatch(word) is None:
        raise InvalidArgument(f"not a function or aggregation name: {word!r}")


def aggregate(
    operator: str,
    expression: Operand,
    *,
    by: Iterable[str] | None = None,
    without: Iterable[str] | None = None,
    parameter: Operand | str | None = None,
) -> Expression:
    """Return an aggregation.

    Args:
        operator: the aggregation operator, such as ``sum``, ``avg`` or ``topk``.
        expression: the expression to aggregate.
        by: the labels to keep.
        without: the labels to drop.
        parameter: the parameter of ``topk``, ``quantile``, ``count_values`` and others; a plain ``str``
            becomes a string literal.

    Raises:
        InvalidArgument: both ``by`` and ``without`` are given, or a part is invalid.
    """
    _check_name(operator)
    if by is not None and without is not None:
        raise InvalidArgument("an aggregation takes either by or without, not both")
    grouping = _labels(" by", by) + _labels(" without", without)
    arguments = _text(expression, part=False)
    if parameter is not None:
        arguments = f"{_argument(parameter)}, {arguments}"
    return Expression(f"{operator}{grouping}{grouping and ' '}({arguments})")


def _labels(word: str, labels: Iterable[str] | None) -> str:
    if labels is None:
        return ""
    if isinstance(labels, str):
        raise InvalidArgument(f"labels must be a collection of names, not a str: {labels!r}")
    return f"{word} ({', '.join(map(label_name, labels))})"


def binary(
    left: Operand,
    operator: str,
    right: Operand,
    *,
    on: Iterable[str] | None = None,
    ignoring: Iterable[str] | None = None,
    group_left: Iterable[str] | None = None,
    group_right: Iterable[str] | None = None,
    bool_modifier: bool = False,
) -> Expression:
    """Return a binary operation, with parentheses around operands that need them.

    Args:
        left: the left operand.
        operator: the operator, such as ``/``, ``==`` or ``and``.
        right: the right operand.
        on: match series on these labels.
        ignoring: match series on all labels except these.
        group_left: match many series on the left to one on the right, and copy these labels.
        group_right: match many series on the right to one on the left, and copy these labels.
        bool_modifier: make a comparison return 0 or 1 instead of filtering.

    Raises:
        InvalidArgument: the operator is unknown, or modifiers exclude each other.
    """
    if operator not in _OPERATORS:
        raise InvalidArgument(f"not a binary operator: {operator!r}")
    if bool_modifier and operator not in _COMPARISONS:
        raise InvalidArgument(f"bool_modifier requires a comparison, not {operator!r}")
    if (on is not None and ignoring is not None) or (group_left is not None and group_right is not None):
        raise InvalidArgument("on excludes ignoring, and group_left excludes group_right")
    if (group_left is not None or group_right is not None) and on is None and ignoring is None:
        raise InvalidArgument("group_left and group_right require on or ignoring")
    modifiers = " bool" if bool_modifier else ""
    modifiers += _labels(" on", on) + _labels(" ignoring", ignoring)
    modifiers += _labels(" group_left", group_left) + _labels(" group_right", group_right)
    return _Compound(f"{_text(left, part=True)} {operator}{modifiers} {_text(right, part=True)}")


def negate(expression: Operand) -> Expression:
    """Return the negated expression."""
    return _Compound(f"-{_text(expression, part=True)}")


def subquery(expression: Operand, range: Duration, step: Duration | None = None) -> Expression:  # noqa: A002  # PromQL's own word
    """Return a subquery, ``expression[range:step]``.

    Args:
        expression: an instant vector.
        range: the range.
        step: the interval between evaluations; the server's default when None.
    """
    resolution = "" if step is None else duration(step)
    return Expression(f"{_text(expression, part=True)}[{duration(range)}:{resolution}]")


def with_offset(expression: Expression, offset: Duration) -> Expression:
    """Return a selector or subquery with an offset modifier."""
    return Expression(_text(expression, part=True) + _offset(offset))


def raw(text: str) -> Expression:
    """Return PromQL text, such as an operator's setting, as an expression.

    The text is parsed as one expression, so it cannot change the structure of the query around it.

    Raises:
        InvalidArgument: the text is not PromQL; the message shows the position.
    """
    # Imported here so that importing the client does not load the parser.
    from chrysaetos.promql.ast import Binary, Unary  # noqa: PLC0415  # see above
    from chrysaetos.promql.parser import parse  # noqa: PLC0415  # see above

    try:
        tree = parse(text).expr
    except QueryError as error:
        raise InvalidArgument(f"invalid PromQL: {error}") from error
    kind = _Compound if isinstance(tree, Binary | Unary) else Expression
    # A comment must not extend to the text that follows.
    return kind(f"{text}\n" if "#" in text else text)

"""Numbers, durations, and the arithmetic of durations.

A range, a step or an offset is a literal (``5m``, ``300``) or, in Prometheus 3, an expression (``[5m*2]``,
``offset -step()``). Only the value of a literal is known here and checked for its sign and size; Prometheus
computes the rest at evaluation.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from chrysaetos.promql.ast import Duration
from chrysaetos.promql.tokens import DURATION, NUMBER
from chrysaetos.promql.units import duration_milliseconds
from chrysaetos.promql.words import DURATION_WORDS

if TYPE_CHECKING:
    from chrysaetos.promql.cursor import Cursor

__all__ = ["number", "offset", "positive_duration", "signed_number"]

_MAX_SECONDS = 2**63 / 1e9
"""A Go ``time.Duration`` is a signed 64-bit number of nanoseconds."""
_MAX_INT64 = 2**63 - 1

_OCTAL = re.compile("0_?[0-7]+(?:_[0-7]+)*")

_NUMBERS = frozenset({NUMBER, DURATION})
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_UNARY = 2
_RIGHT_ASSOCIATIVE = 3


def number(cursor: Cursor) -> float:
    """``number : NUMBER | DURATION``. Return the value, a duration's in seconds.

    Raises:
        QueryError: the next token is not a number or a duration, or its value is out of range.
    """
    index = cursor.index
    kind = cursor.kinds[index]
    if kind == NUMBER:
        value = _number_value(cursor.parts[index])
    elif kind == DURATION:
        value = _duration_value(cursor.parts[index])
    else:
        cursor.unexpected("", "a number or a duration")
    if value is None:
        cursor.refuse(f"{kind} out of range", *cursor.span(index))
    cursor.index = index + 1
    return value


def signed_number(cursor: Cursor) -> float:
    """``signed_or_unsigned_number : [ADD | SUB] number``. Return the value, a duration's in seconds.

    Raises:
        QueryError: the next token is not a number or a duration, or its value is out of range.
    """
    sign = cursor.kinds[cursor.index]
    if sign in {"+", "-"}:
        cursor.index += 1
    value = number(cursor)
    return -value if sign == "-" else value


def _number_value(written: str) -> float | None:
    """Go's ``ParseInt(s, 0, 64)`` and, where that fails, ``ParseFloat``; None out of range."""
    if written[:2] in {"0x", "0X"}:
        value = int(written, 16)
        return float(value) if value <= _MAX_INT64 else None
    if _OCTAL.fullmatch(written) and (value := int(written, 8)) <= _MAX_INT64:
        return float(value)
    result = float(written)
    return None if math.isinf(result) and written.lower() != "inf" else result


def _duration_value(written: str) -> float | None:
    """Return the seconds of a duration, None if it is out of range."""
    try:
        return duration_milliseconds(written) / 1000
    except OverflowError:
        return None


def positive_duration(cursor: Cursor) -> Duration:
    """``positive_duration_expr : duration_expr``.

    Raises:
        QueryError: the next tokens are not a duration, or are a literal not greater than 0.
    """
    alone = cursor.kinds[cursor.index + 1] in {"]", ":"}
    cursor.postfix.clear()
    result = _operand(cursor) if alone else _expression(cursor)
    if result.seconds is not None and result.seconds <= 0:
        cursor.refuse("duration must be greater than 0", result.start, result.end)
    return result if result.seconds is not None else result._replace(postfix=tuple(cursor.postfix))


def offset(cursor: Cursor) -> Duration:
    """``offset_duration_expr``.

    An offset that is a literal or a call, with or without a sign, ends there: ``foo offset -2^2`` is
    ``(foo offset -2)^2``. An offset that starts with a parenthesis or two signs is a whole duration
    expression.

    Raises:
        QueryError: the next tokens are not a duration.
    """
    kind = cursor.kinds[cursor.index]
    if kind in {"+", "-"}:
        following = cursor.kinds[cursor.index + 1]
        if following not in {"+", "-"}:
            start = cursor.starts[cursor.index]
            cursor.index += 1
            return _signed(cursor, kind, start, _operand(cursor))
    elif kind != "(":
        return _operand(cursor)
    return _expression(cursor)


def _expression(cursor: Cursor) -> Duration:
    """``duration_expr``: operands, signs and the operators ``+ - * / % ^``, with PromQL's precedence."""
    operands: list[Duration] = []
    operators: list[tuple[int, str, int]] = []  # precedence, operator, start of a sign or -1
    while True:
        while (kind := cursor.kinds[cursor.index]) in {"+", "-"}:
            operators.append((_UNARY, kind, cursor.starts[cursor.index]))
            cursor.index += 1
        operands.append(_operand(cursor))
        kind = cursor.kinds[cursor.index]
        precedence = _PRECEDENCE.get(kind, 0)
        while operators:
            top = operators[-1][0]
            if top < precedence or top == precedence == _RIGHT_ASSOCIATIVE:
                break
            _, operator, sign = operators.pop()
            rhs = operands.pop()
            operands.append(
                _computed(cursor, operands.pop(), operator, rhs)
                if sign < 0
                else _signed(cursor, operator, sign, rhs)
            )
        if not precedence:
            return operands[0]
        operators.append((precedence, kind, -1))
        cursor.index += 1


def _operand(cursor: Cursor) -> Duration:
    """A literal, ``step()``, ``range()``, ``max_of(a, b)``, ``min_of(a, b)``, or ``( duration_expr )``."""
    index = cursor.index
    kind = cursor.kinds[index]
    start, end = cursor.span(index)
    if kind in _NUMBERS:
        seconds = number(cursor)
        if seconds > _MAX_SECONDS:
            cursor.refuse("duration out of range", start, end)
        cursor.postfix.append(seconds)
        literal = Duration(start, end, seconds)
        if kind == NUMBER:
            cursor.numeric_durations.append(literal)
        return literal
    if kind == "(":
        cursor.enter()
        _expression(cursor)
        end = cursor.leave("a duration expression")
    elif kind in DURATION_WORDS:
        cursor.index = index + 1
        if cursor.kinds[cursor.index] != "(":
            cursor.unexpected("a duration expression", '"("')
        cursor.enter()
        if kind in {"max_of", "min_of"}:
            _expression(cursor)
            cursor.expect(",", "a duration expression", '","')
            _expression(cursor)
        end = cursor.leave("a duration expression")
        cursor.postfix.append(kind)
    else:
        cursor.unexpected("a duration", "a number, a duration, step() or range()")
    return Duration(start, end, None)


def _signed(cursor: Cursor, operator: str, start: int, operand: Duration) -> Duration:
    if operator == "-":
        cursor.postfix.append("neg")
    seconds = operand.seconds
    return Duration(start, operand.end, -seconds if operator == "-" and seconds is not None else seconds)


def _computed(cursor: Cursor, lhs: Duration, operator: str, rhs: Duration) -> Duration:
    if operator in {"/", "%"} and rhs.seconds == 0:
        cursor.refuse("division by zero in a duration expression", rhs.start, rhs.end)
    cursor.postfix.append(operator)
    return Duration(lhs.start, rhs.end, None)

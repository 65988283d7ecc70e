r"""PromQL made from parts, so that nobody pastes a value into a query.

    >>> selector("ceilometer_cpu", {"resource": 'a"b'}, range=300)
    'ceilometer_cpu{resource="a\\"b"}[300s]'
    >>> aggregate("avg", call("rate", selector("ceilometer_cpu", range=300)), by=["resource"])
    'avg by (resource) (rate(ceilometer_cpu[300s]))'

A plain `str` is data and is quoted; an `Expression` is PromQL and stands as it is. So a value can
never become syntax by mistake. What is PromQL already, such as an operator's setting, says so with `raw`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.times import Span, Time, milliseconds, seconds_text, span_milliseconds
from chrysaetos.errors import QueryError
from chrysaetos.promql.strings import is_label_name, is_legacy_name, quote, regex_quote
from chrysaetos.promql.words import KEYWORDS, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Expression",
    "Matcher",
    "aggregate",
    "binary",
    "call",
    "duration",
    "equal",
    "label_name",
    "negative",
    "none_of",
    "not_equal",
    "not_regex",
    "number",
    "one_of",
    "raw",
    "regex",
    "regex_literal",
    "selector",
    "starts_with",
    "string",
    "subquery",
    "with_offset",
]

_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What the lexer takes for something else where a metric is expected.
_WORDS = KEYWORDS | NUMBERS
_OPERATORS = frozenset(
    {"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless", "atan2"}
)
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})


class Expression(str):
    """PromQL text, made here. It is a `str`, to be sent as it is."""

    __slots__ = ()


class _Compound(Expression):
    """An expression that takes parentheses where it becomes a part of another."""

    __slots__ = ()


Operand = Expression | int | float | Decimal
"""What may stand where PromQL expects an expression."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One matcher of a selector.

    Attributes:
        label: the label's name.
        operator: `=`, `!=`, `=~` or `!~`.
        value: the value or the regular expression, not quoted.
    """

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{label_name(self.label)}{self.operator}{string(self.value)}"


def string(value: str) -> str:
    """A value as a string literal that means exactly this value.

    Raises:
        InvalidArgument: it is no text, or holds a surrogate, which UTF-8 cannot carry.
    """
    if not isinstance(value, str):
        raise InvalidArgument(f"a label's value must be a str, not {value!r}")
    try:
        return quote(value)
    except UnicodeEncodeError:
        raise InvalidArgument(f"a value holds a surrogate, which is no character: {value!r}") from None


def label_name(name: str) -> str:
    """A label's name as it stands in a selector or a grouping: quoted when Prometheus 3 alone can have it.

    Raises:
        InvalidArgument: it is empty, or no text.
    """
    if not isinstance(name, str) or not is_label_name(name):
        raise InvalidArgument(f"no name of a label: {name!r}")
    return name if is_legacy_name(name) and name.lower() not in NUMBERS else quote(name)


def regex_literal(value: str) -> str:
    """A value as a regular expression (RE2) that matches exactly this value. It is not quoted."""
    if not isinstance(value, str):
        raise InvalidArgument(f"a label's value must be a str, not {value!r}")
    return regex_quote(value)


def number(value: float | Decimal) -> str:
    """A number as a literal, NaN and the infinities too."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidArgument(f"no number: {value!r}")
    if value != value:  # noqa: PLR0124  # NaN alone differs from itself
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Inf" if value > 0 else "-Inf"
    return repr(value) if isinstance(value, int | float) else str(value)


def duration(span: Span) -> str:
    """A duration as PromQL writes it: whole seconds as `300s`, else milliseconds.

    Raises:
        InvalidArgument: it is not longer than 0, or too long.
    """
    length = span_milliseconds(span)
    return f"{length}ms" if length % 1000 else f"{length // 1000}s"


def equal(label: str, value: str) -> Matcher:
    """`label="value"`. An empty value matches series without the label."""
    return Matcher(label, "=", value)


def not_equal(label: str, value: str) -> Matcher:
    """`label!="value"`."""
    return Matcher(label, "!=", value)


def regex(label: str, pattern: str) -> Matcher:
    """`label=~"pattern"`, the whole value (RE2). For values as they are there is `one_of`."""
    return Matcher(label, "=~", pattern)


def not_regex(label: str, pattern: str) -> Matcher:
    """`label!~"pattern"`."""
    return Matcher(label, "!~", pattern)


def one_of(label: str, values: Iterable[str]) -> Matcher:
    """The label's value is one of these.

    Raises:
        InvalidArgument: there are none: the matcher would match series without the label.
    """
    return _any(label, values, "=", "=~")


def none_of(label: str, values: Iterable[str]) -> Matcher:
    """The label's value is none of these.

    Raises:
        InvalidArgument: there are none.
    """
    return _any(label, values, "!=", "!~")


def _any(label: str, values: Iterable[str], single: str, several: str) -> Matcher:
    if isinstance(values, str):
        raise InvalidArgument(f"the values of {label!r} must be several texts, not one: {values!r}")
    literals = list(dict.fromkeys(values))
    if not literals:
        raise InvalidArgument(f"no values for {label!r}: nothing could match")
    if len(literals) == 1:
        return Matcher(label, single, literals[0])
    return Matcher(label, several, "|".join(map(regex_literal, literals)))


def starts_with(label: str, prefix: str) -> Matcher:
    """The label's value starts with this text."""
    # (?s): a dot matches a line feed too.
    return Matcher(label, "=~", f"(?s){regex_literal(prefix)}.*")


def selector(
    metric: str | None,
    *matchers: Mapping[str, str] | Matcher,
    range: Span | None = None,  # noqa: A002  # PromQL's name for it
    offset: Span | None = None,
    at: Time | None = None,
) -> Expression:
    """A vector selector; with `range` a range selector.

    Args:
        metric: the metric's name; None for any.
        matchers: label → value, for equality, and matchers of the functions here; all have to match.
        range: how far to look back.
        offset: how far before the time of the query.
        at: a fixed time.

    Raises:
        InvalidArgument: there is nothing to select by, or a part cannot be written.
    """
    wanted: list[Matcher] = []
    for matcher in matchers:
        if isinstance(matcher, Matcher):
            wanted.append(matcher)
        elif isinstance(matcher, Mapping):
            wanted += [equal(label, value) for label, value in matcher.items()]
        else:
            raise InvalidArgument(f"a matcher must be a mapping or made by this module, not {matcher!r}")
    name = ""
    if metric is not None:
        if not isinstance(metric, str) or not is_label_name(metric):
            raise InvalidArgument(f"no name of a metric: {metric!r}")
        if _METRIC.fullmatch(metric) and metric.lower() not in _WORDS:
            name = metric
        else:
            # A quoted name alone is known to Prometheus 3 only; this form to all.
            wanted.insert(0, equal("__name__", metric))
    elif not wanted:
        raise InvalidArgument("a selector needs a metric or a matcher")
    text = name + (f"{{{','.join(map(str, wanted))}}}" if wanted else "")
    if range is not None:
        text += f"[{duration(range)}]"
    if at is not None:
        text += f" @ {seconds_text(milliseconds(at))}"
    return Expression(text + _offset(offset))


def _offset(offset: Span | None) -> str:
    return "" if offset is None else f" offset {duration(offset)}"


def _text(operand: object, *, part: bool) -> str:
    """An operand as text, in parentheses where it could fall apart as a part of another."""
    if isinstance(operand, Expression):
        return f"({operand})" if part and isinstance(operand, _Compound) else str(operand)
    if isinstance(operand, str):
        raise InvalidArgument(
            f"no Expression but a str, which is data here: {operand!r}; for PromQL use raw()"
        )
    text = number(operand)  # type: ignore[arg-type]  # which checks it
    return f"({text})" if part and text.startswith("-") else text


def call(function: str, *arguments: Operand | str) -> Expression:
    """A function call. Arguments that are a plain `str` become string literals.

    Raises:
        InvalidArgument: the name cannot be one of a function.
    """
    _checked(function)
    return Expression(f"{function}({', '.join(map(_argument, arguments))})")


def _argument(argument: Operand | str) -> str:
    if isinstance(argument, str) and not isinstance(argument, Expression):
        return string(argument)
    return _text(argument, part=False)


def _checked(word: str) -> None:
    if not isinstance(word, str) or _FUNCTION.fullmatch(word) is None:
        raise InvalidArgument(f"no name of a function or an aggregation: {word!r}")


def aggregate(
    operator: str,
    expression: Operand,
    *,
    by: Iterable[str] | None = None,
    without: Iterable[str] | None = None,
    parameter: Operand | str | None = None,
) -> Expression:
    """An aggregation.

    Args:
        operator: such as `sum`, `avg`, `topk`.
        expression: what is aggregated.
        by: the labels to keep.
        without: the labels to drop.
        parameter: of `topk`, `quantile`, `count_values`, …; a plain `str` becomes a string literal.

    Raises:
        InvalidArgument: both groupings are given, or a part cannot be written.
    """
    _checked(operator)
    if by is not None and without is not None:
        raise InvalidArgument("an aggregation is either by labels or without labels")
    grouping = _labels(" by", by) + _labels(" without", without)
    inside = _text(expression, part=False)
    if parameter is not None:
        inside = f"{_argument(parameter)}, {inside}"
    return Expression(f"{operator}{grouping}{grouping and ' '}({inside})")


def _labels(word: str, labels: Iterable[str] | None) -> str:
    if labels is None:
        return ""
    if isinstance(labels, str):
        raise InvalidArgument(f"labels must be several names, not one text: {labels!r}")
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
    """A binary operation; operands get parentheses where they need them.

    Args:
        left: the left operand.
        operator: such as `/`, `==`, `and`.
        right: the right operand.
        on: match series by these labels.
        ignoring: match series by all but these labels.
        group_left: many on the left to one on the right; take these labels over.
        group_right: the other way round.
        bool_modifier: a comparison that gives 0 or 1 instead of filtering.

    Raises:
        InvalidArgument: no such operator, or modifiers that exclude each other.
    """
    if operator not in _OPERATORS:
        raise InvalidArgument(f"no binary operator: {operator!r}")
    if bool_modifier and operator not in _COMPARISONS:
        raise InvalidArgument(f"bool goes with a comparison, not with {operator!r}")
    if (on is not None and ignoring is not None) or (group_left is not None and group_right is not None):
        raise InvalidArgument("on excludes ignoring, and group_left excludes group_right")
    if (group_left is not None or group_right is not None) and on is None and ignoring is None:
        raise InvalidArgument("grouping needs on or ignoring")
    modifiers = " bool" if bool_modifier else ""
    modifiers += _labels(" on", on) + _labels(" ignoring", ignoring)
    modifiers += _labels(" group_left", group_left) + _labels(" group_right", group_right)
    return _Compound(f"{_text(left, part=True)} {operator}{modifiers} {_text(right, part=True)}")


def negative(expression: Operand) -> Expression:
    """The expression with its sign turned."""
    return _Compound(f"-{_text(expression, part=True)}")


def subquery(expression: Operand, range: Span, step: Span | None = None) -> Expression:  # noqa: A002
    """The expression evaluated over a range, `[range:step]`.

    Args:
        expression: an instant vector.
        range: how far to look back.
        step: distance of the evaluations; the server's default when None.
    """
    resolution = "" if step is None else duration(step)
    return Expression(f"{_text(expression, part=True)}[{duration(range)}:{resolution}]")


def with_offset(expression: Expression, offset: Span) -> Expression:
    """A selector or subquery, evaluated earlier."""
    return Expression(_text(expression, part=True) + _offset(offset))


def raw(text: str) -> Expression:
    """Text that is PromQL already, as an operator's setting may be.

    It is parsed as a whole, so it cannot reach beyond its place in another expression.

    Raises:
        InvalidArgument: it is not PromQL; the message shows where.
    """
    # The parser is loaded for those alone who need it.
    from chrysaetos.promql.ast import Binary, Unary  # noqa: PLC0415
    from chrysaetos.promql.parser import parse  # noqa: PLC0415

    try:
        tree = parse(text).expr
    except QueryError as error:
        raise InvalidArgument(f"no PromQL: {error}") from error
    kind = _Compound if isinstance(tree, Binary | Unary) else Expression
    # A comment must not swallow what comes behind it.
    return kind(f"{text}\n" if "#" in text else text)

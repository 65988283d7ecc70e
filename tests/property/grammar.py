"""Whole PromQL queries, production by production of Prometheus' grammar.

:class:`Grammar` draws from any ``random.Random``: hypothesis' own (so that a failing query shrinks), or a
seeded one for long runs. Prometheus should accept its output: types match, selectors are not
empty, regular expressions are valid in RE2. ``modern=False`` omits features that Prometheus 2.42 lacks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from chrysaetos.promql.functions import FUNCTIONS
from chrysaetos.promql.strings import quote
from chrysaetos.promql.words import AGGREGATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

__all__ = ["PIECES", "Grammar"]

_T = TypeVar("_T")

_WORD = re.compile(r"[A-Za-z0-9_:.]")
_FILLS = frozenset({"fill", "fill_left", "fill_right"})
_MODERN_FUNCTIONS = frozenset(
    {
        *("double_exponential_smoothing", "end", "first_over_time", "histogram_avg", "histogram_quantiles"),
        *("histogram_count", "histogram_fraction", "histogram_stddev", "histogram_stdvar", "histogram_sum"),
        *("info", "mad_over_time", "max_of", "min_of", "range", "sort_by_label", "sort_by_label_desc"),
        *("start", "start_timestamp", "step", "ts_of_first_over_time", "ts_of_last_over_time"),
        *("ts_of_max_over_time", "ts_of_min_over_time"),
    }
)
_PARAMETRIC = {"topk", "bottomk", "quantile", "limitk", "limit_ratio", "count_values"}
_SIMPLE_AGGREGATORS = sorted(AGGREGATORS - _PARAMETRIC)

_NAMES = (
    *("cpu", "node_load1", "up", "secret", "a:b:c", ":rate", "_x", "nano", "inf_total", "e1"),
    *("x0F", "STEP5"),
)
_WORDS = (
    *("and", "or", "unless", "by", "without", "offset", "start", "end"),
    *("sum", "avg", "count", "topk", "count_values", "quantile", "Group", "MAX"),
)
_MODERN_WORDS = (
    *("step", "range", "max_of", "min_of", "anchored", "smoothed"),
    *("fill", "fill_left", "FILL_RIGHT", "limitk", "limit_ratio"),
)
_LABELS = (
    *("vm", "instance", "project", "le", "job", "inf", "nan", "on", "bool", "by", "offset"),
    *("__name__", "_"),
)
_OTHER_LABELS = tuple(label for label in _LABELS if label != "__name__")
_GROUPING = (
    *("vm", "project", "le", "a_b", "bool", "on", "ignoring", "group_left", "group_right", "by", "and", "or"),
    *("unless", "offset", "sum", "topk", "start", "end", "atan2", "count_values", "__name__"),
)
_MODERN_GROUPING = (
    *("fill", "fill_left", "anchored", "smoothed", "step", "range", "max_of", "limitk", "a:b"),
    *('"a b"', "'ö'"),
)
_QUOTED_NAMES = ('"cpu.load"', "'it\\'s'", "`a} or {b`", '"#"', '"ö"', '"a\\"b"', '"\\x41"', '"{"', '"cpu"')
_REGEXES = (
    *(".+", "a.*", "[a-z]+", "A|B", "(?i:x)y", "a{2,3}", r"\d+", r"\Qa.b\E", "[[:alpha:]]"),
    *("^x$", "(a|b)+c", "é+", r"\pL", "[^]]", r"x\{", "(?P<n>a)", r"\x41", "a{", "]", "(?s)."),
    *("[a\\]b]",),
)
_PLAIN = (
    *("a", "B", "0", " ", ".", "#", "{", "}", "(", ")", ",", "=", "é", "☃", "𐍈", "$", "|", "\t"),
    *("\x7f", "%", "vm=", "[5m]"),
)
_PROJECTS = ('"A"', '"B"', "'A'", "'B'", "``", '"A|B"', '".*"')
_ESCAPES = (
    *(r"\n", r"\\", r"\t", r"\x41", r"\xff", r"\101", r"\377", r"\u00e9", r"\U0001F600", r"\a"),
    *(r"\v", r"\ufffd"),
)
_NUMBERS = (
    *("0", "1", "42", "3.5", ".5", "5.", "1e3", "1E-3", "2e+5", "0x1F", "0XaB", "017", "08"),
    *("inf", "NaN", "Inf", "1e-400"),
)
_MODERN_NUMBERS = ("1_000", "0x_F", "1_0.0_1e0_1", "5m", "1h30m", "1y2w3d4h5m6s7ms", "0s")
_DURATIONS = ("5m", "1h30m", "1y2w3d4h5m6s7ms", "90s", "1ms", "10w", "05m")
_MODERN_DURATIONS = ("300", "1.5", "0x10", "1e2", "1_0", ".5", "017")
_COMMENTS = ("# a\n", "#\r", "#{'\"`\n", '# cpu{vm="b"} é\r\n', "#((\n")
_SPACES = (" ", "  ", "\n", "\t", "\r\n", "\r")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
PIECES = (
    *(*_NAMES, *_WORDS, *_MODERN_WORDS, *_NUMBERS, *_MODERN_NUMBERS, *_DURATIONS, *_COMMENTS, *_SPACES),
    *(*_PLAIN, *_ESCAPES, *_QUOTED_NAMES, *_REGEXES, *_COMPARISONS, *_ARITHMETIC, *sorted(FUNCTIONS)),
    *("[", "]", ":", "@", "=", "=~", "!~", "!", "'", '"', "`", "\\", "\ud800", "\ufffd", "\0", "\u2028"),
    *("on", "ignoring", "group_left", "bool", "{", "}", "(", ")", ",", "</", ">/"),
)
"""PromQL's tokens, and some characters that are not tokens."""


class Grammar:
    """Generates queries.

    Args:
        random: the source of all choices.
        modern: whether to use the features of Prometheus 3, including experimental ones.
        depth: the maximum nesting of expressions.
        words: whether metrics may have the names of keywords and functions.
    """

    def __init__(self, random: Random, *, modern: bool = True, depth: int = 4, words: bool = True) -> None:
        self._random = random
        self._modern = modern
        self._words = words
        self._depth = depth
        self._tokens: list[str] = []
        own = {"absent", "absent_over_time", "info", "label_replace", "label_join", "holt_winters"}
        names = sorted(set(FUNCTIONS) - own)
        if not modern:
            names = [*sorted(set(names) - _MODERN_FUNCTIONS), "holt_winters"]
        self._vector_functions = [name for name in names if FUNCTIONS[name].returns == "vector"]
        self._scalar_functions = [name for name in names if FUNCTIONS[name].returns == "scalar"]

    def query(self) -> str:
        """An expression of any type."""
        self._tokens = []
        self._pick((*[self._vector] * 8, self._scalar, self._matrix, lambda _: self._string()))(self._depth)
        return self._joined()

    def selector(self) -> str:
        """A ``match[]`` parameter."""
        self._tokens = []
        self._selector()
        return self._joined()

    # Chance.

    def _pick(self, options: Sequence[_T]) -> _T:
        return options[self._random.randrange(len(options))]

    def _chance(self, percent: int) -> bool:
        return self._random.randrange(100) < percent

    def _either(self, classic: tuple[str, ...], modern: tuple[str, ...]) -> str:
        return self._pick(classic + modern if self._modern else classic)

    # Tokens.

    def _put(self, *tokens: str) -> None:
        self._tokens.extend(tokens)

    def _keyword(self, word: str) -> None:
        """Return a keyword in any case: the lexer ignores case."""
        if self._chance(15):
            word = self._pick((word.upper(), word.title()))
        self._tokens.append(word)

    def _listed(self, items: Sequence[Callable[[], None]], *, trailing: bool) -> None:
        for position, item in enumerate(items):
            if position:
                self._put(",")
            item()
        if trailing and items and self._chance(15):
            self._put(",")

    def _joined(self) -> str:
        """Return the tokens with white space and comments where these are allowed or required."""
        pieces = [self._gap(must=False, comments=True)]
        in_brackets = after_number = False
        previous = ""
        for token in self._tokens:
            if previous:
                must = bool(_WORD.match(previous[-1]) and _WORD.match(token[0]))
                # lex.go: no comment before a bracket's first number, none between a fill and its parenthesis
                comments = (not in_brackets or after_number) and previous.lower() not in _FILLS
                pieces.append(self._gap(must=must, comments=comments))
            pieces.append(token)
            if token in "[]":
                in_brackets, after_number = token == "[", False
            elif in_brackets and (token[0].isdigit() or token[0] == "."):
                after_number = True
            previous = token
        pieces.append(self._gap(must=False, comments=True))
        return "".join(pieces)

    def _gap(self, *, must: bool, comments: bool) -> str:
        kind = self._random.randrange(100)
        if kind < 70:
            return " " if must else ""
        if kind < 95 or not comments:
            return self._pick(_SPACES)
        return self._pick(_COMMENTS)

    # Expressions.

    def _vector(self, depth: int) -> None:
        if depth <= 0 or self._chance(15):
            self._modified_selector()
        else:
            self._pick(
                (
                    self._vector_call,
                    self._vector_call,
                    self._aggregate,
                    self._aggregate,
                    self._vector_binary,
                    self._vector_binary,
                    self._set_binary,
                    self._parenthesised_vector,
                    self._signed_vector,
                    self._label_call,
                    self._info if self._modern else self._absent,
                    self._absent,
                )
            )(depth - 1)

    def _parenthesised_vector(self, depth: int) -> None:
        self._put("(")
        self._vector(depth)
        self._put(")")

    def _signed_vector(self, depth: int) -> None:
        self._put(self._pick("+-"))
        self._vector(depth)

    def _absent(self, depth: int) -> None:
        """Return a call whose result has the labels of its selector's equalities."""
        over_time = self._chance(40)
        self._put("absent_over_time" if over_time else "absent", "(")
        parentheses = self._random.randrange(3)
        self._put(*"(" * parentheses)
        if over_time:
            self._matrix(depth)
        elif self._chance(75):
            self._modified_selector()
        else:
            self._vector(depth)
        self._put(*")" * parentheses, ")")

    def _vector_call(self, depth: int) -> None:
        self._call(self._pick(self._vector_functions), depth)

    def _call(self, name: str, depth: int) -> None:
        function = FUNCTIONS[name]
        most = function.least + 2 if function.most is None else function.most
        count = self._random.randint(function.least, most)
        wanted = [function.args[min(i, len(function.args) - 1)] for i in range(count)]
        kinds = {
            "vector": lambda: self._vector(depth),
            "scalar": lambda: self._scalar(depth),
            "matrix": lambda: self._matrix(depth),
            "string": self._string,
        }
        self._put(name, "(")
        self._listed([kinds[kind] for kind in wanted], trailing=False)
        self._put(")")

    def _label_call(self, depth: int) -> None:
        name = self._pick(("label_replace", "label_join"))
        self._put(name, "(")
        self._vector(depth)
        for _ in range(4 if name == "label_replace" else self._random.randint(2, 4)):
            self._put(",")
            self._string()
        self._put(")")

    def _info(self, depth: int) -> None:
        self._put("info", "(")
        self._vector(depth)
        if self._chance(60):
            self._put(",")
            if self._chance(20):
                self._put("{", "}")
            else:
                self._braces(required=False, name_allowed=True)
        self._put(")")

    def _aggregate(self, depth: int) -> None:
        parametric = ["topk", "bottomk", "quantile", "count_values"]
        if self._modern:
            parametric += ["limitk", "limit_ratio"]
        op = self._pick(parametric if self._chance(40) else _SIMPLE_AGGREGATORS)
        self._keyword(op)
        modifier = self._random.randrange(3)
        if modifier == 1:
            self._modifier()
        self._put("(")
        if op == "count_values":
            self._string()
            self._put(",")
        elif op in _PARAMETRIC:
            self._scalar(depth)
            self._put(",")
        self._vector(depth)
        self._put(")")
        if modifier == 2:
            self._modifier()

    def _modifier(self) -> None:
        self._keyword(self._pick(("by", "without")))
        self._grouping(_GROUPING + (_MODERN_GROUPING if self._modern else ()))

    def _grouping(self, labels: Sequence[str]) -> None:
        self._put("(")
        items = [lambda: self._put(self._pick(labels)) for _ in range(self._random.randrange(4))]
        self._listed(items, trailing=True)
        self._put(")")

    def _vector_binary(self, depth: int) -> None:
        comparison = self._chance(40)
        sides = self._random.randrange(4)
        if sides == 0:
            self._scalar(depth)
        else:
            self._vector(depth)
        op = self._pick(_COMPARISONS if comparison else _ARITHMETIC)
        if self._modern and self._chance(5):
            op = self._pick(("</", ">/"))
            comparison = False
        self._keyword(op) if op == "atan2" else self._put(op)
        if comparison and self._chance(40):
            self._keyword("bool")
        if sides < 2:
            self._vector(depth)
        elif sides == 2:
            self._scalar(depth)
        else:
            self._matching()
            self._vector(depth)

    def _matching(self) -> None:
        if self._chance(60):
            self._keyword(self._pick(("on", "ignoring")))
            self._grouping(("vm", "project", "bool", "on", "le"))
            if self._chance(50):
                self._keyword(self._pick(("group_left", "group_right")))
                # without its own parentheses, it would use those of an operand
                self._grouping(("k", "group_left", "by"))
        if self._modern and self._chance(25):
            self._fills()

    def _fills(self) -> None:
        both = ("fill_left", "fill_right")
        for word in self._pick((("fill",), both[:1], both[1:], both, both[::-1])):
            self._keyword(word)
            self._put("(")
            if self._chance(30):
                self._put(self._pick("+-"))
            self._put(self._pick(_NUMBERS + _MODERN_NUMBERS), ")")

    def _set_binary(self, depth: int) -> None:
        self._vector(depth)
        self._keyword(self._pick(("and", "or", "unless")))
        if self._chance(40):
            self._keyword(self._pick(("on", "ignoring")))
            self._grouping(("vm", "project", "or"))
        self._vector(depth)

    def _scalar(self, depth: int) -> None:
        kind = self._random.randrange(10)
        if depth <= 0 or kind < 5:
            if self._chance(20):
                self._put(self._pick("+-"))
            self._put(self._either(_NUMBERS, _MODERN_NUMBERS))
        elif kind < 7:
            self._call(self._pick(self._scalar_functions), depth - 1)
        elif kind < 8:
            self._put("(")
            self._scalar(depth - 1)
            self._put(")")
        else:
            # a sign before an operand binds less tightly than ^, and a power of a scalar is a scalar
            self._scalar(depth - 1)
            if self._chance(25):
                self._put(self._pick(_COMPARISONS))
                self._keyword("bool")
            else:
                self._put(self._pick(_ARITHMETIC))
            self._scalar(depth - 1)

    def _string(self) -> None:
        mark = self._pick("\"'`")
        parts = [self._pick(_PLAIN) for _ in range(self._random.randrange(4))]
        if mark == "`":
            parts += [self._pick(("\\", "\n", '"', "\\z", "'"))] if self._chance(30) else []
        elif self._chance(40):
            parts.insert(self._random.randrange(len(parts) + 1), self._pick((*_ESCAPES, "\\" + mark)))
        self._put(mark + "".join(parts) + mark)

    # Selectors.

    def _matrix(self, depth: int) -> None:
        if depth > 0 and self._chance(40):
            self._subquery(depth - 1)
            return
        self._selector()
        if self._modern and self._chance(8):
            self._keyword(self._pick(("anchored", "smoothed")))
            self._range()
        else:
            self._range()
            if self._modern and self._chance(8):
                self._keyword(self._pick(("anchored", "smoothed")))
        self._modifiers()

    def _range(self) -> None:
        self._put("[")
        self._duration()
        self._put("]")

    def _subquery(self, depth: int) -> None:
        self._pick((lambda _: self._modified_selector(), self._parenthesised_vector, self._vector_call))(
            depth
        )
        self._put("[")
        if self._modern and self._chance(20):
            # lex.go: a colon only after a number
            self._put(self._pick(_DURATIONS), self._pick("+*"))
            self._duration_expression(2)
        else:
            self._put(self._either(_DURATIONS, _MODERN_DURATIONS))
        self._put(":")
        if self._chance(60):
            self._duration()
        self._put("]")
        self._modifiers()

    def _duration(self) -> None:
        if self._modern and self._chance(25):
            self._pick((self._duration_call, self._computed_duration))(2)
        else:
            self._put(self._either(_DURATIONS, _MODERN_DURATIONS))

    def _duration_expression(self, depth: int) -> None:
        if depth <= 0:
            self._put(self._either(_DURATIONS, _MODERN_DURATIONS))
        else:
            self._pick(
                (
                    lambda _: self._put(self._either(_DURATIONS, _MODERN_DURATIONS)),
                    self._duration_call,
                    self._computed_duration,
                    self._parenthesised_duration,
                    self._signed_duration,
                )
            )(depth)

    def _computed_duration(self, depth: int) -> None:
        self._duration_expression(depth - 1)
        self._put(self._pick("+-*/%^"))
        self._duration_expression(depth - 1)

    def _parenthesised_duration(self, depth: int) -> None:
        self._put("(")
        self._duration_expression(depth - 1)
        self._put(")")

    def _signed_duration(self, depth: int) -> None:
        self._put(self._pick("+-"))
        self._duration_expression(depth - 1)

    def _twice_signed_duration(self, depth: int) -> None:
        self._put(self._pick("+-"))
        self._signed_duration(depth)

    def _duration_call(self, depth: int) -> None:
        word = self._pick(("step", "range", "max_of", "min_of"))
        self._keyword(word)
        self._put("(")
        if word in {"max_of", "min_of"}:
            self._duration_expression(depth - 1)
            self._put(",")
            self._duration_expression(depth - 1)
        self._put(")")

    def _modified_selector(self) -> None:
        if self._modern and self._chance(4):
            # without its own parentheses, the offset would continue after an operator
            self._put("(")
            self._selector()
            self._keyword("offset")
            self._pick((self._parenthesised_duration, self._twice_signed_duration))(2)
            self._put(")")
        else:
            self._selector()
            self._modifiers()

    def _modifiers(self) -> None:
        wanted = []
        if self._chance(20):
            wanted.append(self._offset)
        if self._chance(12):
            wanted.append(self._at)
        if len(wanted) == 2 and self._chance(50):
            wanted.reverse()
        for modifier in wanted:
            modifier()

    def _offset(self) -> None:
        self._keyword("offset")
        if self._chance(40):
            self._put(self._pick("+-") if self._modern else "-")
        if self._modern and self._chance(15):
            self._pick((self._duration_call, self._parenthesised_duration))(2)
        else:
            self._put(self._either(_DURATIONS, (*_MODERN_DURATIONS, "0")))

    def _at(self) -> None:
        self._put("@")
        if self._chance(40):
            self._keyword(self._pick(("start", "end")))
            self._put("(", ")")
            return
        if self._chance(20):
            self._put(self._pick("+-"))
        self._put(self._either(("0", "1609746000", "1.5", "1e9", "0x10", "08"), ("1_000", "5m")))

    def _selector(self) -> None:
        if self._chance(75):
            self._name()
            if self._chance(60):
                self._braces(required=False, name_allowed=False)
        else:
            self._braces(required=True, name_allowed=True)

    def _name(self) -> None:
        if self._chance(80) or not self._words:
            self._put(self._pick(_NAMES))
        else:
            self._put(self._either(_WORDS, _MODERN_WORDS))

    def _braces(self, *, required: bool, name_allowed: bool) -> None:
        items = [lambda: self._matcher(name_allowed=name_allowed) for _ in range(self._random.randrange(4))]
        if required:
            items.insert(self._random.randrange(len(items) + 1), self._narrowing)
        self._put("{")
        self._listed(items, trailing=True)
        self._put("}")

    def _narrowing(self) -> None:
        """A matcher that does not match the empty string."""
        if self._modern and self._chance(40):
            self._put(self._pick(_QUOTED_NAMES))
        else:
            condition = self._pick((("=", '"x"'), ("=~", "'.+'"), ("!=", "``"), ("!~", '""')))
            self._put(self._pick(_LABELS), *condition)

    def _matcher(self, *, name_allowed: bool) -> None:
        if name_allowed and self._modern and self._chance(10):
            self._put(self._pick(_QUOTED_NAMES))
            return
        if self._modern and self._chance(15):
            self._put(self._pick(_QUOTED_NAMES))
        else:
            self._put(self._pick(_LABELS if name_allowed else _OTHER_LABELS))
        op = self._pick(("=", "!=", "=~", "!~"))
        self._put(op)
        if self._tokens[-2] == "project" and self._chance(60):
            self._put(self._pick(_PROJECTS))
        elif op in {"=", "!="}:
            self._string()
        else:
            regex = self._pick(_REGEXES)
            self._put(quote(regex) if self._chance(50) else f"`{regex}`")

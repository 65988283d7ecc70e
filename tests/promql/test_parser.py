"""Tokens → tree: shapes, spans, selectors, bounds, and refusals."""

import pytest
from tests.promql.carets import assert_refused
from tests.promql.parsing import parse_as

from chrysaetos.errors import QueryError
from chrysaetos.promql.ast import (
    Aggregate,
    Binary,
    Call,
    NumberLiteral,
    Paren,
    StringLiteral,
    Unary,
    VectorSelector,
    walk,
)
from chrysaetos.promql.parser import DEFAULT_BOUNDS, Bounds, parse, parse_selector


def shape(node):
    """An expression with all its parentheses."""
    match node:
        case NumberLiteral():
            return f"{node.value:g}"
        case VectorSelector():
            return node.name
        case Paren():
            return f"[{shape(node.expr)}]"
        case Unary():
            return f"({node.op}{shape(node.expr)})"
        case Binary():
            return f"({shape(node.lhs)} {node.op} {shape(node.rhs)})"
        case Call() | Aggregate():
            args = node.args if isinstance(node, Call) else [node.expr]
            return f"call({', '.join(map(shape, args))})"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * c ^ d", "(a + (b * (c ^ d)))"),
        ("a ^ b * c + d", "(((a ^ b) * c) + d)"),
        ("a - b - c", "((a - b) - c)"),
        ("a ^ b ^ c", "(a ^ (b ^ c))"),
        ("a or b and c == d + e * f", "(a or (b and (c == (d + (e * f)))))"),
        ("a and b unless c", "((a and b) unless c)"),
        ("a * b / c % d atan2 e", "((((a * b) / c) % d) atan2 e)"),
        ("a == b != c < d", "(((a == b) != c) < d)"),
        ("a </ b >/ c + d", "((a </ b) >/ (c + d))"),
        ("-a ^ b", "(-(a ^ b))"),
        ("-a * b", "((-a) * b)"),
        ("a * -b * c", "((a * (-b)) * c)"),
        ("a ^ -b ^ c", "(a ^ (-(b ^ c)))"),
        ("--a", "(-(-a))"),
        ("-1", "-1"),
        ("+-1", "-1"),
        ("-1 ^ 2", "(-(1 ^ 2))"),
        ("-(1)", "(-[1])"),
        ("(a + b) * c", "([(a + b)] * c)"),
        ("a + -sum(b) AND c", "((a + (-call(b))) and c)"),
        ("clamp(a + b, -1, 2 * 3)", "call((a + b), -1, (2 * 3))"),
        ("a == BOOL b", "(a == b)"),
    ],
)
def test_operators_bind_by_precedence(text, expected):
    assert shape(parse(text).expr) == expected


SPANS = """  sum by (a) ( rate( foo { a = "b" } [5m] offset 1m ) ) + - ( 1 * bar ) ^ 2 """


def test_each_node_has_the_span_it_was_written_in():
    found = [(type(node).__name__, SPANS[node.start : node.end]) for node in walk(parse(SPANS).expr)]
    assert found == [
        ("Binary", SPANS.strip()),
        ("Aggregate", 'sum by (a) ( rate( foo { a = "b" } [5m] offset 1m ) )'),
        ("Call", 'rate( foo { a = "b" } [5m] offset 1m )'),
        ("MatrixSelector", 'foo { a = "b" } [5m] offset 1m'),
        ("VectorSelector", 'foo { a = "b" }'),
        ("Unary", "- ( 1 * bar ) ^ 2"),
        ("Binary", "( 1 * bar ) ^ 2"),
        ("Paren", "( 1 * bar )"),
        ("Binary", "1 * bar"),
        ("NumberLiteral", "1"),
        ("VectorSelector", "bar"),
        ("NumberLiteral", "2"),
    ]


def test_an_aggregation_ends_after_its_modifier():
    text = "sum(foo) by (a) "
    assert parse(text).expr.end == len(text) - 1
    assert parse("topk(1, foo)").expr.end == 12


def test_a_string_and_its_span():
    node = parse(" 'a' ").expr
    assert isinstance(node, StringLiteral)
    assert (node.start, node.end) == (1, 4)


@pytest.mark.parametrize(
    ("text", "op", "param", "grouping", "without"),
    [
        ("sum(foo)", "sum", False, None, False),
        ("SUM by (a) (foo)", "sum", False, ("a",), False),
        ("sum(foo) by ()", "sum", False, (), False),
        ("avg WITHOUT(a, b)(foo)", "avg", False, ("a", "b"), True),
        ("limitk(1, foo) without (a)", "limitk", True, ("a",), True),
    ],
)
def test_aggregations(text, op, param, grouping, without):
    node = parse_as(Aggregate, text)
    assert (node.op, node.param is not None, node.grouping, node.without) == (op, param, grouping, without)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo", [("foo", None, 3)]),
        ("foo {}", [("foo", 5, 3)]),
        ('{a="b"}', [(None, 1, 0)]),
        ('sum{a="b"}', [("sum", 4, 3)]),
        ("a + b", [("a", None, 1), ("b", None, 5)]),
        ("topk(scalar(a), b)", [("a", None, 13), ("b", None, 17)]),
        ('info(a, {b="c"})', [("a", None, 6), (None, 9, 8)]),
    ],
)
def test_selectors_in_the_order_of_the_text(text, expected):
    assert [(s.name, s.brace, s.name_end) for s in parse(text).selectors] == expected


def test_every_selector_of_the_tree_is_listed():
    text = 'sum by (x) (rate(a[5m:])) / on() b @ 1 and -(topk(scalar(c), {d="e"})) or sort_by_label(f, "g")'
    query = parse(text)
    found = [node.start for node in walk(query.expr) if isinstance(node, VectorSelector)]
    assert found == [s.start for s in query.selectors]
    assert len(found) == 5


def test_calls_of_info_without_label_matchers_are_listed():
    query = parse('info(a) + info(b, {c="d"}) + info(info(e))')
    assert [query.text[call.start : call.end] for call in query.infos] == [
        "info(a)",
        "info(e)",
        "info(info(e))",
    ]


@pytest.mark.parametrize("text", ["{}", " {} ", '{a=""}', "foo", "sum", "offset", '{"a"}', "foo{a='b',} # c"])
def test_match_parameters(text):
    query = parse_selector(text)
    assert query.selectors == (query.expr,)
    assert query.infos == ()


def test_depth_is_bounded():
    deep = "(" * 100 + "a" + ")" * 100
    parse(deep)
    parse("(a)", Bounds(depth=1))
    assert_refused("((a))", "nested deeper than 1 levels", " ^", lambda text: parse(text, Bounds(depth=1)))
    for text in (
        f"({deep})",
        f"abs({deep})",
        f"a[{deep.replace('a', '1')}:] + a[({deep.replace('a', '1')})]",
    ):
        with pytest.raises(QueryError, match="nested deeper than 100 levels"):
            parse(text)


def test_the_deepest_nesting_that_can_be_configured_fits_on_the_stack():
    for start, end in (
        ("abs(", ")"),
        ("(", ")"),
        ("sum by (a) (", ")"),
        ("-(", ")"),
        ("clamp(a,1,scalar(", "))"),
    ):
        parse(start * (150 // start.count("(")) + "a" + end * (150 // start.count("(")), Bounds(depth=150))


def test_levels_that_were_closed_do_not_count():
    assert parse("(a) + (b) + abs(c) + sum(d)", Bounds(depth=1))


def test_bytes_are_bounded():
    assert parse("ab", Bounds(bytes=2))
    assert parse("'é'", Bounds(bytes=4))
    for text in ("abc", "'é'"):
        assert_refused(
            text, "the query is longer than 2 bytes", "^", lambda text: parse(text, Bounds(bytes=2))
        )
    assert_refused("'é'", "the query is longer than 3 bytes", "^", lambda text: parse(text, Bounds(bytes=3)))
    with pytest.raises(QueryError, match="longer than 262144 bytes"):
        parse(" " * 262145)


def test_tokens_are_bounded():
    assert_refused(
        "1+1", "the query has more than 2 tokens", "  ^", lambda text: parse(text, Bounds(tokens=2))
    )
    with pytest.raises(QueryError, match="more than 32768 tokens"):
        parse("1" + "+1" * 16384)


def test_selectors_and_matchers_are_bounded():
    assert parse('a{b="c"}+d', Bounds(matchers=3))
    for text in ('a{b="c",d="e"}+f', 'a{b="c"}+d+f'):
        with pytest.raises(QueryError, match="the query has too many selectors and matchers"):
            parse(text, Bounds(matchers=3))


@pytest.mark.parametrize("text", ["a\ud800", "'\udcff'", "\udfff"])
def test_surrogates_are_rejected(text):
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.reason == "the text is not valid UTF-8"
    assert "\ud7ff" < text[caught.value.start] < "\ue000"


def test_long_chains_need_no_stack():
    for text in ("1" + "+1" * 16000, "1" + "^1" * 16000, "-" * 32000 + "1", "a[" + "1+" * 16000 + "1]"):
        parse(text)


def test_the_default_bounds():
    assert Bounds(bytes=262144, depth=100, tokens=32768, matchers=8192) == DEFAULT_BOUNDS


def test_syntax_errors_take_precedence_over_type_errors():
    assert_refused("1 == 2 + $", "unexpected character: '$'", "         ^")
    assert_refused("1 == 2 )", "unexpected ')'", "       ^")
    assert_refused(
        "1 == 2 + (3 == 4)", "comparisons between scalars must use the bool modifier", "           ^^^^"
    )


def test_the_position_of_an_error_in_a_later_line():
    assert_refused("foo +\n  bar bar", "unexpected identifier 'bar'", "      ^^^")


REFUSED = [
    ("", "no expression found in input", "^"),
    ("  ", "no expression found in input", "^^"),
    ("# a\n", "no expression found in input", "^^^"),
    ("foo bar", "unexpected identifier 'bar'", "    ^^^"),
    ("foo)", "unexpected ')'", "   ^"),
    ("(foo", 'unexpected end of input in parentheses, expected ")"', "    ^"),
    ("(", "unexpected end of input, expected an expression", " ^"),
    ("()", "unexpected ')', expected an expression", " ^"),
    ("foo(bar)", "unknown function with name 'foo'", "^^^"),
    ("FOO(bar)", "unknown function with name 'FOO'", "^^^"),
    ("Sum(foo", 'unexpected end of input in function arguments, expected ")"', "       ^"),
    ("rate (foo[5m]", 'unexpected end of input in function arguments, expected ")"', "             ^"),
    ("a:b(foo)", "unknown function with name 'a:b'", "^^^"),
    ("sum()", "wrong number of arguments for sum, expected 1, got 0", "^^^^^"),
    (
        "sum(foo,)",
        "unexpected ')' in function arguments, expected an expression (no comma may be the last)",
        "        ^",
    ),
    ("sum(,foo)", "unexpected ',', expected an expression", "    ^"),
    ("topk(foo)", "wrong number of arguments for topk, expected 2, got 1", "^^^^^^^^^"),
    ("topk(1,2,3)", "wrong number of arguments for topk, expected 2, got 3", "^^^^^^^^^^^"),
    ("sum(foo, bar)", "wrong number of arguments for sum, expected 1, got 2", "^^^^^^^^^^^^^"),
    ("sum by (a) foo", "unexpected identifier 'foo' in aggregation, expected \"(\"", "           ^^^"),
    ("sum without foo", "unexpected identifier 'foo' in grouping opts, expected \"(\"", "            ^^^"),
    ("sum(foo) by (a) by (b)", "unexpected 'by'", "                ^^"),
    ("sum by (a) (foo) by (b)", "unexpected 'by'", "                 ^^"),
    (
        "rate(foo[5m],)",
        "unexpected ')' in function arguments, expected an expression (no comma may be the last)",
        "             ^",
    ),
    ("rate(,)", "unexpected ',', expected an expression", "     ^"),
    ("foo +", "unexpected end of input, expected an expression", "     ^"),
    ("+", "unexpected end of input, expected an expression", " ^"),
    ("foo + * bar", "unexpected '*', expected an expression", "      ^"),
    ("foo ==", "unexpected end of input, expected an expression", "      ^"),
    ("1 2", "unexpected number '2'", "  ^"),
    ('"a" "b"', "unexpected string '\"b\"'", "    ^^^"),
    ('foo{a="b"}{c="d"}', "unexpected label matchers '{c=\"d\"}'", "          ^^^^^^^"),
    ("foo by (a)", "unexpected 'by'", "    ^^"),
    ("on(a)", "unexpected 'on', expected an expression", "^^"),
    ("bool", "unexpected 'bool', expected an expression", "^^^^"),
    ("a atan2", "unexpected end of input, expected an expression", "       ^"),
    ("group_left", "unexpected 'group_left', expected an expression", "^^^^^^^^^^"),
    ("foo,bar", "unexpected ','", "   ^"),
    (",", "unexpected ',', expected an expression", "^"),
    ("@ 1", "unexpected '@', expected an expression", "^"),
    ("offset 5m", "unexpected duration '5m'", "       ^^"),
    ("[5m]", "unexpected '[', expected an expression", "^"),
    ("fill(1)", "unexpected '('", "    ^"),
    ("foo # }\n bar", "unexpected identifier 'bar'", " ^^^"),
    ("foo\n+ bar(\n1)", "unknown function with name 'bar'", "  ^^^"),
    ("start(1", 'unexpected end of input in function arguments, expected ")"', "       ^"),
    ("min_of(1)", "expected 2 argument(s) in a call of min_of(), got 1", "^^^^^^^^^"),
    ("unless (a)", "unexpected '('", "       ^"),
    ("by (a)", "unexpected '('", "   ^"),
    ("foo keep_metric_names", "unexpected identifier 'keep_metric_names'", "    ^^^^^^^^^^^^^^^^^"),
]


@pytest.mark.parametrize(("text", "reason", "carets"), REFUSED)
def test_invalid_queries_are_rejected(text, reason, carets):
    assert_refused(text, reason, carets)


REFUSED_SELECTORS = [
    ("", "unexpected end of input, expected an expression", "^"),
    ("foo + bar", "unexpected '+'", "    ^"),
    ("foo[5m]", "unexpected '['", "   ^"),
    ("foo offset 5m", "unexpected 'offset'", "    ^^^^^^"),
    ("(foo)", "unexpected '(', expected an expression", "^"),
    ("1", "unexpected number '1', expected an expression", "^"),
    ('"a"', "unexpected string '\"a\"', expected an expression", "^^^"),
    ('foo{a="b"', "unexpected end of input inside braces", "         ^"),
    ("foo(", "unexpected '('", "   ^"),
    ("foo @ 1", "unexpected '@'", "    ^"),
    ("sum(foo)", "unexpected '('", "   ^"),
    ('{a="b"}{', "unexpected end of input inside braces", "        ^"),
    ("bool", "unexpected 'bool', expected an expression", "^^^^"),
    ('foo{__name__="a"}', "metric name must not be set twice", "^^^^^^^^^^^^^^^^^"),
    ('{a="b" or c="d"}', 'unexpected identifier \'or\' in label matching, expected "," or "}"', "       ^^"),
]


@pytest.mark.parametrize(("text", "reason", "carets"), REFUSED_SELECTORS)
def test_other_queries_are_not_selectors(text, reason, carets):
    assert_refused(text, reason, carets, parse_selector)

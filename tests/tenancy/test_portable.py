"""Texts that engines would tokenize differently."""

import pytest

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse
from chrysaetos.promql.strings import unquote
from chrysaetos.tenancy import enforce
from chrysaetos.tenancy.enforce import EnforcementError, scope_query, scope_selector
from chrysaetos.tenancy.portable import portable
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

A = Scope.of("project", "A")


@pytest.mark.parametrize(
    "text",
    [
        "cpu",
        "cpu # a\n",
        "cpu # a\r\n+ 1",
        "cpu # a",
        "cpu\r+\r1",
        'cpu{a="#\r"}',
        "cpu{a='#\r'}",
        "cpu{a=`#\r`}",
        "cpu{a=`x`,b=`\\d`}",
        'cpu{a="\\\\"}',
        'cpu{a="\\"#\r"}',
        'cpu{a=`"`} # \r\n',
        "cpu > bool .5 # bool.5\n",
        "cpu{a=\"bool.5\",b=`x.5`,c='y.5'}",
        "cpu > bool 1.5",
        "rate(rate(cpu[16])[16:0.5] offset -1.25) + 0x10",
        "cpu[5m30s:1m] @ 0x10",
        "5m - s + 5-m + web1s-x",
        "cpu{a='5m-3m'} # 5m-3m",
        "cpu @ 5 + 5 # @+5",
        "cpu @ -5 + cpu @ start() + 5",
        "cpu{a='@+'}",
        '{__name__="",a="b"} or {"cpu",__name__!=""}',
        '{__name__="cpu",__name__="cpu"}',
        '{__name__!="\\xff",a="\\xff\\ufffd"}',
        '{"é\\n☃"}',
    ],
)
def test_texts_that_all_engines_parse_alike_do_not_change(text):
    assert portable(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("secret #\r{vm!='x'}", "secret #\r\n{vm!='x'}"),
        ("# a\r# b\rcpu", "# a\r\n# b\r\ncpu"),
        ("cpu{#\ra='b'}", "cpu{#\r\na='b'}"),
        ("cpu #\r", "cpu #\r\n"),
        ("cpu{a=`\\`}", 'cpu{a="\\\\"}'),
        ("cpu{a=`\\\\`}", 'cpu{a="\\\\\\\\"}'),
        ('cpu{a=`"\n\\`}', 'cpu{a="\\"\\n\\\\"}'),
        ("{a=`\\`,b=`} or secret #`}", '{a="\\\\",b=`} or secret #`}'),
        ("cpu{a='`#',b=`\\`} #`\r", "cpu{a='`#',b=\"\\\\\"} #`\r\n"),
        ("1 < bool.5", "1 < bool .5"),
        ("vector(1) >= BOOL.5e3", "vector(1) >= BOOL .5e3"),
        ("count(up) != bool.5 # a.b", "count(up) != bool .5 # a.b"),
        ("up atan2.5", "up atan2 .5"),
        ("up > bool.5 and down < bool.0_1", "up > bool .5 and down < bool .0_1"),
        ("up offset.5", "up offset 0.5"),
        ("up offset 0x10", "up offset 16"),
        ("up offset -0X_1f", "up offset -31"),
        ("rate(up[0x1F])", "rate(up[31])"),
        ("rate(up[5m:0x10])", "rate(up[5m:16])"),
        ("rate(up[1_000])", "rate(up[1000])"),
        ("rate(up[017])", "rate(up[15])"),
        ("rate(up[1e3])", "rate(up[1000])"),
        ("rate(up[2.])", "rate(up[2])"),
        ("rate(up[1e-6])", "rate(up[0.000001])"),
        ("rate(up[0x10*(0x2+step())] offset 0x1)", "rate(up[16*(2+step())] offset 1)"),
        ("5m-sand", "5m -sand"),
        ("up offset 1h30m-dor", "up offset 1h30m -dor"),
        ("up offset 5m-3m", "up offset 5m -3m"),
        ("1ms-m", "1ms -m"),
        ("up @ +1.5", "up @ 1.5"),
        ("up @#\r+5", "up @#\r\n5"),
        ("up @ +5 + 5", "up @ 5 + 5"),
        ("sum_over_time(up @\t+ 5m[5m:1m])", "sum_over_time(up @\t 5m[5m:1m])"),
    ],
)
def test_texts_that_engines_parse_differently_are_rewritten(text, expected):
    assert portable(parse(text)) == expected
    assert portable(parse(expected)) == expected
    # It has the same meaning in Prometheus.
    before, after = parse(text), parse(expected)
    assert [
        [(matcher.name, matcher.op, unquote(matcher.raw)) for matcher in selector.matchers]
        for selector in before.selectors
    ] == [
        [(matcher.name, matcher.op, unquote(matcher.raw)) for matcher in selector.matchers]
        for selector in after.selectors
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"cpu",__name__=""}', '{"cpu",__name__=~""}'),
        ("{'',a='b',\"cpu\"}", '{__name__=~"",a=\'b\',"cpu"}'),
        (
            "{__name__=''#\r,'__name__'=``,__name__='cpu'}",
            '{__name__=~""#\r\n,__name__=~"",__name__=\'cpu\'}',
        ),
        ('{"\\ufffd"}', '{__name__=~"\\ufffd"}'),
        ("{__name__='#\\xef\\xbf\\xbd.'}", '{__name__=~"#\\ufffd\\\\."}'),
        ("{'a\\u0378',b='c'}", "{__name__=~\"a\u0378\",b='c'}"),
        ("{'\\xff'}", '{__name__!~"(?s).*"}'),
        ("{__name__='#\\377𐍈',a=\"b\"}", '{__name__!~"(?s).*",a="b"}'),
        ("{'cpu',__name__#\r= #=\r''}", "{'cpu',__name__=~\"\"}"),
    ],
)
def test_a_name_that_cannot_be_printed_is_written_as_a_regular_expression(text, expected):
    assert portable(parse(text)) == expected
    assert portable(parse(expected)) == expected


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ('up{""="x"}', 3, 9),
        ("{a='b',''!~'x'}", 7, 14),
        ("up{`a\u0378`='x'}", 3, 11),
        ("up{'\\ufeff'='x'}", 3, 15),
        ('sum by (a, "\\ue000") (up)', 11, 19),
        ("up + on(a) group_left('\\U000F0000') up", 22, 34),
        ("up / ignoring (`\u2028`) up", 15, 18),
    ],
)
def test_a_label_with_an_empty_or_unprintable_name_is_refused(text, start, end):
    with pytest.raises(QueryError, match="label with an empty or unprintable name") as caught:
        scope_query(text, A)
    assert (caught.value.start, caught.value.end) == (start, end)


@pytest.mark.parametrize("name", ["a b", "\\x7f", "\\x00", "\u00ad", "é", "☃", "𐍈"])
def test_other_quoted_labels_are_not_refused(name):
    text = f'sum by ("{name}") (up{{"{name}"="x"}})'
    assert scope_query(text, A) == text.replace("{", '{project="A",')


def test_a_scoped_text_is_portable():
    assert scope_query("secret #\r{vm!='x'}", A) == "secret #\r\n{project=\"A\",vm!='x'}"
    assert scope_query("{a=`\\`,b=`} or secret #`}", A) == '{project="A",a="\\\\",b=`} or secret #`}'
    assert scope_selector("secret #\r{}", A) == 'secret #\r\n{project="A"}'


def test_a_keyword_is_not_joined_with_a_number_into_the_name_of_a_metric():
    assert scope_query("1 < bool.5", A) == "1 < bool .5"
    assert scope_query("cpu>bool.5", A) == 'cpu{project="A"}>bool .5'


def test_a_name_is_not_split_into_the_unit_of_a_duration_and_an_operator():
    assert scope_query("5m-sand", A) == '5m -sand{project="A"}'


def test_a_long_word_takes_linear_time():
    word = "a" * 30_000
    assert portable(parse(f"{word} > bool.5")) == f"{word} > bool .5"


def test_an_unrestricted_callers_text_is_not_rewritten():
    assert scope_query("secret #\r{}", UNRESTRICTED) == "secret #\r{}"


def test_a_duration_that_is_no_number_is_left_to_the_engine():
    text = "cpu offset (1^2)+max_of(NaN, 3)"
    assert scope_query(text, A) == text.replace("cpu", 'cpu{project="A"}')


def test_a_scoped_text_that_is_not_portable_is_not_sent(monkeypatch):
    monkeypatch.setattr(enforce, "_splice", lambda *_: 'secret #\r{project="A"}')
    with pytest.raises(EnforcementError, match="engines"):
        scope_query("secret", A)


@pytest.mark.parametrize(
    "text", ["secret #\r+1", "secret > bool.5", "secret + 5m-secret", "secret @ +5", "secret{a=`\\`}"]
)
def test_a_text_that_was_not_made_portable_is_not_sent(monkeypatch, text):
    monkeypatch.setattr(enforce, "portable", lambda query: query.text)
    with pytest.raises(EnforcementError, match="engines"):
        scope_query(text, A)


def test_a_text_that_is_not_portable_after_one_pass_is_not_sent(monkeypatch):
    monkeypatch.setattr(enforce, "portable", lambda query: f"{query.text} offset 0x10")
    with pytest.raises(EnforcementError, match="engines"):
        scope_query("secret", A)

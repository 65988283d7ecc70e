"""Text + scope → scoped text."""

import pytest
from tests.promql.corpus import ACCEPTED, HOSTILE, REJECTED
from tests.shared import shared

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import Bounds, parse
from chrysaetos.tenancy import enforce
from chrysaetos.tenancy.edits import edited
from chrysaetos.tenancy.enforce import (
    EnforcementError,
    conjoin_selector,
    scope_query,
    scope_selector,
    scoping_edits,
)
from chrysaetos.tenancy.portable import portable
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

A = Scope.of("project", "A")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up", 'up{project="A"}'),
        ("up{}", 'up{project="A"}'),
        ("up { }", 'up {project="A" }'),
        ('up{job="a"}', 'up{project="A",job="a"}'),
        ('up { job="a", }', 'up {project="A", job="a", }'),
        ('{job="a"}', '{project="A",job="a"}'),
        ('{"up"}', '{project="A","up"}'),
        ("up#{}\n", 'up{project="A"}#{}\n'),
        ("up{# }\n}", 'up{project="A"# }\n}'),
        ("up[5m]", 'up{project="A"}[5m]'),
        ("up@1", 'up{project="A"}@1'),
        ("a+b", 'a{project="A"}+b{project="A"}'),
        ("  sum ( up ) by(a)  ", '  sum ( up{project="A"} ) by(a)  '),
        ("1", "1"),
        ("'up'", "'up'"),
        ("time()", "time()"),
        ("info(a)", 'info(a{project="A"},{project="A"})'),
        ("info(a )", 'info(a{project="A"} ,{project="A"})'),
        ("info(a{b='c'})", 'info(a{project="A",b=\'c\'},{project="A"})'),
        ("info(a,{b='c'})", 'info(a{project="A"},{project="A",b=\'c\'})'),
        ("info(a) + info(b)", 'info(a{project="A"},{project="A"}) + info(b{project="A"},{project="A"})'),
        ("{a='é'} + b", '{project="A",a=\'é\'} + b{project="A"}'),
    ],
)
def test_the_matcher_is_inserted_and_all_else_stays(text, expected):
    assert scope_query(text, A) == expected


@pytest.mark.parametrize(("text", "expected"), HOSTILE)
def test_hostile_texts(text, expected):
    if expected is None:
        with pytest.raises(QueryError):
            scope_query(text, A)
    else:
        assert scope_query(text, A) == expected


@pytest.mark.parametrize("text", [*ACCEPTED, *shared("accept.jsonl")])
def test_each_selector_has_the_matcher_and_nothing_else_changes(text):
    scoped = scope_query(text, A)
    before, after = parse(text), parse(scoped)
    assert len(after.selectors) == len(before.selectors) + len(before.infos)
    assert all(selector.matchers[0].name == "project" for selector in after.selectors)
    assert after.infos == ()
    bare = scoped.replace(A.regex_matcher, A.matcher)  # absent() has it as a regular expression
    for inserted in (',{project="A"}', '{project="A"}', 'project="A",', 'project="A"'):
        bare = bare.replace(inserted, "{}" if inserted == '{project="A"}' else "")
    assert bare.replace("{}", "") == portable(before).replace("{}", "")


@pytest.mark.parametrize("text", REJECTED)
def test_an_invalid_query_is_rejected_with_the_callers_own_text(text):
    for scope in (A, UNRESTRICTED):
        with pytest.raises(QueryError) as caught:
            scope_query(text, scope)
        assert caught.value.text == text


@pytest.mark.parametrize("text", ["up", "info(a)", " {a='b'} + c # d"])
def test_an_unrestricted_scope_changes_nothing(text):
    assert scope_query(text, UNRESTRICTED) == text


def test_an_unrestricted_scope_does_not_affect_a_cached_scope():
    assert scope_query("up", Scope.of("a", "b")) == 'up{a="b"}'


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope.of("project", "A", "B"), 'up{project=~"A|B"} + {project=~"A|B",a="b"}'),
        (Scope.of("my label", 'x"'), r'up{"my label"="x\""} + {"my label"="x\"",a="b"}'),
    ],
)
def test_other_scopes(scope, expected):
    assert scope_query('up + {a="b"}', scope) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up", 'up{project="A"}'),
        ("{}", '{project="A"}'),
        ('{a=""}', '{project="A",a=""}'),
        ('{"up"}', '{project="A","up"}'),
        (" sum { a='b' } # c", " sum {project=\"A\", a='b' } # c"),
    ],
)
def test_match_parameters(text, expected):
    assert scope_selector(text, A) == expected
    assert scope_selector(text, UNRESTRICTED) == text


@pytest.mark.parametrize(
    "text", ["", "up[5m]", "up + up", "(up)", "sum(up)", "up offset 5m", "1", '{a="1" or b="2"}']
)
def test_invalid_match_parameters_are_rejected(text):
    for scope in (A, UNRESTRICTED):
        with pytest.raises(QueryError):
            scope_selector(text, scope)


def test_limits_apply_to_the_callers_text():
    wide = Scope.of("project", "A" * 10_000)
    text = "+".join(["a"] * 8)
    bounds = Bounds(bytes=len(text), tokens=15, matchers=8, depth=1)
    assert len(scope_query(text, wide, bounds)) > 80_000
    assert (
        scope_query("info(a)", A, Bounds(bytes=7, tokens=4, matchers=1, depth=1))
        == 'info(a{project="A"},{project="A"})'
    )
    for less in (Bounds(bytes=14), Bounds(tokens=14), Bounds(matchers=7)):
        with pytest.raises(QueryError):
            scope_query(text, A, less)


def splice(monkeypatch, change):
    """Change each scoped text before it is checked."""
    original = enforce._splice
    monkeypatch.setattr(enforce, "_splice", lambda query, matcher: change(original(query, matcher)))


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("a + b", lambda text: text.replace('b{project="A"}', "b")),
        ("a + b", lambda text: text.replace('b{project="A"}', 'b{project="B"}')),
        ("a + b", lambda text: text.replace('b{project="A"}', 'b{project=~"A"}')),
        ("a + b", lambda text: text.replace('b{project="A"}', "b{project='A'}")),
        ("a{b='c'}", lambda text: text.replace('project="A",', "")),
        ("a{b='c'}", lambda text: text.replace('project="A",', 'project="A",#\n')),
        ("a", lambda text: f"{text} + {text}"),
        ("a + b", lambda text: text.partition(" + ")[0]),
        ("a + b", lambda text: text.replace("+", "-")),
        ("a + b", lambda text: text.replace("a", "c")),
        ("a + b", lambda text: text.replace("+", "#")),
        ("sum(a)", lambda text: text.replace("sum", "SUM")),
        ("a[5m]", lambda text: text.replace("5m", "6m")),
        ("a", lambda text: "# " + text),
        ("info(a)", lambda text: text.replace(',{project="A"}', "")),
        ("info(a, {})", lambda text: text.replace(', {project="A"}', ", {}")),
        ("info(a)", lambda text: text.replace('a{project="A"},', "a,")),
    ],
)
def test_a_mistake_in_the_splicing_is_found(monkeypatch, text, change):
    splice(monkeypatch, lambda scoped: changed(scoped, change))
    with pytest.raises(EnforcementError, match="other tokens"):
        scope_query(text, A)


def changed(text, change):
    """Return a text with a change that does change it."""
    result = change(text)
    assert result != text
    return result


@pytest.mark.parametrize("written", ['project="A",x="B"', 'x="B"} or b{project="A"', 'project="A"} #', "'"])
def test_a_matcher_that_is_not_one_matcher_is_found(written):
    scope = Scope.of("project", "A")
    for name in ("matcher", "regex_matcher"):
        object.__setattr__(scope, name, written)
    for text in ("a", "a{b='c'}", "info(a)"):
        with pytest.raises((EnforcementError, QueryError)):
            scope_query(text, scope)


def test_a_selector_that_the_parser_does_not_register_is_found(monkeypatch):
    def forgetful(text, bounds):
        query = parse(text, bounds)
        return query._replace(selectors=query.selectors[1:], infos=())

    monkeypatch.setattr(enforce, "parse", forgetful)
    for text in ("a", "a + b", "info(a, {})", "info(1 + vector(1))"):
        with pytest.raises(EnforcementError, match="other tokens"):
            scope_query(text, A)


def test_a_mistake_that_results_in_invalid_promql_is_found(monkeypatch):
    splice(monkeypatch, lambda text: text + "{")
    with pytest.raises(EnforcementError, match="other tokens"):
        scope_query("a", A)


@pytest.mark.parametrize(
    ("text", "is_selector"),
    [
        ("up", False),
        ("sum(a) / b{} + c{d='e'}", False),
        ("rate(up[0x10]) > bool.5 # x\r+ 1", False),
        ("info(info(up)) + absent(up)", False),
        ("1", False),
        ("up", True),
        ("{a=`\\`}", True),
    ],
)
def test_the_edits_of_scoping_are_returned(text, is_selector):
    scope = scope_selector if is_selector else scope_query
    result = text
    for edits in scoping_edits(text, A, is_selector=is_selector):
        result = edited(result, edits)
    assert result == scope(text, A)


@pytest.mark.parametrize(
    "text",
    [
        "absent(x{})",
        "absent((x{} offset 5m))",
        "absent(+x{})",
        "absent(+(+x{}))",
        "absent_over_time(x{}[5m])",
        "absent_over_time(x{}[5m:1m])",
        "absent_over_time((+x{})[5m:])",
    ],
)
def test_absent_takes_no_label_from_the_scope_in_any_engine(text):
    assert scope_query(text, A) == text.replace("{}", '{project=~"A"}')


def test_absent_of_an_expression_keeps_the_equality():
    assert scope_query("absent(sum(x))", A) == 'absent(sum(x{project="A"}))'
    assert scope_query("absent(-x)", A) == 'absent(-x{project="A"})'


def test_an_empty_name_beside_that_of_a_metric_is_written_as_an_expression():
    allowed = ['__name__="usage"', 'site="a"']
    assert (
        conjoin_selector('{__name__="",x="y"}', allowed) == '{__name__="usage",site="a",__name__=~"",x="y"}'
    )

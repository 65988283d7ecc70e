"""Texts that engines would split at different places."""

import pytest

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
    ],
)
def test_what_all_engines_read_alike_stays_as_it_is(text):
    assert portable(text) == text


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
    ],
)
def test_what_engines_would_read_otherwise_is_written_so_that_they_agree(text, expected):
    assert portable(text) == expected
    assert portable(expected) == expected
    # It means the same to Prometheus.
    before, after = parse(text), parse(expected)
    assert [
        [(matcher.name, matcher.op, unquote(matcher.raw)) for matcher in selector.matchers]
        for selector in before.selectors
    ] == [
        [(matcher.name, matcher.op, unquote(matcher.raw)) for matcher in selector.matchers]
        for selector in after.selectors
    ]


def test_a_scoped_text_is_portable():
    assert scope_query("secret #\r{vm!='x'}", A) == "secret #\r\n{project=\"A\",vm!='x'}"
    assert scope_query("{a=`\\`,b=`} or secret #`}", A) == '{project="A",a="\\\\",b=`} or secret #`}'
    assert scope_selector("secret #\r{}", A) == 'secret #\r\n{project="A"}'


def test_the_text_of_who_may_see_everything_is_not_touched():
    assert scope_query("secret #\r{}", UNRESTRICTED) == "secret #\r{}"


def test_a_scoped_text_that_is_not_portable_is_not_sent(monkeypatch):
    monkeypatch.setattr(enforce, "_splice", lambda *_: 'secret #\r{project="A"}')
    with pytest.raises(EnforcementError, match="engines"):
        scope_query("secret", A)

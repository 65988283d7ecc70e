"""Scopes of callers."""

import dataclasses
import re

import pytest

from chrysaetos.errors import BadRequest
from chrysaetos.tenancy.scope import MAX_ADDED, UNRESTRICTED, Scope, check_added


@pytest.mark.parametrize(
    ("label", "values", "matcher"),
    [
        ("project", ("A",), 'project="A"'),
        ("project", ("A", "B"), 'project=~"A|B"'),
        ("my label", ("A",), '"my label"="A"'),
        ('a"b\\', ("A",), r'"a\"b\\"="A"'),
        ("1a", ("A",), '"1a"="A"'),
        ("projet_é", ("A",), '"projet_é"="A"'),
        ("sum", ("A",), 'sum="A"'),
        ("project", (".*",), 'project=".*"'),
        ("project", ('A"}',), r'project="A\"}"'),
        ("project", ("A|B",), 'project="A|B"'),
        ("project", ("A\\",), r'project="A\\"'),
        ("project", ("A\nB",), r'project="A\nB"'),
        ("project", ("\0\ufffd",), r'project="\u0000\ufffd"'),
        ("project", ("é𐍈",), 'project="é𐍈"'),
        ("project", (".*", "A|B"), r'project=~"\\.\\*|A\\|B"'),
        ("project", ('A"', "\n"), r'project=~"A\"|\n"'),
        ("project", ("(", "["), r'project=~"\\(|\\["'),
    ],
)
def test_the_matcher_matches_the_values_literally(label, values, matcher):
    scope = Scope.of(label, *values)
    assert scope == Scope(label, values)
    assert scope.matcher == matcher
    assert not scope.unrestricted


@pytest.mark.parametrize(
    ("label", "values", "error", "reason"),
    [
        ("", ("A",), ValueError, "needs the label"),
        ("__name__", ("A",), ValueError, "needs the label"),
        ("project", (), ValueError, "at least one value"),
        ("project", ("",), ValueError, "none may be empty"),
        ("project", ("A", ""), ValueError, "none may be empty"),
        ("project", ("\ud800",), ValueError, "surrogates"),
        ("\ud800", ("A",), ValueError, "surrogates"),
        ("project", (None,), TypeError, "all strings"),
        ("project", None, TypeError, "a tuple"),
        ("project", "AB", TypeError, "a tuple"),
        ("project", ["A"], TypeError, "a tuple"),
        ("project", (b"A",), TypeError, "all strings"),
        (None, ("A",), TypeError, "all strings"),
    ],
)
def test_invalid_scopes_are_rejected(label, values, error, reason):
    with pytest.raises(error, match=reason):
        Scope(label, values)


def test_no_arguments_create_an_unrestricted_scope():
    assert UNRESTRICTED.unrestricted
    assert UNRESTRICTED.matcher == ""
    assert not Scope.of("project", "A").unrestricted
    assert Scope.of("project", "A") != UNRESTRICTED
    with pytest.raises(ValueError, match="needs the label"):
        Scope("", ())
    with pytest.raises(ValueError, match="needs the label"):
        dataclasses.replace(UNRESTRICTED)


def test_a_scope_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Scope.of("project", "A").values = ("B",)  # type: ignore[misc]


def test_scopes_are_keys():
    assert (
        len({Scope.of("project", "A"), Scope.of("project", "A"), Scope.of("project", "B"), UNRESTRICTED}) == 3
    )


def test_several_values_are_an_alternation():
    values = ("a.b", "c+d", "e")
    matcher = re.fullmatch(r'project=~"(.*)"', Scope.of("project", *values).matcher)
    assert matcher is not None
    pattern = matcher[1].replace("\\\\", "\\")
    assert [bool(re.fullmatch(pattern, value)) for value in (*values, "axb", "cd", "a.b|e", "")] == [
        True
    ] * 3 + [False] * 4


def test_the_growth_of_a_request_is_limited():
    scope = Scope("project", ("A", "B"))
    check_added(scope, MAX_ADDED)
    with pytest.raises(BadRequest, match="the 2 projects that you may see"):
        check_added(scope, MAX_ADDED + 1)

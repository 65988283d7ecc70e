"""Properties of scoping, over whole queries."""

import re

from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.property.invariants import HIGH_BYTE, check_scoping, is_spliced, own_reading
from tests.property.other_reader import read
from tests.property.strategies import EXAMPLES, junk, queries, scope_values, selectors

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse, parse_selector
from chrysaetos.promql.strings import unquote
from chrysaetos.tenancy.enforce import scope_query, scope_selector
from chrysaetos.tenancy.portable import portable
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

# Texts that promql-parser accepts and Prometheus rejects, by the reason in our error.
LAXER = re.compile(
    r"out of range$|timestamp out of bounds|duration must be greater than 0|division by zero"
    r"|'or' in label matching|label matchers in braces as argument 2"
    r"|as the parameter of limit|unary expression only allowed|filling in missing series"
)


def attempt(function, *arguments):
    """Return the result of a function, or the QueryError that it raises."""
    try:
        return function(*arguments), None
    except QueryError as error:
        return None, error


@EXAMPLES
@given(queries(), scope_values(), st.sampled_from(["project", "my label", "é"]))
@example("up", '"', "a")
def test_each_selector_has_the_matcher_and_nothing_else_changes(text, value, label):
    try:
        parse(text)
    except QueryError:
        # An operator's precedence has taken an operand out of its expression.
        assume(False)  # positional in hypothesis
    check_scoping(text, Scope.of(label, value))
    assert scope_query(text, UNRESTRICTED) == text


@EXAMPLES
@given(queries())
def test_scoping_twice_means_the_same_as_once(text):
    scope = Scope.of("project", "A")
    once, error = attempt(scope_query, text, scope)
    assume(error is None)
    twice = scope_query(once, scope)
    assert [(name, set(matchers)) for name, matchers in own_reading(twice)] == [
        (name, set(matchers)) for name, matchers in own_reading(once)
    ]
    assert len(twice) <= len(once) + len(own_reading(once)) * (len(scope.regex_matcher) + 1)


@EXAMPLES
@given(selectors(), scope_values())
def test_a_match_parameter_carries_the_matcher(text, value):
    scope = Scope.of("project", value)
    scoped = scope_selector(text, scope)
    (selector,) = parse_selector(scoped).selectors
    assert ("project", "=", value) in [(m.name, m.op, unquote(m.raw)) for m in selector.matchers]
    assert scope.matcher in text or is_spliced(portable(parse_selector(text)), scoped, scope.matcher)
    # As a query, the selector is the same.
    assert scope_query(text, scope) == scoped


@EXAMPLES
@given(queries() | queries(modern=False) | junk())
def test_an_independent_parser_finds_the_same_selectors(text):
    seen = None if _has_surrogate(text) else read(text)
    assume(seen is not None)
    own, error = attempt(own_reading, text)
    if error is None:
        assert own == seen or HIGH_BYTE.search(text)
    else:
        # It also accepts all of Unicode's white space.
        assert LAXER.search(error.reason) or text[error.start :][:1].isspace(), error.reason


def _has_surrogate(text):
    return any("\ud800" <= character <= "\udfff" for character in text)


@EXAMPLES
@given(junk())
@example("\ud800")
@example("{" * 1000)
@example("(" * 40_000)
def test_a_text_is_scoped_or_refused_and_nothing_else(text):
    for scope_text in (scope_query, scope_selector):
        scoped, error = attempt(scope_text, text, Scope.of("project", "A"))
        if error is None:
            parse(scoped)
        else:
            assert error.text == text
            assert 0 <= error.start <= len(text)
            assert str(error).encode("utf-8", "backslashreplace")


@EXAMPLES
@given(scope_values())
def test_a_value_means_itself(value):
    scoped = scope_query("up", Scope.of("project", value))
    ((_, ((label, op, read_value),)),) = own_reading(scoped)
    assert (label, op, read_value) == ("project", "=", value)
    assert read(scoped) == [("up", [("project", "=", value)])]


@EXAMPLES
@given(st.lists(scope_values(), min_size=2, max_size=4, unique=True), scope_values())
def test_several_values_mean_themselves_and_no_other(values, other):
    scoped = scope_query("up", Scope.of("project", *values))
    ((_, ((label, op, pattern),)),) = own_reading(scoped)
    assert (label, op) == ("project", "=~")
    for value in (*values, other, "", "".join(values), "|".join(values)):
        assert bool(re.fullmatch(pattern, value)) is (value in values)


@EXAMPLES
@given(queries())
def test_white_space_and_comments_around_change_nothing(text):
    scope = Scope.of("project", "A")
    scoped, error = attempt(scope_query, text, scope)
    assume(error is None)
    assert scope_query(f"# a {{\n {text}", scope) == f"# a {{\n {scoped}"
    assume(not text.endswith("\r"))  # with a line feed, it is a different line end
    assert scope_query(f"({text}\n)", scope) == f"({scoped}\n)"

"""The parser accepts what a real Prometheus accepts, and every selector that Prometheus parses is scoped."""

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from tests.promql.corpus import ACCEPTED, HOSTILE, REJECTED
from tests.property.invariants import own_reading
from tests.property.strategies import EXAMPLES, junk, queries
from tests.shared import shared

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse
from chrysaetos.promql.strings import unquote
from chrysaetos.tenancy.enforce import scope_query
from chrysaetos.tenancy.scope import Scope

A = Scope.of("project", "A")
SCOPED = {("project", "=", "A"), ("project", "=~", "A")}  # the second in absent()
CORPUS = [*ACCEPTED, *REJECTED, *(text for text, _ in HOSTILE if len(text) < 1000), *shared("accept.jsonl")]

# Accepted by Prometheus 2.42, rejected by 3.14 and here: any letter between two ranges is parsed as a colon,
# and @ start() is not recognized before a range.
WRONG_IN_2 = ("in a duration", "no @ modifiers allowed before range")


def is_text(text):
    return not any("\ud800" <= character <= "\udfff" for character in text)


def check_formatted(prometheus, text):
    """Check the text that a Prometheus prints, whose selectors are unambiguous."""
    assume(is_text(text))
    printed = prometheus.formatted(text)
    assume(printed is not None)
    query, scoped = parse(text), scope_query(text, A)
    printed = prometheus.formatted(scoped)
    assert printed is not None, scoped
    # An escaped byte that is not UTF-8 is printed as U+FFFD.
    seen = own_reading(printed.replace("\ufffd", "?"))
    assert len(seen) == len(query.selectors) + len(query.infos)
    assert all(SCOPED.intersection(matchers) for _, matchers in seen), printed


@EXAMPLES
@given(text=queries(modern=False))
def test_queries(prometheus, text):
    check_formatted(prometheus, text)


@settings(EXAMPLES, suppress_health_check=[HealthCheck.filter_too_much])  # most generated texts are invalid
@given(text=junk())
def test_texts_that_may_be_queries(prometheus, text):
    try:
        check_formatted(prometheus, text)
    except QueryError as error:
        if not any(known in error.reason for known in WRONG_IN_2):
            raise


def test_the_corpus(prometheus):
    accepted = 0
    for text in filter(is_text, CORPUS):
        if prometheus.formatted(text) is not None:
            accepted += 1
            scoped = scope_query(text, A)
            assert prometheus.formatted(scoped) is not None, scoped
    assert accepted > len(ACCEPTED) // 2


def selectors(tree):
    """Return the selectors of a tree of /api/v1/parse_query in order, and the calls of info()."""
    found, infos = [], []
    stack = [tree]
    while stack:
        node = stack.pop()
        match node.get("type"):
            case "vectorSelector" | "matrixSelector":
                found.append(
                    (node["name"], sorted((m["name"], m["type"], m["value"]) for m in node["matchers"]))
                )
            case "call":
                stack += reversed(node["args"])
                if node["func"]["name"] == "info":
                    infos.append(len(node["args"]))
            case "aggregation":
                stack += [node["expr"], *filter(None, [node["param"]])]
            case _:
                stack += [node[key] for key in ("rhs", "lhs", "expr") if key in node]
    return found, infos


def own_selectors(text):
    """Return the same from the tree of this package."""
    named = []
    for selector in parse(text).selectors:
        matchers = [(m.name, m.op, _as_json(unquote(m.raw))) for m in selector.matchers]
        if selector.name is not None:
            matchers.append(("__name__", "=", selector.name))
        named.append((selector.name or "", sorted(matchers)))
    return named


def _as_json(value):
    """Replace bytes that are not UTF-8 by U+FFFD, as Go does."""
    return "".join("\ufffd" if "\udc80" <= character <= "\udcff" else character for character in value)


def check_tree(prometheus, text):
    """By its tree."""
    tree = prometheus.tree(text)
    if tree is None:
        return False
    assert not tree or selectors(tree)[0] == own_selectors(text), text
    scoped = scope_query(text, A)
    tree = prometheus.tree(scoped)
    assert tree is not None, scoped
    found, infos = selectors(tree)
    assert all(SCOPED.intersection(matchers) for _, matchers in found), scoped
    assert all(count == 2 for count in infos), scoped
    query = parse(text)
    assert not tree or len(found) == len(query.selectors) + len(query.infos), scoped
    return True


@EXAMPLES
@given(text=queries() | junk())
def test_queries_of_prometheus_3(prometheus3_features, text):
    assume(is_text(text))
    check_tree(prometheus3_features, text)


@EXAMPLES
@given(text=queries() | junk())
def test_queries_of_prometheus_3_without_experiments(prometheus3, text):
    assume(is_text(text))
    check_tree(prometheus3, text)


@EXAMPLES
@given(text=queries() | junk())
@example(text="1 < bool.5")
@example(text="vector(1) >= BOOL.5e1")
def test_queries_of_prometheus_3_with_unquoted_names(prometheus3_unquoted, text):
    """It parses some texts differently from the scoping: then it must reject them."""
    assume(is_text(text))
    try:
        scoped = scope_query(text, A)
    except QueryError:
        return
    tree = prometheus3_unquoted.tree(scoped)
    found, infos = selectors(tree) if tree else ([], [])
    assert all(SCOPED.intersection(matchers) for _, matchers in found), scoped
    assert all(count == 2 for count in infos), scoped


def test_the_corpus_by_prometheus_3(prometheus3_features):
    taken = sum(check_tree(prometheus3_features, text) for text in filter(is_text, CORPUS))
    assert taken > len(ACCEPTED) - 10


@pytest.mark.parametrize("text", [text for text in REJECTED if is_text(text)])
def test_prometheus_3_rejects_the_invalid_texts_of_the_corpus(prometheus3_features, text):
    assert prometheus3_features.tree(text) is None

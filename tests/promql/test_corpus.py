"""Whole texts."""

import pytest
from tests.promql.corpus import ACCEPTED, REJECTED
from tests.shared import shared

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse


@pytest.mark.parametrize("text", ACCEPTED)
def test_this_is_promql(text):
    query = parse(text)
    assert query.text == text
    assert text[query.expr.start : query.expr.end] in text


@pytest.mark.parametrize("text", REJECTED)
def test_this_is_not(text):
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert 0 <= caught.value.start <= caught.value.end <= len(text) + 1


def test_all_that_prometheus_own_tests_accept():
    for text in shared("accept.jsonl"):
        parse(text)


def test_nothing_that_prometheus_own_tests_reject():
    for text in shared("reject.jsonl"):
        with pytest.raises(QueryError):
            parse(text)

"""Whole texts."""

import pytest
from tests.promql.corpus import ACCEPTED, REJECTED
from tests.shared import shared

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse


@pytest.mark.parametrize("text", ACCEPTED)
def test_valid_texts_are_accepted(text):
    query = parse(text)
    assert query.text == text
    assert text[query.expr.start : query.expr.end] in text


@pytest.mark.parametrize("text", REJECTED)
def test_invalid_texts_are_rejected(text):
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert 0 <= caught.value.start <= caught.value.end <= len(text) + 1


def test_texts_that_prometheus_tests_accept_are_accepted():
    for text in shared("accept.jsonl"):
        parse(text)


def test_texts_that_prometheus_tests_reject_are_rejected():
    for text in shared("reject.jsonl"):
        with pytest.raises(QueryError):
            parse(text)

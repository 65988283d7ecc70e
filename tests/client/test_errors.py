"""The client's errors: their attributes, and the position of the caret."""

import copy

import pytest

from chrysaetos.client import errors
from chrysaetos.errors import ChrysaetosError


def test_every_error_is_a_metrics_error():
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.MetricsError)
    assert issubclass(errors.MetricsError, ChrysaetosError)
    assert issubclass(errors.InvalidArgument, ValueError)


@pytest.mark.parametrize(
    ("message", "query", "line", "column", "caret"),
    [
        ('invalid parameter "query": 1:5: parse error: unexpected end', "sum(", 1, 5, "sum(\n    ^"),
        ("1:5: unexpected end of input", "sum(", 1, 5, "sum(\n    ^"),
        ("2:1: parse error: x", "sum(\n)", 2, 1, ")\n^"),
        # Prometheus counts bytes, the gateway characters: é is two bytes.
        ("1:9: parse error: x", '"é" + (', 1, 8, '"é" + (\n       ^'),
        ("1:8: x", '"é" + (', 1, 8, '"é" + (\n       ^'),
    ],
)
def test_a_bad_query_shows_the_position(message, query, line, column, caret):
    error = errors.BadQuery(message, query=query)
    assert (error.line, error.column, error.excerpt) == (line, column, caret)
    assert str(error) == f"{message}\n{caret}"


@pytest.mark.parametrize(
    ("message", "query"),
    [("no position", "up"), ("1:5: x", None), ("3:1: x", "up"), ("1:9: x", "up"), ("0:0: x", "up")],
)
def test_a_position_outside_the_query_is_not_shown(message, query):
    error = errors.BadQuery(message, query=query)
    assert (error.line, error.column, error.excerpt) == (None, None, "")
    assert str(error) == message


def test_errors_can_be_copied():
    error = errors.Unavailable("later", status=429, query="up", url="http://a/", retry_after=3.0)
    copied = copy.copy(error)
    assert vars(copied) == vars(error)
    assert str(copied) == "later"


def test_retryable_errors():
    assert errors.Unavailable("x").retryable
    assert errors.Timeout("x").retryable
    assert errors.ServerError("x").retryable
    assert errors.Unreachable("x").retryable
    assert not errors.Unreachable("x", retryable=False).retryable
    for kind in (
        errors.BadQuery,
        errors.Forbidden,
        errors.Unauthorized,
        errors.NotRegistered,
        errors.TooLarge,
    ):
        assert not kind("x").retryable

"""Which errors are about a limit of the budget. The requests are tested in ``test_budgeted_queries.py``."""

import pytest

from chrysaetos.gateway.proxy.costs import exceeded_limit

SERIES = "query would load too many series into memory in expression evaluation"
SAMPLES = "query would read too many samples in expression evaluation"
ALL = {"max_series": "10", "max_samples_read": "20", "timeout": "30s", "max_query_duration": "4.5s"}


@pytest.mark.parametrize(
    ("status", "kind", "text", "limits", "exceeded"),
    [
        (422, "cost_limit", SERIES, ALL, "max_series"),
        (422, "cost_limit", SAMPLES, ALL, "max_samples_read"),
        (422, "cost_limit", SERIES, {"timeout": "30s"}, None),
        (503, "timeout", "query timed out in expression evaluation", ALL, "max_query_duration"),
        (503, "timeout", "query timed out in expression evaluation", {"timeout": "30s"}, "timeout"),
        (503, "timeout", "query timed out in expression evaluation", {"max_series": "10"}, None),
        (503, "timeout", "query timed out in query queue", ALL, None),
        (422, "422", "timeout exceeded during query execution: 1.000 seconds", {"timeout": "1s"}, "timeout"),
        (422, "execution", "many-to-many matching not allowed", ALL, None),
        (503, "unavailable", "not ready", ALL, None),
    ],
)
def test_an_error_names_the_limit_that_is_exceeded(status, kind, text, limits, exceeded):
    assert exceeded_limit(status, {"errorType": kind, "error": text}, limits) == exceeded


def test_a_response_that_is_no_error_exceeds_nothing():
    assert exceeded_limit(422, {}, ALL) is None

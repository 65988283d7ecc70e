"""Which errors are about a limit of the budget. The requests are tested in ``test_budgeted_queries.py``."""

import pytest

from chrysaetos.gateway.proxy.costs import exceeded_limit

SERIES = "query would load too many series into memory in expression evaluation"
SAMPLES = "query would read too many samples in expression evaluation"
HINT = "; the timeout can be adjusted with `-search.maxQueryDuration` command-line flag"
SLOW = f"timeout exceeded during query execution: 30.000 seconds (elapsed 31.140 seconds){HINT}"
QUEUED = "timeout exceeded before starting the query processing: 30.000 seconds (elapsed 30.5 seconds)"
ALL = {"max_series": "10", "max_samples_read": "20", "timeout": "30s"}


@pytest.mark.parametrize(
    ("status", "kind", "text", "limits", "exceeded"),
    [
        (422, "cost_limit", SERIES, ALL, "max_series"),
        (422, "cost_limit", SAMPLES, ALL, "max_samples_read"),
        (422, "cost_limit", SERIES, {"timeout": "30s"}, None),
        (503, "timeout", "query timed out in expression evaluation", ALL, "timeout"),
        (
            *(503, "timeout", "query timed out in expression evaluation"),
            *({"max_query_duration": "4.5s"}, "max_query_duration"),
        ),
        (503, "timeout", "query timed out in expression evaluation", {"max_series": "10"}, None),
        (503, "timeout", "query timed out in query queue", ALL, None),
        (422, "422", SLOW, ALL, "timeout"),
        (422, "422", f'error when executing query="rate(cpu[5m])": {QUEUED}', {"timeout": "30s"}, "timeout"),
        (422, "422", SLOW.replace("30.000", "0.001"), {"timeout": "0.001s"}, "timeout"),
        # The timeout of the engine's flag, which is shorter than the budget.
        (422, "422", SLOW, {"timeout": "60s"}, None),
        (422, "422", SLOW, {"max_series": "10"}, None),
        # The query, which the error quotes, has these words.
        (422, "422", f"cannot evaluate \"cpu{{vm!='{SLOW}'}}\": too many points", ALL, None),
        (503, "503", SLOW, ALL, "timeout"),
        (422, "execution", "many-to-many matching not allowed", ALL, None),
        (503, "unavailable", "not ready", ALL, None),
    ],
)
def test_an_error_names_the_limit_that_is_exceeded(status, kind, text, limits, exceeded):
    assert exceeded_limit(status, {"errorType": kind, "error": text}, limits) == exceeded


def test_a_response_that_is_no_error_exceeds_nothing():
    assert exceeded_limit(422, {}, ALL) is None

"""The oracle itself: which responses it considers equal."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.differences import KNOWN, Asked, alike

LABELS = {"__name__": "cpu", "vm": "a1"}


def query(text: str, *, metricsql: bool = False) -> Asked:
    return Asked("/api/v1/query", [("query", text)], metricsql)


def match(path: str, *selectors: str) -> Asked:
    return Asked(path, [("match[]", selector) for selector in selectors])


def found(*series: tuple[dict[str, str], str], **more: Any) -> tuple[int, Any]:
    result = [{"metric": labels, "value": [1, value]} for labels, value in series]
    return 200, {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


def error(status: int, kind: str, text: str) -> tuple[int, Any]:
    return status, {"status": "error", "errorType": kind, "error": text}


EMPTY_MATCH = error(400, "bad_data", "match[] must contain at least one non-empty matcher")

MIMIRS_ABSENT = Asked("/api/v1/query", [("query", "absent(cpu{project='A'})")], mimir=True)

KNOWN_DIFFERENCES = [
    (
        "refused by both",
        query("cpu{"),
        error(400, "bad_data", "1:5: a matcher is missing"),
        error(400, "bad_data", "1:5: parse error: unexpected end of input"),
    ),
    (
        "refused by both",
        match("/federate", "cpu{"),
        error(400, "bad_data", "1:5: a matcher is missing"),
        (400, ["1:5: parse error: unexpected end of input"]),
    ),
    (
        "refused by both",
        query("info(cpu)", metricsql=True),
        error(422, "422", 'error when executing query="info(cpu{project=\\"A\\"})": unknown func "info"'),
        error(422, "422", 'error when executing query="info(cpu)": unknown func "info"'),
    ),
    ("bounds", query("x" * 9), error(400, "bad_data", "the query is longer than 8 bytes"), found()),
    (
        "no condition",
        match("/api/v1/series"),
        (200, {"data": [LABELS]}),
        error(400, "bad_data", "no match[]"),
    ),
    ("no condition", match("/api/v1/series", "{vm=~'.*'}"), (200, {"data": [LABELS]}), EMPTY_MATCH),
    ("no condition", match("/federate", "{}"), (200, ["cpu 1"]), (200, [])),
    (
        "not there",
        match("/api/v1/search/metric_names"),
        error(404, "not_found", "Prometheus refused the request"),
        (404, ["404 page not found"]),
    ),
    (
        "MetricsQL",
        query("cpu default 0", metricsql=True),
        error(400, "bad_data", "1:5: unexpected default"),
        found((LABELS, "1")),
    ),
    (
        "ties",
        query("topk(1, cpu)", metricsql=True),
        found((LABELS, "1")),
        found(({**LABELS, "vm": "a2"}, "1")),
    ),
    (
        "absent()",
        MIMIRS_ABSENT,
        found(({}, "1")),
        found(({"project": "A"}, "1")),
    ),
    ("info()", query("info(cpu)"), found((LABELS, "1")), found(({**LABELS, "version": "2"}, "1"))),
    (
        "refused by both",
        query("cpu{"),
        error(400, "bad_data", "1:5: unexpected end of input"),
        error(500, "internal", "retrieving exemplars: proxy Exemplars: 1:5: parse error: unexpected end"),
    ),
    ("info()", query("sum(info(cpu))"), found(({}, "1")), found(({}, "2"))),
    ("info()", query("info(cpu) + on() x"), found(), error(422, "execution", "many-to-many")),
]


@pytest.mark.parametrize(("kind", "asked", "ours", "theirs"), KNOWN_DIFFERENCES)
def test_a_known_difference_is_recognized_only_as_its_kind(kind, asked, ours, theirs):
    assert [known.kind for known in KNOWN if known.explains(asked, ours, theirs)] == [kind]
    assert alike(asked, ours, theirs)


def test_each_kind_has_an_example():
    assert {known.kind for known in KNOWN} == {kind for kind, *_ in KNOWN_DIFFERENCES}


def test_equal_responses_have_no_difference():
    assert alike(query("cpu"), found((LABELS, "0.3")), found((LABELS, "0.30000000000000004")))
    warned = [found((LABELS, "1"), infos=[f"no counter (1:{column})"]) for column in (5, 17)]
    assert alike(query("rate(cpu[5m])"), *warned)
    warned = [found(warnings=[f"exemplars client &{{0x{number}}}: refused"]) for number in ("1f", "2f")]
    assert alike(query("cpu"), *warned)
    omitted = [found(warnings=["1 more warning annotations omitted", note]) for note in "ab"]
    assert alike(query("cpu"), *omitted)
    cost = [found((LABELS, "1"), stats={"seriesFetched": count}) for count in "12"]
    assert alike(query("cpu", metricsql=True), *cost)


@pytest.mark.parametrize(
    ("asked", "ours", "theirs"),
    [
        (query("cpu"), found((LABELS, "1")), found((LABELS, "2"))),
        (query("cpu"), found((LABELS, "1")), found()),
        (query("cpu"), found(), found((LABELS, "1"))),
        (query("absent(x)"), found(({"project": "A"}, "1")), found(({}, "1"))),
        (MIMIRS_ABSENT, found(({"project": "A"}, "1")), found(({}, "1"))),
        (query("cpu"), found((LABELS, "1"), infos=["a (1:1)"]), found((LABELS, "1"), infos=["b (1:1)"])),
        (query("cpu"), found((LABELS, "1"), infos=["a"]), found((LABELS, "1"))),
        (
            query("cpu"),
            found((LABELS, "1"), stats={"samples": 1}),
            found((LABELS, "1"), stats={"samples": 2}),
        ),
        (query("cpu"), error(400, "bad_data", "1:1: refused"), found((LABELS, "1"))),
        (query("cpu"), error(400, "bad_data", "1:1: refused"), error(422, "execution", "many-to-many")),
        (query("cpu"), error(422, "execution", "duplicate b1"), error(422, "execution", "duplicate a1")),
        (query("cpu"), error(400, "bad_data", "1:1: refused"), error(500, "internal", "no store")),
        (query("cpu"), error(404, "not_found", "no"), found((LABELS, "1"))),
        (query("cpu", metricsql=True), error(400, "bad_data", "1:1: refused"), found((LABELS, "1"))),
        (query("cpu", metricsql=True), found((LABELS, "1")), error(422, "422", "unknown func")),
        (query("sum or cpu", metricsql=True), found(), error(422, "422", "unexpected or")),
        (query("topk(1, cpu)"), found((LABELS, "1")), found(({**LABELS, "vm": "a2"}, "1"))),
        (query("topk(1, cpu)", metricsql=True), found((LABELS, "1")), found()),
        (query("cpu default 0"), error(400, "bad_data", "1:5: refused"), found((LABELS, "1"))),
        (match("/api/v1/series", "cpu"), (200, {"data": [LABELS]}), error(400, "bad_data", "no match[]")),
        (match("/federate", "cpu"), (200, ["cpu 1"]), (200, [])),
        (query("info(cpu)"), found(({**LABELS, "version": "2"}, "1")), found((LABELS, "1"))),
        (query("info(cpu)"), found((LABELS, "1")), found(({**LABELS, "version": "2"}, "3"))),
        (query("info(cpu)"), found((LABELS, "1")), error(422, "execution", "duplicate info")),
        (query("info(cpu) + on() x"), found(), error(400, "bad_data", "refused")),
    ],
)
def test_any_other_difference_is_found(asked, ours, theirs):
    assert not alike(asked, ours, theirs)

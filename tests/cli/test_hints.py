"""Hints for empty results, of a server with these series."""

import re

import pytest
from tests.fakes.metrics_server import MetricsServer, failed, success

from chrysaetos.cli.hints import hints
from chrysaetos.client import MetricsClient

SERIES = [
    {"__name__": "cpu", "vm": "a", "zone": "1"},
    {"__name__": "cpu", "vm": "b", "zone": "2"},
    {"__name__": "memory", "vm": "a"},
]
OLD = {"__name__": "old", "vm": "a"}


def matches(selector, labels):
    return all(
        bool(re.fullmatch(value, labels.get(name, ""))) is (op in {"=", "=~"})
        for name, op, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', selector)
    )


def reply(request):
    selector = request.parameters.get("match[]", "")
    known = [*SERIES, OLD] if float(request.parameters["start"]) < 50_000 else SERIES
    found = [labels for labels in known if matches(selector, labels)]
    if request.path == "/api/v1/labels":
        return success(sorted({name for labels in found for name in labels}))
    label = request.path.split("/")[4]
    return success(sorted({labels[label] for labels in found if label in labels}))


@pytest.fixture
def ask():
    with MetricsServer(reply) as server, MetricsClient.direct(server.url, timeout=5) as client:
        yield lambda query, **options: hints(client, query, 100_000, 100_000, **options)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("cpus", "you see no series named cpus; similar names: cpu"),
        ("xyz", "you see no series named xyz; similar names: cpu, memory"),
        ("old", "old has no samples at this time, but some in the 24 hours before"),
        ('cpu{vm="c"}', 'vm="c" matches no series of cpu; its values: a, b'),
        ('sum(rate(cpu{vm="a",zone=~"3.*"}[5m]))', 'zone=~"3.*" matches no series of cpu; its values: 1, 2'),
        ('cpu{host="x"}', "no series of cpu has the label host"),
        ('{vm="x"}', 'vm="x" matches no series; its values: a, b'),
        (
            'cpu{vm="a",zone="2"}',
            'no series matches all of cpu{vm="a",zone="2"}, but each of its matchers matches some',
        ),
    ],
)
def test_the_matchers_that_match_nothing(query, hint, ask):
    assert ask(query) == [hint]


@pytest.mark.parametrize(
    ("query", "command"),
    [("xyz", "chrysaetos values __name__"), ('n1{vm="x"}', "chrysaetos values vm")],
)
def test_the_command_that_lists_all_values_has_the_label(query, command, ask, monkeypatch):
    many = [{"__name__": f"n{n}", "vm": str(vm)} for n in range(9) for vm in range(9)]
    monkeypatch.setattr(f"{__name__}.SERIES", many)
    (hint,) = ask(query)
    assert hint.endswith(f"; there are 9 others, see {command}")


def test_operators_that_leave_nothing(ask):
    assert ask("cpu > 5")[0].startswith("each selector matches series, but the operators")
    assert ask("cpu", selectors=True) == []
    assert ask("vector(1) > 2") == []


def test_every_selector_is_explained(ask):
    assert len(ask("nothing / cpu + none + nothing")) == 2
    assert len(ask("+".join(f"n{n}" for n in range(9)))) == 3


def test_an_offset_is_searched_in_all_times(ask):
    assert ask("old offset 1d")[0].startswith("each selector")


def test_a_server_that_fails_gives_no_hints():
    for answer in (failed(500, "internal", "x"), success([])):
        with MetricsServer([answer]) as server, MetricsClient.direct(server.url, timeout=1) as client:
            found = hints(client, "cpu", 0, 0)
        assert found in ([], ["you see no series at all at this time; chrysaetos doctor checks why"])


def test_an_invalid_query_gives_no_hints(ask):
    assert ask("sum(") == []

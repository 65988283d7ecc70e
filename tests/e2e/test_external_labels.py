"""Stores whose external labels include the tenant's label.

In a remote read, Prometheus treats an equality with an external label as "label is missing", and adds the
external labels to the response. So an equality with the tenant's label would show a tenant the series without
a project, as if they were the tenant's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from tests.e2e.asking import Asker, answers_alike, basic
from tests.e2e.engines import Labelled
from tests.e2e.stack import Stores, store_text
from tests.e2e.test_endpoints import HEADERS, NAME, of, read
from tests.fakes.remote_read import EQ, NEQ, NRE, RE, Matcher, query

from chrysaetos.tenancy.snappy import compress

if TYPE_CHECKING:
    from contextlib import ExitStack

    from tests.e2e.stack import GatewayFor, People, Window

    from chrysaetos.demo.gateway import Gateway


@pytest.fixture(
    scope="module",
    params=[{"project": "A", "cluster": "one"}, {"project": "B", "vm": "host"}],
    ids=["of tenant A", "of tenant B"],
)
def labelled(
    request: pytest.FixtureRequest,
    servers: ExitStack,
    people: People,
    window: Window,
    tmp_path_factory: pytest.TempPathFactory,
) -> Stores:
    """Store AB and store A, with external labels."""
    a, b = str(people.a.project_id), str(people.b.project_id)
    labels = {name: {"A": a, "B": b}.get(value, value) for name, value in request.param.items()}
    made = []
    for projects in ((a, b), (a,)):
        server = Labelled(tmp_path_factory.mktemp("labelled"), labels)
        server.backfill(store_text(window, *projects))
        servers.enter_context(server)
        made.append(server)
    return Stores(*made)


@pytest.fixture(scope="module")
def gateways(labelled: Stores, gateway_for: GatewayFor) -> tuple[Gateway, Gateway]:
    """The gateways over them."""
    return gateway_for(labelled.ab), gateway_for(labelled.a)


MATCHERS = [
    [NAME],
    [NAME, Matcher(EQ, "project", "A")],
    [NAME, Matcher(EQ, "project", "B")],
    [NAME, Matcher(EQ, "project", "")],
    [NAME, Matcher(NEQ, "project", "A")],
    [NAME, Matcher(RE, "project", "A|B|")],
    [NAME, Matcher(NRE, "project", "A")],
    [NAME, Matcher(EQ, "vm", "host")],
    [NAME, Matcher(EQ, "cluster", "one")],
    [Matcher(EQ, "project", "A"), Matcher(EQ, "vm", "host"), Matcher(EQ, "cluster", "one")],
    [Matcher(EQ, "vm", "host")],
    [],
]


def message(matchers: list[Matcher], people: People, window: Window) -> bytes:
    ids = {"A": str(people.a.project_id), "B": str(people.b.project_id)}
    matchers = [
        Matcher(one.type, one.name, "|".join(ids.get(value, value) for value in one.value.split("|")))
        for one in matchers
    ]
    return query(matchers, (window.now - 60) * 1000, window.now * 1000)


def test_such_a_store_would_show_series_without_a_project(labelled, people, window):
    shown = set()
    for letter in ("A", "B"):
        asked = message([NAME, Matcher(EQ, "project", letter)], people, window)
        answer = requests.post(
            f"{labelled.ab.url}/api/v1/read", data=compress(asked), headers=HEADERS, timeout=30
        )
        shown |= {labels["vm"] for labels, _ in of(answer)}
    assert "host" in shown


@pytest.mark.parametrize(
    "matchers",
    MATCHERS,
    ids=lambda matchers: " ".join(f"{one.name}{one.type}{one.value}" for one in matchers),
)
def test_a_remote_read_equals_that_of_the_own_store(gateways, people, window, matchers):
    asked = message(matchers, people, window)
    one, other = (of(read(gateway, people.a, asked)) for gateway in gateways)
    # NaN is not equal to itself.
    assert repr(one) == repr(other)
    assert all(labels["project"] == people.a.project_id for labels, _ in one)


def test_a_remote_read_finds_the_own_series_and_none_without_a_project(gateways, people, window):
    asked = message([NAME], people, window)
    for account, own in ((people.a, {"a1", "a2"}), (people.b, {"b1", "b2"})):
        assert {labels["vm"] for labels, _ in of(read(gateways[0], account, asked))} == own


@pytest.mark.parametrize("selector", ["cpu", 'cpu{vm="host"}', 'cpu{cluster="one"}', '{__name__=~".+"}'])
def test_federation_shows_the_own_series_and_none_without_a_project(gateways, people, selector):
    for account in (people.a, people.b):
        asker = Asker(gateways[0], basic(account))
        lines = [
            line
            for line in asker("/federate", [("match[]", selector)]).text.splitlines()
            if not line.startswith("#")
        ]
        assert all(f'project="{account.project_id}"' in line for line in lines)
        assert bool(lines) is (selector in {"cpu", '{__name__=~".+"}'})
        asker.close()
    ab, a = (Asker(gateway, basic(people.a)) for gateway in gateways)
    answers_alike(ab, a, "/federate", [("match[]", selector)])
    for asker in (ab, a):
        asker.close()

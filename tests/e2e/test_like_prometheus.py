"""The gateway handles edge cases that do not concern isolation like Prometheus."""

from __future__ import annotations

import base64
import http.client
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from tests.e2e.asking import basic, meaning
from tests.e2e.engines import PROMETHEUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.engines import Engine
    from tests.e2e.oracle import Oracle
    from tests.e2e.stack import GatewayFor, People, Stores, StoresOf, Window

    from chrysaetos.demo.gateway import Gateway

METHODS = ("GET", "POST")
BOUNDARIES = ("-292273086-05-16T16:47:06Z", "292277025-08-18T07:12:54.999999999Z")
OPTIONAL = {
    "/api/v1/query": ("timeout", "limit", "lookback_delta"),
    "/api/v1/query_range": ("timeout", "limit", "lookback_delta"),
    "/api/v1/query_exemplars": ("start", "end"),
    "/api/v1/series": ("start", "end", "limit"),
    "/api/v1/labels": ("start", "end", "limit"),
    "/api/v1/label/vm/values": ("start", "end", "limit"),
}
NAMES = (
    "http.status_code",
    "http%2Estatus_code",
    "%68ttp.status_code",
    "U__http_2e_status_code",
    "na%C3%AFve",
    "U__na_ef_ve",
    "a%20b",
    "1st",
    "a-b",
    "...",
    "%2E%2E.",
    "..;",
    "%2e%2E",
    ".%2e",
    "%2e",
    "U___2e__2e_",
    "vm",
    "U__",
    "U__vm",
    "U__a_2f_b",
)
"""Segments of a path that are a label's name, escaped in several ways."""
NO_NAMES = (".", "..", "a%2Fb", "%2f")


@pytest.fixture(scope="module", params=PROMETHEUS[:2], ids=str)
def stores(request: pytest.FixtureRequest, stores_of: StoresOf) -> Stores:
    """Store AB and store A of a Prometheus."""
    return stores_of(request.param)


def required(path: str, window: Window) -> list[tuple[str, str | bytes]]:
    """Return the required parameters of a path."""
    pairs: list[tuple[str, str | bytes]] = []
    if "query" in path:
        pairs.append(("query", "cpu"))
    if path.endswith("/query"):
        pairs.append(("time", str(window.now)))
    if path.endswith("query_range"):
        pairs += [("start", str(window.now - 600)), ("end", str(window.now)), ("step", "60")]
    if path.endswith("series"):
        pairs.append(("match[]", "cpu"))
    return pairs


@pytest.mark.parametrize(("path", "names"), OPTIONAL.items(), ids=OPTIONAL)
def test_an_empty_parameter_counts_as_missing(
    oracle: Oracle, window: Window, path: str, names: tuple[str, ...]
):
    for method in METHODS if "values" not in path else ("GET",):
        empty: list[tuple[str, str | bytes]] = [(name, "") for name in names]
        for pairs in (*([one] for one in empty), empty):
            status, content = oracle.ask(path, [*required(path, window), *pairs], method)
            assert status == 200, content


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_time_is_now(gateway: Gateway, people: People, method: str):
    before = time.time()
    asked = {"query": "time()", "time": ""}
    place: dict[str, Any] = {"data" if method == "POST" else "params": asked}
    url = f"{gateway.url}/api/v1/query"
    answer = requests.request(method, url, auth=basic(people.a), timeout=30, **place)
    assert before - 1 < float(answer.json()["data"]["result"][1]) < time.time() + 1


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("method", METHODS)
def test_minimum_and_maximum_times_are_accepted(oracle: Oracle, boundary: str, method: str):
    status, _ = oracle.ask("/api/v1/query", [("query", "cpu"), ("time", boundary)], method)
    assert status == 200
    for path in ("/api/v1/series", "/api/v1/labels", "/api/v1/query_exemplars"):
        required = ("query", "cpu") if "query" in path else ("match[]", "cpu")
        status, content = oracle.ask(path, [required, ("start", BOUNDARIES[0]), ("end", boundary)], method)
        assert status == 200, content
    times = [("start", boundary), ("end", boundary), ("step", "1")]
    status, _ = oracle.ask("/api/v1/query_range", [("query", "cpu"), *times], method)
    assert status == 200


@pytest.mark.parametrize("path", ["/api/v1/series", "/api/v1/labels"])
def test_selectors_may_be_in_the_url_and_in_the_body(
    gateway: Gateway, stores: Stores, people: People, path: str
):
    url = [("match[]", 'cpu{vm="a1"}')]
    body = [("match[]", "requests_total"), ("match[]", "secret")]
    ours = requests.post(gateway.url + path, params=url, data=body, auth=basic(people.a), timeout=30)
    theirs = requests.post(stores.a.url + path, params=url, data=body, timeout=30)
    assert meaning(ours) == meaning(theirs)
    assert "code" in ours.text


@pytest.mark.parametrize(
    "query",
    [
        'cpu and cpu{vm=~"a{2000}{2000}"}',
        'cpu +\n sum by (vm) (rate(requests_total[5m])) / cpu{zone!="ü",vm!~"a{2000}{2000}"}',
        'rate(requests_total[0x10]) + cpu{vm=~"a{2000}{2000}"}',
        'cpu and sort_by_label(cpu, "vm")',
        "cpu or double_exponential_smoothing(cpu[10m], 0.5, scalar(shared))",
        'ts_of_max_over_time(cpu[1h]) or secret{k="ä"}',
    ],
)
def test_a_position_in_an_error_is_in_the_callers_text(oracle: Oracle, stores: Stores, query: str):
    for method in METHODS:
        status, content = oracle.instant(query, method)
        asked = {"query": query, "time": "1"}
        theirs = requests.get(f"{stores.a.url}/api/v1/query", params=asked, timeout=30)
        assert status == theirs.status_code
        if status == 400:
            assert content == theirs.json()


def test_a_position_in_an_error_about_a_selector_is_in_the_callers_text(oracle: Oracle, stores: Stores):
    selector = '{zone="z1",vm=~"a{2000}{2000}"}'
    status, content = oracle.selecting("/api/v1/series", selector)
    theirs = requests.get(f"{stores.a.url}/api/v1/series", params={"match[]": selector}, timeout=30)
    assert (status, content) == (400, theirs.json())


def test_a_dashboards_query_over_all_of_900_names_is_answered(oracle: Oracle, window: Window):
    names = "|".join(["a1", *(f"{number:08x}-6f70-656e-7374-61636b000000" for number in range(900))])
    query = " + ".join(f'sum(cpu{{vm=~"{names}"}} offset {minutes}m)' for minutes in range(1, 6))
    status, content = oracle.ask("/api/v1/query", [("query", query), ("time", str(window.now))], "POST")
    assert len(query) > 128 * 1024
    assert (status, len(content["data"]["result"])) == (200, 1)


def utf8_text(window: Window, project_a: str, project_b: str | None = None) -> Iterator[str]:
    """Yield series with label names that only Prometheus 3 supports."""
    projects = {project_a: "a", **({project_b: "b"} if project_b else {})}
    for project, value in sorted(projects.items()):
        for name in ("http.status_code", "naïve", "a b", "1st", "a-b", "...", "..;", "a/b", ".."):
            series = f'cpu{{project="{project}",vm="{value}{len(name)}","{name}"="{value}"}}'
            yield "".join(f"{series} 1 {moment}\n" for moment in range(window.start, window.end + 1, 60))
    yield "# EOF\n"


def raw(url: str, path: str, auth: tuple[str, str] | None = None) -> tuple[int, Any]:
    """Return status and content for a path that is sent unchanged."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    token = base64.b64encode(":".join(auth).encode()).decode() if auth else ""
    connection.request("GET", path, headers={"Authorization": f"Basic {token}"} if auth else {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, json.loads(content) if content.startswith(b"{") else None


@pytest.mark.parametrize("engine", PROMETHEUS[1:2], ids=str)
def test_labels_with_any_name_have_values(
    *, engine: Engine, stores_of: StoresOf, gateway_for: GatewayFor, people: People
):
    stores = stores_of(engine, utf8_text)
    gateway = gateway_for(stores.ab)
    found = 0
    for name in NAMES:
        path = f"/api/v1/label/{name}/values"
        ours, theirs = raw(gateway.url, path, basic(people.a)), raw(stores.a.url, path)
        assert ours == theirs, name
        found += ours[0] == 200 and ours[1]["data"] == ["a"]
    assert found >= 11
    for name in NO_NAMES:
        path = f"/api/v1/label/{name}/values"
        assert raw(gateway.url, path, basic(people.a))[0] == 404, name
        assert raw(stores.a.url, path)[0] in {301, 307, 308, 404}, name

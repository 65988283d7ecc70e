"""The requests of Grafana's Prometheus data source, in order, from a tenant with Basic authentication."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.e2e.asking import Asker, basic
from tests.e2e.oracle import B_ONLY
from tests.e2e.stack import exemplar_target
from tests.e2e.test_endpoints import Ruled, rule_files

from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.processes import free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack

    from tests.e2e.stack import GatewayFor, People, Window

    from chrysaetos.demo.gateway import Gateway

HEADERS = {
    "User-Agent": "Grafana/13.0.0",
    "Accept-Encoding": "gzip",
    "X-Grafana-Org-Id": "1",
    "X-Dashboard-Uid": "cloud",
    "X-Panel-Id": "2",
}
OTHERS = (*B_ONLY, "secret", "unlabelled", "node_load1", "host", "operators", "/b.yml", "/mixed.yml")


class Grafana:
    """A data source.

    Args:
        gateway: the URL of the gateway.
        people: the accounts. The data source has A's credential, and B must not be visible.
    """

    def __init__(self, gateway: Gateway, people: People) -> None:
        self._asker = Asker(gateway, basic(people.a), HEADERS)
        self._own = str(people.a.project_id)
        self._others = (*OTHERS, str(people.b.project_id))

    def __call__(self, method: str, path: str, *pairs: tuple[str, str]) -> Any:
        """Return the data of a response, which must be successful and contain nothing of B."""
        answer = self._asker(f"/api/v1/{path}", pairs, method=method)
        assert answer.status_code == 200, (method, path, pairs, answer.text)
        assert answer.headers["Content-Type"].startswith("application/json")
        content = answer.json()
        assert content["status"] == "success"
        text = answer.text.replace(self._own, "A")  # a random id may begin or end like a name of B's
        for word in self._others:
            assert f'"{word}' not in text, (word, method, path, text)
            assert f'{word}"' not in text, (word, method, path, text)
        return content["data"]

    def close(self) -> None:
        """Close the connections."""
        self._asker.close()


@pytest.fixture(scope="module")
def grafana(gateway_ab: Gateway, people: People) -> Iterator[Grafana]:
    """A data source over a store with samples of A and B."""
    source = Grafana(gateway_ab, people)
    yield source
    source.close()


@pytest.fixture(scope="module")
def live(
    servers: ExitStack,
    gateway_for: GatewayFor,
    people: People,
    window: Window,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Grafana]:
    """A data source over a Prometheus with metadata, exemplars and rules of A and B."""
    a, b = str(people.a.project_id), str(people.b.project_id)
    exporter = Exporter([exemplar_target(window, {"a1": a, "b1": b})], free_port())
    servers.enter_context(exporter)
    server = Ruled(tmp_path_factory.mktemp("grafana"), rule_files(a, b))
    server.scrape_configs = exporter.scrape_configs("1s")
    servers.enter_context(server)

    def filled() -> bool:
        asked = {"query": "traced_seconds_bucket", "start": str(window.start), "end": str(window.end)}
        exemplars = requests.get(f"{server.url}/api/v1/query_exemplars", params=asked, timeout=5).json()
        groups = requests.get(f"{server.url}/api/v1/rules", timeout=5).json()["data"]["groups"]
        return len(exemplars["data"]) == 2 and all(
            rule["health"] != "unknown" for group in groups for rule in group["rules"]
        )

    assert wait_for(filled, timeout=30), "nothing was scraped, or no rule evaluated"
    source = Grafana(gateway_for(server), people)
    yield source
    source.close()


@pytest.fixture(scope="module")
def span(window: Window) -> Sequence[tuple[str, str]]:
    """The range of a dashboard, one hour; start and end have fractions of a second."""
    return ("start", f"{window.now - 3600}.123"), ("end", f"{window.now}.456")


def vms(result: list[dict[str, Any]]) -> list[str]:
    return sorted(series["metric"]["vm"] for series in result)


def test_the_health_check_adds_one_and_one(grafana, window):
    data = grafana("POST", "query", ("query", "1+1"), ("time", f"{window.now}.123"))
    assert data["resultType"] == "scalar"
    assert data["result"][1] == "2"
    assert grafana("GET", "query", ("query", "1+1"), ("time", f"{window.now}.123")) == data


def test_the_version(grafana, stores):
    direct = requests.get(f"{stores.ab.url}/api/v1/status/buildinfo", timeout=10).json()["data"]
    assert grafana("GET", "status/buildinfo")["version"] == direct["version"]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_panel_with_a_range(grafana, span, window, method):
    start = round((window.now - 3600.0) + 0.123, 3)
    asked = [("query", "cpu or secret or unlabelled"), *span, ("step", "15")]
    data = grafana(method, "query_range", *asked)
    assert data["resultType"] == "matrix"
    assert vms(data["result"]) == ["a1", "a2"]
    for series in data["result"]:
        assert len(series["values"]) == 241
        assert series["values"][0][0] == pytest.approx(start, abs=0.0005)
        assert series["values"][1][0] == pytest.approx(start + 15, abs=0.0005)


def test_a_panel_with_a_step_of_half_seconds(grafana, window):
    times = ("start", f"{window.now}.123"), ("end", f"{window.now + 10}.123")
    data = grafana("POST", "query_range", ("query", "cpu"), *times, ("step", "2.5"))
    assert [len(series["values"]) for series in data["result"]] == [5, 5]


def test_a_table_with_an_instant_query(grafana, window):
    asked = ("query", "sum by (vm) (rate(requests_total[4m0s]))"), ("time", f"{window.now}.123")
    data = grafana("POST", "query", *asked)
    assert data["resultType"] == "vector"
    assert vms(data["result"]) == ["a1", "a2"]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_labels_for_the_query_builder(grafana, span, method):
    plain = grafana(method, "labels", *span, ("limit", "40000"))
    assert {"__name__", "project", "vm", "zone", "k8s_cluster_name"} <= set(plain)
    of_cpu = grafana(method, "labels", *span, ("match[]", '{__name__="cpu"}'))
    assert of_cpu == ["__name__", "instance", "job", "k", "project", "vm", "zone"]


def test_names_and_values_for_the_query_builder(grafana, span, people):
    names = grafana("GET", "label/__name__/values", *span)
    assert {"cpu", "shared", "text", "requests_total"} <= set(names)
    vm = grafana("GET", "label/vm/values", *span, ("match[]", '{__name__=~".*"}'))
    assert {"a1", "a2", "s"} <= set(vm) <= {"a1", "a2", "s", "gone"}
    assert grafana("GET", "label/project/values", *span) == [people.a.project_id]
    assert grafana("GET", "label/secret/values", *span) == []


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_variable_from_series(grafana, span, people, method):
    series = grafana(method, "series", *span, ("match[]", "cpu"), ("match[]", '{__name__="secret"}'))
    assert sorted(one["vm"] for one in series) == ["a1", "a2"]
    assert {one["project"] for one in series} == {people.a.project_id}


def test_metadata_for_the_query_builder(live):
    metadata = live("GET", "metadata", ("limit", "40000"))
    # ``live``, which B's rules name, has no series.
    assert metadata == {
        "traced_seconds": [{"type": "histogram", "help": "A histogram with exemplars.", "unit": ""}]
    }


def test_rules_for_the_query_builder(live, people):
    groups = live("GET", "rules")["groups"]
    own = next(group for group in groups if group["name"] == "of-a")
    assert Path(own["file"]).name == "a.yml"
    assert [rule["name"] for rule in own["rules"]] == ["a:live:sum", "OwnAlert", "Summed"]
    assert own["rules"][0]["query"] == f'sum(live{{project="{people.a.project_id}"}})'


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_panel_with_exemplars(live, window, method):
    times = ("start", f"{window.start}.123"), ("end", f"{window.end}.456")
    query = "histogram_quantile(0.9, sum by (le) (rate(traced_seconds_bucket[4m0s])))"
    (series,) = live(method, "query_exemplars", ("query", query), *times)
    assert series["seriesLabels"]["vm"] == "a1"
    assert [one["labels"] for one in series["exemplars"]] == [{"trace_id": "trace-of-a1"}]

"""Real clients, unchanged: promtool, ``openstack metric``, and a Prometheus that federates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from tests.e2e.asking import basic, openstack_client, password_variables
from tests.support.commands import run

from chrysaetos.demo.processes import free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.stack import People
    from tests.support.commands import Output

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import IdentityApi
    from chrysaetos.demo.keystone import Keystone


@pytest.fixture(scope="module")
def promtool(gateway_ab: Gateway, people: People) -> Callable[..., Output]:
    """Return the output of promtool as A: the command's words, the server, then the other arguments."""
    user, password = basic(people.a)

    def query(kind: str, *arguments: str, options: tuple[str, ...] = ()) -> Output:
        url = f"http://{user}:{password}@127.0.0.1:{gateway_ab.port}"
        return run(["promtool", "query", kind, *options, url, *arguments])

    return query


def test_promtool_instant_query(promtool, window):
    out = promtool("instant", "sum by (vm) (cpu)", options=(f"--time={window.now}",)).out
    assert sorted(line.split(" ")[0] for line in out.splitlines()) == ['{vm="a1"}', '{vm="a2"}']


def test_promtool_range_query(promtool, window):
    options = (f"--start={window.now - 600}", f"--end={window.now}", "--step=60s")
    out = promtool("range", "cpu", options=options).out
    assert out.count("cpu{") == 2
    assert out.count("@[") == 22
    assert 'vm="b' not in out


def test_promtool_series(promtool, window):
    options = (f"--start={window.now - 600}", f"--end={window.now}", "--match=cpu", "--match=secret")
    out = promtool("series", options=options).out
    assert sorted(line.split('vm="')[1].split('"')[0] for line in out.splitlines()) == ["a1", "a2"]


def test_promtool_label_values(promtool):
    assert promtool("labels", "vm").out.split() == ["a1", "a2", "gone", "s"]


def test_promtool_shows_an_error(promtool):
    refused = promtool("instant", "sum(")
    assert refused.status != 0
    assert "1:5: unexpected end of input" in refused.err


@pytest.fixture(scope="module")
def openstack(gateway_ab: Gateway, keystone: Keystone, identity: IdentityApi) -> Callable[..., object]:
    """Return the JSON output of a command of the openstack client, given the account and the words."""
    identity.register_endpoint("metric-storage", "aetos", gateway_ab.url)

    return lambda account, *words: (
        openstack_client(password_variables(keystone.url, account), *words, "-f", "json").json
    )


def test_the_openstack_client_lists_the_own_metrics(openstack, people):
    names = {row["metric_name"] for row in openstack(people.a, "metric", "list")}
    assert {"cpu", "shared", "text"} <= names
    assert not {"secret", "unlabelled", "node_load1"} & names
    assert {"secret", "unlabelled", "node_load1"} <= {
        row["metric_name"] for row in openstack(people.admin, "metric", "list")
    }


def test_the_openstack_client_shows_a_metric(openstack, people):
    rows = openstack(people.b, "metric", "show", "cpu")
    assert {row["vm"] for row in rows} == {"b1", "b2"}
    rows = openstack(people.service, "metric", "show", "cpu")
    assert {row["vm"] for row in rows} == {"a1", "a2", "b1", "b2", "host"}


def test_the_openstack_client_queries(openstack, people):
    rows = openstack(people.a, "metric", "query", "sum by (vm) (cpu) + on () group_left count(secret or cpu)")
    assert {row["vm"] for row in rows} == {"a1", "a2"}


def test_a_prometheus_federates_a_tenants_series(gateway_ab: Gateway, people: People, tmp_path: Path):
    user, password = basic(people.a)
    scrape = {
        "job_name": "federate",
        "honor_labels": True,
        "metrics_path": "/federate",
        "params": {"match[]": ['{__name__=~"cpu|secret|unlabelled"}']},
        "basic_auth": {"username": user, "password": password},
        "scrape_interval": "1s",
        "static_configs": [{"targets": [f"127.0.0.1:{gateway_ab.port}"]}],
    }
    own = Prometheus(tmp_path / "own", port=free_port())
    own.scrape_configs = [scrape]
    with own:

        def scraped() -> list[dict[str, str]]:
            pairs = {"match[]": '{vm=~".+"}'}
            answer = requests.get(f"{own.url}/api/v1/series", params=pairs, timeout=5).json()["data"]
            return list(answer)

        assert wait_for(lambda: bool(scraped()), timeout=20)
        assert {(series["__name__"], series["vm"]) for series in scraped()} == {("cpu", "a1"), ("cpu", "a2")}

"""Which endpoints each engine serves, as the gateway's clients see it.

The results are in ``docs/reference/engines.json``, from which the documentation has its table. With
``CHRYSAETOS_WRITE_ENGINES=1`` the tests write the file instead of comparing with it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest
import requests
from tests.e2e.asking import basic
from tests.e2e.engines import MIMIR, PROMETHEUS, VICTORIA_METRICS, Labelled
from tests.e2e.stack import store_text
from tests.engines import program_of
from tests.fakes.remote_read import EQ, Matcher, query
from tools.engines import ENGINES as PROGRAMS
from tools.engines import built
from tools.reference.engines import RESULTS

from chrysaetos.demo.thanos import Query, Sidecar
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action, Kind
from chrysaetos.tenancy.snappy import compress

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from tests.e2e.asking import HasUrl
    from tests.e2e.stack import GatewayFor, People, StoresOf, Window

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import Account
    from chrysaetos.tenancy.endpoints import Endpoint

GUARDED = [endpoint for endpoint in ENDPOINTS if endpoint.guarded]
ENGINES = {
    "Prometheus on PATH": ("Prometheus", PROMETHEUS[0], {}),
    "Prometheus 3": ("Prometheus", PROMETHEUS[2], {}),
    "VictoriaMetrics on PATH": (
        "VictoriaMetrics",
        VICTORIA_METRICS[0],
        {"engine": "victoriametrics", "path_prefix": "/prometheus"},
    ),
    "VictoriaMetrics": (
        "VictoriaMetrics",
        VICTORIA_METRICS[1],
        {"engine": "victoriametrics", "path_prefix": "/prometheus"},
    ),
    "Thanos": ("Thanos", None, {"engine": "thanos"}),
    "Mimir": ("Mimir", MIMIR, {"engine": "mimir", "tenants": "*:anonymous"}),
}


@pytest.fixture(scope="module")
def thanos(
    servers: ExitStack, people: People, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Query]:
    """A function that starts Thanos Query over two Prometheus with sidecars."""

    def start() -> Query:
        program = program_of("thanos")
        sidecars = []
        for replica in ("one", "two"):
            store = Labelled(tmp_path_factory.mktemp("store"), {"replica": replica})
            store.backfill(store_text(window, str(people.a.project_id)))
            servers.enter_context(store)
            sidecars.append(Sidecar(tmp_path_factory.mktemp("sidecar"), program, store.url))
            servers.enter_context(sidecars[-1])
        return servers.enter_context(Query(tmp_path_factory.mktemp("query"), program, sidecars))

    return start


def title_of(store: HasUrl, name: str) -> str:
    """Return the engine's name and version. Debian's VictoriaMetrics does not state its version."""
    if name == "VictoriaMetrics":
        text = requests.get(f"{store.url}/metrics", timeout=30).text
        found = re.search(r"-v(\d+\.\d+)\.\d+", text)
    else:
        text = requests.get(f"{store.url}/api/v1/status/buildinfo", timeout=30).text
        found = re.search(r'"version":"v?(\d+\.\d+)', text)
    return f"{name} {found[1]}" if found else f"{name} of Debian 12"


def pairs_of(endpoint: Endpoint, window: Window) -> list[tuple[str, str]]:
    """Return parameters that the endpoint needs. What a deletion selects does not exist."""
    given = {"start": str(window.now - 60), "end": str(window.now), "step": "60", "label": "vm"}
    if endpoint.name in {"scrape_pools_config", "targets_relabel_steps"}:
        return [("scrapePool", "none"), ("labels", "{}")]
    pairs = [
        (name, given.get(name, "cpu"))
        for name, parameter in endpoint.parameters.items()
        if parameter.required or parameter.kind in {Kind.QUERY, Kind.SELECTOR}
    ]
    if not endpoint.idempotent:
        return [(name, "no_such_metric") for name, _ in pairs]
    return pairs or [("query", "cpu")] * (endpoint.action is Action.FORWARD)


def status_at(gateway: Gateway, account: Account, endpoint: Endpoint, window: Window, engine: str) -> str:
    """Return what a caller gets: yes, no, or the status of an error that the engine explains."""
    method = endpoint.methods[0]
    body, headers = None, {}
    if endpoint.action is Action.READ:
        asked = query([Matcher(EQ, "__name__", "cpu")], (window.now - 60) * 1000, window.now * 1000)
        body, headers = compress(asked), {"Content-Encoding": "snappy"}
        headers["Content-Type"] = "application/x-protobuf"
    live = endpoint.name == "notifications_live"
    try:
        answer = requests.request(
            method,
            gateway.url + endpoint.path.replace("{name}", "vm"),
            params=None if body else pairs_of(endpoint, window),
            data=body,
            headers=headers,
            auth=basic(account),
            timeout=5 if live else 60,
        )
    except requests.ReadTimeout:
        if live:  # a stream that has nothing to report
            return "yes"
        raise
    if answer.status_code < 300:
        return "yes"
    content = answer.json() if answer.text.startswith("{") else {"error": answer.text.strip()}
    if answer.status_code == 404 and "does not serve" in content["error"]:
        assert content["error"].startswith(f"{engine} does not serve {endpoint.path}: ")
        assert content["errorType"] == "not_found"
        return "no"
    if 'scrape pool "none" not found' in content["error"]:
        return "yes"
    return f"{answer.status_code} {content['error']}"


@pytest.mark.parametrize("key", ENGINES)
def test_each_endpoint_is_served_or_404_with_the_engines_name(
    *,
    key: str,
    gateway_for: GatewayFor,
    stores_of: StoresOf,
    thanos: Callable[[], Query],
    people: People,
    window: Window,
):
    name, engine, options = ENGINES[key]
    if key == "Prometheus on PATH" and shutil.which("prometheus") == str(built(PROGRAMS["prometheus3"])):
        pytest.skip("it is Prometheus 3, which the table describes with its feature flags")
    store = thanos() if engine is None else stores_of(engine).ab
    gateway = gateway_for(store, prometheus=options)
    found = {}
    for endpoint in GUARDED:
        found[endpoint.name] = status_at(gateway, people.admin, endpoint, window, name)
        if endpoint.own_rule is not None and endpoint.idempotent:
            status = status_at(gateway, people.a, endpoint, window, name)
            assert status[:3] == found[endpoint.name][:3], (endpoint.path, status, found[endpoint.name])
    title = title_of(store, name)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if os.environ.get("CHRYSAETOS_WRITE_ENGINES"):
        RESULTS.write_text(json.dumps(results | {title: found}, indent=1) + "\n")
        return
    assert title in results, f"{RESULTS.name} lacks {title}: run this test with CHRYSAETOS_WRITE_ENGINES=1"
    assert found == results[title]

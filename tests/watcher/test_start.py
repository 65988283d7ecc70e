from __future__ import annotations

import logging
import re
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from keystoneauth1.session import Session
from tests.fakes.metrics_server import MetricsServer, failed
from tests.watcher.answers import EmptyCatalog, answering, vector
from tests.watcher.conftest import clients_of, needs_aetos
from watcher.common import clients

from chrysaetos.demo.processes import wait_for
from chrysaetos.watcher import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oslo_config.fixture import Config

pytestmark = needs_aetos


@pytest.fixture(autouse=True)
def configured(
    conf: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Config]:
    """Configure the datasource aetos, and two hosts in Nova."""
    caplog.set_level(logging.INFO)
    conf.config(group="watcher_datasources", datasources=["aetos"])
    nodes = [SimpleNamespace(service_host="a.example"), SimpleNamespace(service={"host": "b"})]
    monkeypatch.setattr(start, "NovaHelper", lambda: SimpleNamespace(get_compute_node_list=lambda: nodes))
    return conf


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricsServer]:
    with MetricsServer(answering(vector(), "a.example", "c.example")) as running:
        osc = clients_of(running.url)
        monkeypatch.setattr(clients, "OpenStackClients", lambda: osc)
        yield running


def test_the_datasource_is_logged_in_one_line(
    server: MetricsServer, caplog: pytest.LogCaptureFixture
) -> None:
    start.check_at_start()
    line = next(record.message for record in caplog.records if "endpoint" in record.message)
    assert line.startswith("Datasource aetos (chrysaetos ")
    for part in (server.url, "interface public", "region any", "role unknown", "2 hosts by label fqdn"):
        assert part in line
    assert line.endswith("1 of 2 compute hosts have metrics")
    assert "compute hosts without metrics (1): b" in caplog.text


def test_a_failure_of_nova_is_not_a_problem(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Any:
        raise ConnectionError

    monkeypatch.setattr(start, "NovaHelper", broken)
    start.check_at_start()
    assert "not compared with Nova (ConnectionError)" in caplog.text
    assert server.requests


def test_the_roles_of_the_token() -> None:
    auth = SimpleNamespace(get_access=lambda _: SimpleNamespace(role_names=["service", "admin"]))
    assert start._roles(SimpleNamespace(session=SimpleNamespace(auth=auth))) == ["admin", "service"]


def unauthorized(server: MetricsServer, _: Config) -> None:
    server.replies = [failed(401, "unauthorized", "who?")]


def forbidden(server: MetricsServer, _: Config) -> None:
    server.replies = [failed(403, "forbidden", "not you")]


def no_label(_: MetricsServer, conf: Config) -> None:
    conf.config(group="aetos_client", fqdn_label="hostname")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (unauthorized, "Aetos: unauthorized: the credentials in [watcher_clients_auth]"),
        (forbidden, "Aetos: forbidden: the user in [watcher_clients_auth] needs the role admin or service"),
        (no_label, "no active target of Prometheus has the label hostname"),
    ],
)
def test_other_problems_are_logged_and_may_stop_the_engine(
    server: MetricsServer,
    configured: Config,
    caplog: pytest.LogCaptureFixture,
    prepare: Callable[[MetricsServer, Config], None],
    message: str,
) -> None:
    prepare(server, configured)
    start.check_at_start()
    assert message in caplog.text
    configured.config(group="aetos_client", require_at_start=True)
    with pytest.raises(SystemExit, match=r"^watcher-decision-engine: datasource aetos: "):
        start.check_at_start()


def not_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    osc = clients.OpenStackClients()
    osc._session = Session(auth=EmptyCatalog("http://127.0.0.1:1", "token"))
    monkeypatch.setattr(clients, "OpenStackClients", lambda: osc)


@pytest.mark.parametrize("section", ["watcher_datasources", "watcher_strategies.basic"])
def test_a_mistake_in_the_configuration_stops_the_engine(
    configured: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, section: str
) -> None:
    def stops(message: str) -> None:
        with pytest.raises(
            SystemExit, match=re.escape(f"watcher-decision-engine: datasource aetos: {message}")
        ):
            start.check_at_start()
        assert message in caplog.text
        configured.config(group="aetos_client", require_at_start=False)
        start.check_at_start()
        configured.config(group="aetos_client", require_at_start=None)

    not_registered(monkeypatch)
    configured.config(group="watcher_datasources", datasources=["gnocchi"])
    start.check_at_start()
    configured.config(group=section, datasources=["gnocchi", "aetos"])
    stops("Aetos service not registered in Keystone: no metric-storage service")
    configured.config(group=section, datasources=["prometheus", "aetos"])
    stops(f"configuration error: [{section}] datasources has both")
    other = "watcher_strategies.workload_balance"
    configured.config(group=section, datasources=["aetos", "gnocchi"])
    configured.config(group=other, datasources=["prometheus"])
    stops(f"configuration error: [{other}] datasources has prometheus and [{section}] datasources has aetos")


def test_without_a_registration_watchers_default_does_not_stop_the_engine(
    configured: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    not_registered(monkeypatch)
    configured.conf.clear_override("datasources", group="watcher_datasources")
    configured.set_default("datasources", ["gnocchi", "grafana", "aetos"], group="watcher_datasources")
    start.check_at_start()
    assert "not registered in Keystone" in caplog.text


def test_watchers_default_is_no_conflict_with_a_strategys_own_list(
    server: MetricsServer, configured: Config, caplog: pytest.LogCaptureFixture
) -> None:
    configured.conf.clear_override("datasources", group="watcher_datasources")
    configured.set_default("datasources", ["gnocchi", "grafana", "aetos"], group="watcher_datasources")
    configured.config(group="watcher_strategies.basic", datasources=["prometheus"])
    start.check_at_start()
    assert "endpoint " + server.url in caplog.text


def test_the_check_is_repeated_while_keystone_or_the_gateway_is_down(
    server: MetricsServer,
    configured: Config,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(start, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(start, "_MAX_PAUSE", 0.02)
    configured.config(group="watcher_datasources", query_max_retries=1)
    answers = answering(vector(), "a.example", "c.example")
    down = iter([failed(503, "unavailable", "starting")] * 4)
    server.replies = lambda request: next(down, None) or answers(request)
    start.check_at_start()
    assert wait_for(lambda: "2 hosts by label fqdn" in caplog.text, timeout=30)
    pauses = [record.args for record in caplog.records if "next check" in record.message]
    assert pauses[:3] == [(0.01,), (0.02,), (0.02,)]
    assert caplog.text.count("starting") >= len(pauses)


def test_the_check_is_not_repeated_after_another_problem(
    server: MetricsServer,
    configured: Config,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(start, "_FIRST_PAUSE", 0)
    configured.config(group="watcher_datasources", query_max_retries=1)
    server.replies = [failed(503, "unavailable", "starting"), failed(403, "forbidden", "not you")]
    start.check_at_start()
    assert wait_for(lambda: "not you" in caplog.text, timeout=30)
    assert wait_for(lambda: all(one.name != "aetos-check" for one in threading.enumerate()), timeout=30)
    assert caplog.text.count("next check") == 1


def test_an_unexpected_exception_does_not_stop_the_engine(
    configured: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(start, "_find_problem", broken)
    start.check_at_start()
    assert "check failed: ZeroDivisionError" in caplog.text
    configured.config(group="aetos_client", require_at_start=True)
    with pytest.raises(SystemExit):
        start.check_at_start()


def test_no_request_is_sent_if_it_is_not_configured(
    server: MetricsServer, configured: Config, caplog: pytest.LogCaptureFixture
) -> None:
    configured.config(group="watcher_datasources", datasources=["prometheus"])
    start.check_at_start()
    assert "installed but not configured" in caplog.text
    assert "grouped queries" not in caplog.text
    configured.config(group="prometheus_client", grouped_queries=True)
    start.check_at_start()
    assert "Datasource prometheus (chrysaetos " in caplog.text
    assert server.requests == []


def test_datasources_of_a_strategy_are_checked(
    server: MetricsServer, configured: Config, caplog: pytest.LogCaptureFixture
) -> None:
    configured.config(group="watcher_datasources", datasources=["gnocchi"])
    start.check_at_start()
    assert "installed but not configured" in caplog.text
    configured.config(group="watcher_strategies.basic", datasources=["aetos"])
    start.check_at_start()
    assert "endpoint " + server.url in caplog.text

"""Fixtures for tests that need Watcher, which run in its virtual environments (see the Makefile).

Tests of modules that do not import Watcher run there and in the main environment.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import warnings
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.watcher.sample import SampleCloud, wait_for_targets

from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HAS_WATCHER = importlib.util.find_spec("watcher") is not None

if _HAS_WATCHER:
    with warnings.catch_warnings():
        # Warnings of Watcher and its libraries at import.
        warnings.simplefilter("ignore")
        with suppress(ImportError):
            # From release 17, its tests choose the backend of services, and have to do so first.
            import watcher.tests.unit  # noqa: F401  # chooses the backend
        from keystoneauth1.session import Session
        from keystoneauth1.token_endpoint import Token
        from oslo_config import cfg
        from oslo_config.fixture import Config
        from watcher.common import clients, service  # noqa: F401  # registers options
        from watcher.decision_engine.datasources.manager import DataSourceManager

        import chrysaetos.watcher.plugin  # noqa: F401  # installs the datasources
        from chrysaetos.watcher.datasource import AetosDatasource, PrometheusDatasource
    has_aetos = "aetos" in DataSourceManager.metric_map
    needs_aetos = pytest.mark.skipif(not has_aetos, reason="Watcher 14 has no datasource aetos")
    # Only the wheel of release 17 has its tests there.
    collect_ignore = [] if "watcher.tests.unit" in sys.modules else ["test_upstream.py"]
else:
    collect_ignore = [
        "test_base.py",
        "test_check.py",
        "test_connection.py",
        "test_datasource.py",
        "test_grouped.py",
        "test_known_faults.py",
        "test_plans.py",
        "test_plugin.py",
        "test_start.py",
        "test_strategies.py",
        "test_upstream.py",
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignore deprecation warnings of Watcher itself."""
    for item in items:
        if "tests/watcher/" in item.path.as_posix():
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """Watcher's configuration without files, with few and fast retries."""
    empty = tmp_path / "watcher.conf"
    empty.write_text("")
    # Up to release 16, loading a strategy reads the command line again.
    monkeypatch.setattr("sys.argv", ["watcher", "--config-file", str(empty)])
    cfg.CONF(["--config-file", str(empty)], project="watcher")
    with Config(cfg.CONF) as fixture:
        fixture.config(group="watcher_datasources", query_max_retries=3)
        # Release 14 has the older name.
        interval = "query_interval" if "query_interval" in cfg.CONF.watcher_datasources else "query_timeout"
        fixture.config(group="watcher_datasources", **{interval: 0})
        yield fixture


def clients_of(url: str) -> Any:
    """Return Watcher's OpenStackClients with a session that has a token and this endpoint."""
    osc = clients.OpenStackClients()
    osc._session = Session(auth=Token(url, "token"))
    return osc


def datasource_of(url: str) -> Any:
    """Return the datasource with grouped queries that the release has: ``aetos``, or ``prometheus`` on 14."""
    if has_aetos:
        return AetosDatasource(clients_of(url))
    host, port = url.removeprefix("http://").split(":")
    cfg.CONF.set_override("host", host, "prometheus_client")
    cfg.CONF.set_override("port", int(port), "prometheus_client")
    return PrometheusDatasource()


@pytest.fixture(scope="session")
def cloud() -> SampleCloud:
    """The cloud of the strategies."""
    return SampleCloud(20, 200)


@pytest.fixture(scope="session")
def now() -> int:
    """The time of the samples in all stores."""
    return int(time.time())


@pytest.fixture(scope="session")
def servers() -> Iterator[ExitStack]:
    """A stack of servers that stop at the end of the test session."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def prometheus(
    servers: ExitStack, cloud: SampleCloud, now: int, tmp_path_factory: pytest.TempPathFactory
) -> Prometheus:
    """A real Prometheus with the metrics of the cloud."""
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), scrape_configs=cloud.scrape_configs())
    server.backfill(cloud.text(now))
    servers.enter_context(server)
    wait_for_targets(server, len(cloud.hosts))
    return server

"""Fixtures for tests that need CloudKitty, which run only in its virtual environments (``make test``)."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

import pytest
from keystoneauth1 import loading
from oslo_config import cfg
from tests.fakes.metrics_server import MetricsServer, Reply, success

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fakes.metrics_server import Request

HAS_CLOUDKITTY = importlib.util.find_spec("cloudkitty") is not None
collect_ignore_glob = [] if HAS_CLOUDKITTY else ["*"]

# Warnings of CloudKitty's dependencies at import.
_IGNORED_WARNINGS = (
    "ignore::DeprecationWarning",
    "ignore::PendingDeprecationWarning",
    "ignore::FutureWarning",
)

_GUARD = re.compile(r'absent\([^{]*\{chrysaetos_guard="(\d)",([^}]*)\}\)')
_EQUAL = re.compile(r'(\w+)="chrysaetos_guard"')

Item = dict[str, Any]


def pytest_configure(config: pytest.Config) -> None:
    if HAS_CLOUDKITTY:
        for line in _IGNORED_WARNINGS:
            config.addinivalue_line("filterwarnings", line)


class Prometheus(MetricsServer):
    """Responds to each query with ``items``, and to the guard of a query like a gateway.

    Attributes:
        items: the vector, or a function of the query that returns it.
        annotations: further members of the response, such as ``warnings``.
        first_replies: replies to send first, in order.
        visible_project: the only project whose series the caller can see; None for all projects.
        tenant_label: the gateway's label for the project.
    """

    def __init__(self) -> None:
        super().__init__(self._reply)
        self.items: list[Item] | Callable[[str], list[Item]] = []
        self.annotations: dict[str, Any] = {}
        self.first_replies: list[Reply] = []
        self.visible_project: str | None = None
        self.tenant_label = "project"

    @property
    def queries(self) -> list[str]:
        """The queries that were received."""
        return [request.parameters["query"] for request in self.requests]

    def _reply(self, request: Request) -> Reply:
        if self.first_replies:
            return self.first_replies.pop(0)
        query = request.parameters["query"]
        items = self.items(query) if callable(self.items) else self.items
        return success({"resultType": "vector", "result": [*items, *self._guards(query)]}, **self.annotations)

    def _guards(self, query: str) -> list[Item]:
        guards = []
        for number, matchers in _GUARD.findall(query):
            labels = {
                "chrysaetos_guard": number,
                **dict.fromkeys(_EQUAL.findall(matchers), "chrysaetos_guard"),
            }
            if self.visible_project is not None and labels.pop(self.tenant_label, None) is None:
                labels[self.tenant_label] = self.visible_project
            guards.append({"metric": labels, "value": [0, "1"]})
        return guards


def item(value: str, **labels: str) -> Item:
    """Return an element of a vector."""
    return {"metric": labels, "value": [1700000000, value]}


def limit(request: Request) -> float:
    """Return the time limit of a request in seconds."""
    return int(request.parameters["timeout"].removesuffix("ms")) / 1000


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    with Prometheus() as server:
        yield server


@pytest.fixture
def conf() -> Iterator[cfg.ConfigOpts]:
    """CloudKitty's global configuration."""
    cfg.CONF([], project="cloudkitty", default_config_files=[])
    yield cfg.CONF
    cfg.CONF.reset()


@pytest.fixture
def direct(conf: cfg.ConfigOpts, prometheus: Prometheus) -> cfg.ConfigOpts:
    """A configuration for Prometheus itself."""
    import chrysaetos.cloudkitty.collector.prometheus  # noqa: PLC0415  # registers options
    import chrysaetos.cloudkitty.fetcher.prometheus  # noqa: F401, PLC0415  # the same

    for group in ("collector_prometheus", "fetcher_prometheus"):
        conf.set_override("prometheus_url", f"{prometheus.url}/api/v1", group)
    conf.set_override("metric", "up", "fetcher_prometheus")
    return conf


@pytest.fixture
def through(conf: cfg.ConfigOpts, prometheus: Prometheus) -> cfg.ConfigOpts:
    """A configuration for Aetos."""
    import chrysaetos.cloudkitty.collector.aetos  # noqa: PLC0415  # registers options
    import chrysaetos.cloudkitty.fetcher.aetos  # noqa: F401, PLC0415  # the same

    for group in ("collector_aetos", "fetcher_aetos"):
        conf.register_opts(loading.get_auth_plugin_conf_options("none"), group)
        conf.set_override("auth_type", "none", group)
        conf.set_override("endpoint", prometheus.url, group)
    conf.set_override("metric", "up", "fetcher_aetos")
    return conf

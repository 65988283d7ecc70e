"""The way in: Watcher imports this module, and has the datasources.

Watcher's datasources are properties of `DataSourceManager`; there is no entry point for them. But every one
of its daemons imports all strategies at its start. So this module is a strategy's entry point, and importing
it replaces the properties. It is the one module here with work at import, as nothing else is ever called.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from oslo_config import cfg
from watcher.decision_engine.datasources.manager import DataSourceManager
from watcher.decision_engine.manager import DecisionEngineManager

from chrysaetos.watcher import options, strategies
from chrysaetos.watcher.check import AetosCheck
from chrysaetos.watcher.datasource import AetosDatasource, PrometheusDatasource
from chrysaetos.watcher.start import at_start

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AetosCheck", "install"]

LOG = logging.getLogger(__name__)


def _aetos(manager: Any) -> Any:
    """The manager's datasource `aetos`, made at first use."""
    if manager._aetos is None:  # noqa: SLF001  # the property's own attribute
        manager._aetos = _made(lambda: AetosDatasource(osc=manager.osc))  # noqa: SLF001  # as above
    return manager._aetos  # noqa: SLF001  # as above


def _prometheus_of(original: property) -> Callable[[Any], Any]:
    def prometheus(manager: Any) -> Any:
        """The manager's datasource `prometheus`: grouped where that is switched on, else Watcher's own."""
        if not cfg.CONF.prometheus_client.grouped_queries:
            return original.__get__(manager)
        if manager._prometheus is None:  # noqa: SLF001  # the property's own attribute
            manager._prometheus = _made(PrometheusDatasource)  # noqa: SLF001  # as above
        return manager._prometheus  # noqa: SLF001  # as above

    return prometheus


def _made(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:
        # The manager catches everything, and says only that a metric is not available.
        LOG.error("Datasource cannot be used: %s", error)  # noqa: TRY400  # one line, no traceback
        raise


def _starting(original: Callable[..., None]) -> Callable[..., None]:
    """The decision engine's manager is made once, when the daemon starts, and by nobody else."""

    def init(engine: Any, *arguments: Any, **named: Any) -> None:
        original(engine, *arguments, **named)
        at_start()

    return init


def install() -> None:
    """Put the datasources into Watcher. Called once, below."""
    options.register_options(cfg.CONF)
    maps = DataSourceManager.metric_map
    original = DataSourceManager.prometheus
    DataSourceManager.prometheus = property(_prometheus_of(original), original.fset)
    maps["prometheus"] = dict(maps["prometheus"])
    if "aetos" in maps:
        DataSourceManager.aetos = property(_aetos, DataSourceManager.aetos.fset)
        maps["aetos"] = dict(maps["aetos"])
    strategies.install()
    DecisionEngineManager.__init__ = _starting(DecisionEngineManager.__init__)


install()

"""Install the datasources when Watcher imports this module.

Watcher's datasources are properties of ``DataSourceManager``; there is no entry point for datasources. But
each Watcher daemon imports all strategies at its start. So this module is the entry point of a strategy, and
importing it replaces the properties. Importing has to do this, because Watcher calls no function of a plugin.
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
from chrysaetos.watcher.start import check_at_start

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AetosCheck", "install"]

_LOG = logging.getLogger(__name__)


def _aetos(manager: Any) -> Any:
    """Return the manager's datasource ``aetos``; create it at the first use."""
    if manager._aetos is None:  # noqa: SLF001  # the property's own attribute
        manager._aetos = _create(lambda: AetosDatasource(osc=manager.osc))  # noqa: SLF001  # as above
    return manager._aetos  # noqa: SLF001  # as above


def _replace_prometheus(original: property) -> Callable[[Any], Any]:
    def prometheus(manager: Any) -> Any:
        """Return the manager's datasource ``prometheus``: Watcher's own, or with grouped queries ours."""
        if not cfg.CONF.prometheus_client.grouped_queries:
            return original.__get__(manager)
        if manager._prometheus is None:  # noqa: SLF001  # the property's own attribute
            manager._prometheus = _create(PrometheusDatasource)  # noqa: SLF001  # as above
        return manager._prometheus  # noqa: SLF001  # as above

    return prometheus


def _create(factory: Callable[[], Any]) -> Any:
    try:
        return factory()
    except Exception as error:
        # The manager catches every exception and reports only that a metric is not available.
        _LOG.error("Cannot create the datasource: %s", error)
        raise


def _check_after(original: Callable[..., None]) -> Callable[..., None]:
    """Return the constructor of the decision engine's manager, extended by the check at the start."""

    def init(engine: Any, *arguments: Any, **named: Any) -> None:
        original(engine, *arguments, **named)
        check_at_start()

    return init


def install() -> None:
    """Replace Watcher's datasources. Called once, below."""
    options.register_options(cfg.CONF)
    maps = DataSourceManager.metric_map
    original = DataSourceManager.prometheus
    DataSourceManager.prometheus = property(_replace_prometheus(original), original.fset)
    maps["prometheus"] = dict(maps["prometheus"])
    if "aetos" in maps:
        DataSourceManager.aetos = property(_aetos, DataSourceManager.aetos.fset)
        maps["aetos"] = dict(maps["aetos"])
    strategies.install()
    DecisionEngineManager.__init__ = _check_after(DecisionEngineManager.__init__)


install()

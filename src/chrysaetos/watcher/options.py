"""Options in addition to Watcher's own in ``[aetos_client]`` and ``[prometheus_client]``."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

__all__ = ["list_opts", "register_options"]

_AETOS = [
    cfg.BoolOpt(
        "require_at_start",
        help="Which problems of the datasource aetos stop the decision engine at its start. By default, only "
        "mistakes in the configuration: Keystone has no such endpoint, or the lists of datasources have both "
        "prometheus and aetos. If true, every problem: also Keystone or the gateway is down, the credentials "
        "are rejected, or no host has metrics. If false, none; the engine only logs them.",
    ),
    cfg.IntOpt(
        "max_series",
        default=10000,
        min=1,
        help="Maximum number of hosts or instances in one query. Larger clouds are queried in parts.",
    ),
    cfg.FloatOpt(
        "timeout",
        default=60,
        min=1,
        help="Time limit of a query in seconds, including its retries. [watcher_datasources] "
        "query_max_retries sets the number of attempts.",
    ),
    cfg.BoolOpt(
        "allow_partial",
        default=False,
        help="Use results in which data are missing, for example because a store of Thanos is down, and log "
        "a warning. By default, the audit fails, because hosts or instances would be missing. Also applies "
        "to the datasource prometheus with grouped_queries.",
    ),
]

_PROMETHEUS = [
    cfg.BoolOpt(
        "grouped_queries",
        default=False,
        help="Use grouped queries for the datasource prometheus, too: one query for all hosts or instances.",
    ),
]


def register_options(conf: cfg.ConfigOpts) -> None:
    """Register the options. Calling it again has no effect."""
    for group, options in list_opts():
        conf.register_opts(options, group=group)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the options for ``oslo-config-generator --namespace chrysaetos.watcher``."""
    return [("aetos_client", _AETOS), ("prometheus_client", _PROMETHEUS)]

"""Options beside those that Watcher itself has in `[aetos_client]` and `[prometheus_client]`."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

__all__ = ["AETOS_OPTIONS", "PROMETHEUS_OPTIONS", "list_opts", "register_options"]

AETOS_OPTIONS = [
    cfg.BoolOpt(
        "require_at_start",
        default=False,
        help="End the decision engine at its start when the datasource aetos is configured and cannot be "
        "used: not registered in Keystone, refused, or without any host. Otherwise it starts, and the log "
        "says what is wrong.",
    ),
    cfg.IntOpt(
        "max_series",
        default=10000,
        min=1,
        help="The most hosts or instances that one query is about. A larger cloud is asked about in parts.",
    ),
    cfg.FloatOpt(
        "timeout",
        default=60,
        min=1,
        help="Seconds for one query with all its tries. How many tries there may be is said by "
        "[watcher_datasources] query_max_retries.",
    ),
]

PROMETHEUS_OPTIONS = [
    cfg.BoolOpt(
        "grouped_queries",
        default=False,
        help="Serve the datasource prometheus by grouped queries, too: one for all hosts or instances.",
    ),
]


def register_options(conf: cfg.ConfigOpts) -> None:
    """Make the options known. Twice is harmless."""
    for group, options in list_opts():
        conf.register_opts(options, group=group)


def list_opts() -> list[tuple[str, list[Any]]]:
    """What `oslo-config-generator --namespace chrysaetos.watcher` writes."""
    return [("aetos_client", AETOS_OPTIONS), ("prometheus_client", PROMETHEUS_OPTIONS)]

"""The options of cloudkitty.conf, and how they are registered beside CloudKitty's own.

This module does not import CloudKitty: oslo-config-generator lists the options without it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from keystoneauth1 import loading
from oslo_config import cfg

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "COLLECTOR_AETOS",
    "COLLECTOR_CHRYSAETOS",
    "COLLECTOR_PROMETHEUS",
    "DEFAULT_TIMEOUT",
    "FETCHER_AETOS",
    "FETCHER_PROMETHEUS",
    "list_opts",
    "register",
    "register_keystone",
]

COLLECTOR_AETOS = "collector_aetos"
COLLECTOR_PROMETHEUS = "collector_prometheus"
COLLECTOR_CHRYSAETOS = "collector_chrysaetos"
FETCHER_AETOS = "fetcher_aetos"
FETCHER_PROMETHEUS = "fetcher_prometheus"

DEFAULT_TIMEOUT = 60.0
"""Seconds for one query where nothing else is configured."""

# CloudKitty 25 registers these two with the same words, and oslo.config takes what is equal to the letter.
_KEYSTONE = (
    cfg.StrOpt(
        "interface",
        default="public",
        choices=["internal", "public", "admin"],
        help="Type of endpoint to use in keystoneclient.",
    ),
    cfg.StrOpt(
        "region_name",
        default=None,
        help="Region in Identity service catalog to use for communication with the OpenStack service.",
    ),
)

_PROMETHEUS = (
    cfg.StrOpt(
        "prometheus_url", default="", help="URL of Prometheus' HTTP API, such as http://host:9090/api/v1."
    ),
    cfg.StrOpt("prometheus_user", help="User for HTTP basic authentication."),
    cfg.StrOpt("prometheus_password", secret=True, help="Password for HTTP basic authentication."),
    cfg.StrOpt("cafile", help="File with the certificate authorities to trust."),
    cfg.BoolOpt("insecure", default=False, help="Accept any certificate."),
    cfg.FloatOpt(
        "timeout", default=DEFAULT_TIMEOUT, min=0, help="Seconds that a query may take; 0 for no bound."
    ),
)

_COLLECTOR = (
    cfg.BoolOpt(
        "bulk",
        default=True,
        help="Ask once for all scopes and share the answer out, instead of once for each scope.",
    ),
    cfg.IntOpt(
        "bulk_cache_seconds",
        default=600,
        min=1,
        help="How long an answer for all scopes counts.",
    ),
    cfg.IntOpt(
        "bulk_cache_series",
        default=100_000,
        min=1,
        help="How many series the answers that are kept may hold together. Each takes about a kilobyte. "
        "While there is no room, each scope is asked for by itself.",
    ),
)

_SCOPES = (
    cfg.StrOpt("metric", help="Metric whose series tell which scopes there are. It has to be set."),
    cfg.StrOpt("scope_attribute", default="project_id", help="Label that holds the scope."),
    cfg.DictOpt(
        "filters", default={}, help="Only series with these labels count: label1:value1,label2:value2."
    ),
)

_LOOK_BACK = (
    cfg.IntOpt(
        "look_back",
        min=1,
        help="How far to look back for scopes, in seconds. A scope that has ended has to be found until all "
        "of its periods are rated. Default: [collect] period times (wait_periods + 2). Raise it for the time "
        "after an outage of the processor.",
    ),
)

_OPTIONS: dict[str, tuple[cfg.Opt, ...]] = {
    COLLECTOR_AETOS: _KEYSTONE,
    COLLECTOR_PROMETHEUS: _PROMETHEUS,
    COLLECTOR_CHRYSAETOS: _COLLECTOR,
    FETCHER_AETOS: (*_SCOPES, *_KEYSTONE, *_LOOK_BACK),
    FETCHER_PROMETHEUS: (*_SCOPES, *_PROMETHEUS, *_LOOK_BACK),
}


def register(conf: cfg.ConfigOpts, group: str) -> None:
    """Register the options of a section.

    An option that CloudKitty has registered already stays as CloudKitty has it.

    Args:
        conf: the configuration.
        group: one of the sections of this module.
    """
    for option in _OPTIONS[group]:
        with suppress(cfg.DuplicateOptError):
            conf.register_opt(option, group)


def register_keystone(conf: cfg.ConfigOpts, group: str) -> None:
    """As `register`, and keystoneauth's options with it."""
    loading.register_session_conf_options(conf, group)
    loading.register_auth_conf_options(conf, group)
    register(conf, group)


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """All options, for oslo-config-generator."""
    keystone = (*loading.get_session_conf_options(), *loading.get_auth_common_conf_options())
    return [
        (group, [*options, *(keystone if group in {COLLECTOR_AETOS, FETCHER_AETOS} else ())])
        for group, options in _OPTIONS.items()
    ]

"""The options of cloudkitty.conf, and their registration together with CloudKitty's own.

This module does not import CloudKitty, so that oslo-config-generator can list the options without it.
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
"""The default time limit of a query in seconds."""

_ALLOW_PARTIAL = cfg.BoolOpt(
    "allow_partial",
    default=False,
    help="Use results in which data are missing, for example because a store of Thanos is down. By default, "
    "they are errors, and CloudKitty tries again in the next cycle: a missing series would be rated as no "
    "usage.",
)

# CloudKitty 25 registers the first two, too; oslo.config accepts only identical options, with the same help.
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
    _ALLOW_PARTIAL,
)

_PROMETHEUS = (
    cfg.StrOpt(
        "prometheus_url", default="", help="URL of Prometheus' HTTP API, such as http://host:9090/api/v1."
    ),
    cfg.StrOpt("prometheus_user", help="User for HTTP basic authentication."),
    cfg.StrOpt("prometheus_password", secret=True, help="Password for HTTP basic authentication."),
    cfg.StrOpt("cafile", help="File with the CA certificates to trust."),
    cfg.BoolOpt("insecure", default=False, help="Do not verify certificates."),
    cfg.FloatOpt(
        "timeout", default=DEFAULT_TIMEOUT, min=0, help="Time limit of a query in seconds; 0 for no limit."
    ),
    _ALLOW_PARTIAL,
)

_COLLECTOR = (
    cfg.BoolOpt(
        "bulk",
        default=True,
        help="Send one query for all scopes and share its result, instead of one query for each scope.",
    ),
    cfg.IntOpt(
        "bulk_cache_seconds",
        default=600,
        min=1,
        help="Time in seconds for which the result for all scopes is cached.",
    ),
    cfg.IntOpt(
        "bulk_cache_series",
        default=100_000,
        min=1,
        help="Maximum number of series in all cached results. A series takes about a kilobyte. While the "
        "cache is full, each scope is queried separately.",
    ),
)

_SCOPES = (
    cfg.StrOpt("metric", help="Metric whose series have the scopes. Required."),
    cfg.StrOpt("scope_attribute", default="project_id", help="Label of the scope."),
    cfg.DictOpt(
        "filters", default={}, help="Use only series with these labels: label1:value1,label2:value2."
    ),
)

_LOOK_BACK = (
    cfg.IntOpt(
        "look_back",
        min=0,
        help="Look-back time for scopes in seconds. A scope that has ended has to be found until all of its "
        "periods are rated. Default: [collect] period * (wait_periods + 2). After an outage of the "
        "processor, increase it by the length of the outage. With 0, only scopes that have series now are "
        "found, and the last periods of a scope that has ended are not rated.",
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
    """Register the options of a section, except those that CloudKitty has already registered.

    Args:
        conf: the configuration.
        group: one of the sections of this module.
    """
    for option in _OPTIONS[group]:
        with suppress(cfg.DuplicateOptError):
            conf.register_opt(option, group)


def register_keystone(conf: cfg.ConfigOpts, group: str) -> None:
    """Register the options of a section, and those of keystoneauth1.

    Args:
        conf: the configuration.
        group: one of the sections of this module.
    """
    loading.register_session_conf_options(conf, group)
    loading.register_auth_conf_options(conf, group)
    register(conf, group)


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """Return all options, for oslo-config-generator."""
    keystone = (*loading.get_session_conf_options(), *loading.get_auth_common_conf_options())
    return [
        (group, [*options, *(keystone if group in {COLLECTOR_AETOS, FETCHER_AETOS} else ())])
        for group, options in _OPTIONS.items()
    ]

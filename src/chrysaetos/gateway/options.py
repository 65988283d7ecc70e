"""The gateway's configuration: its options, and how they are read.

An Aetos configuration works as it is: its sections ``[DEFAULT]``, ``[prometheus]``, ``[keystone_authtoken]``,
``[oslo_policy]`` and ``[cors]`` mean the same here. Options that Aetos does not have are in ``[gateway]``
and ``[prometheus]``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from oslo_config import cfg, iniparser
from oslo_log import log

from chrysaetos import __version__
from chrysaetos.errors import ConfigError
from chrysaetos.gateway.app.cors import CORS_OPTIONS
from chrysaetos.gateway.federate.options import FEDERATION_OPTIONS
from chrysaetos.gateway.proxy.engine_options import ENGINE_OPTIONS
from chrysaetos.gateway.proxy.query_budgets import BUDGET_OPTIONS
from chrysaetos.gateway.telemetry.options import TELEMETRY_OPTIONS
from chrysaetos.gateway.trusted_proxies import TRUSTED_PROXIES_OPTIONS
from chrysaetos.gateway.web.options import WEB_OPTIONS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["DEFAULT_FILE", "command_parser", "describe_error", "list_opts", "load_conf"]

DEFAULT_FILE = Path("/etc/chrysaetos/aetos.conf")
"""The file that ``chrysaetos gateway init`` writes, and that is read without ``--config-file``."""

PROMETHEUS_OPTIONS = [
    cfg.StrOpt("host", default="localhost", help="Host name or address of Prometheus."),
    cfg.PortOpt("port", default=9090, help="Port of Prometheus."),
    cfg.BoolOpt("use_tls", default=False, help="Whether to connect to Prometheus with TLS."),
    cfg.StrOpt(
        "ca_file",
        help="File with the certificate authorities for Prometheus' certificate. The default is the "
        "system's.",
    ),
    cfg.StrOpt("cert_file", help="File with the gateway's client certificate for Prometheus."),
    cfg.StrOpt("key_file", help="File with the key of the client certificate."),
    cfg.StrOpt("username", help="User for Basic authentication with Prometheus. Requires password."),
    cfg.StrOpt("password", secret=True, help="Password for Basic authentication with Prometheus."),
    cfg.StrOpt("project_label_name", default="project", help="Label that holds the project id of a series."),
    cfg.DictOpt(
        "metric_label_names",
        default={},
        help="Labels that hold the project in some metrics, by the metric's name or a prefix, such as "
        "``ceilometer_*:project_id``. They apply only where a query fixes the metric's name.",
    ),
    cfg.ListOpt(
        "open_metrics",
        default=[],
        help="Metrics that all projects may read, by name or a prefix, such as ``public_*``. They apply only "
        "where a query fixes the metric's name.",
    ),
    cfg.ListOpt(
        "replicas",
        default=[],
        help="Additional servers with the same series, as host:port. If a server fails, the gateway uses "
        "the next.",
    ),
    cfg.DictOpt(
        "headers",
        default={},
        help="Headers to add to each request to Prometheus, such as X-Scope-OrgID:cloud.",
    ),
    cfg.StrOpt(
        "path_prefix", default="", help="Path below which Prometheus serves its API, such as /prometheus."
    ),
    cfg.FloatOpt(
        "timeout",
        default=130.0,
        min=0.1,
        help="Seconds to wait for the first byte of a response, and for each further byte.",
    ),
    cfg.FloatOpt("connect_timeout", default=5.0, min=0.1, help="Seconds to wait for a connection."),
    cfg.IntOpt(
        "max_connections",
        default=200,
        min=1,
        help="Maximum number of connections to each server, for each worker. Do not set it below "
        "the sum of [gateway] max_requests and max_sending, or requests queue for connections regardless of "
        "their project. Prometheus accepts 512 by default (--web.max-connections).",
    ),
]

GATEWAY_OPTIONS = [
    cfg.StrOpt("host", default="127.0.0.1", help="Address to listen on."),
    cfg.PortOpt("port", default=8042, help="Port to listen on."),
    cfg.StrOpt(
        "unix_socket",
        help="Path of a Unix socket to listen on instead, accessible to the gateway's user and group. "
        "Sockets from systemd take precedence over both.",
    ),
    cfg.IntOpt("workers", default=1, min=1, help="Number of processes that serve requests."),
    cfg.StrOpt(
        "path_prefix",
        default="",
        help="Path of the endpoint in the catalog, such as /metric-storage. The gateway removes it from "
        "each request.",
    ),
    cfg.FloatOpt(
        "token_cache_seconds",
        default=60.0,
        min=0.0,
        help="How long Keystone's answer about a token is cached. A revoked token keeps working for this "
        "long, with memcached (see [keystone_authtoken]) for token_cache_time longer.",
    ),
    cfg.FloatOpt(
        "keystone_wait_seconds",
        default=5.0,
        min=0.1,
        help="Seconds that a request waits for Keystone. Beyond that, and while Keystone does not answer at "
        "all, requests whose credentials are not cached get 503.",
    ),
    cfg.FloatOpt(
        "auth_failures_per_second",
        default=10.0,
        min=0.0,
        help="Invalid tokens and wrong passwords allowed per second from one address, for each worker. "
        "Beyond that, the gateway answers unknown credentials from the address with 429 and does "
        "not ask Keystone; cached tokens keep working. 0: no limit, for use behind a load balancer "
        "that has one.",
    ),
    cfg.IntOpt(
        "auth_failures_burst",
        default=100,
        min=1,
        help="Invalid tokens and wrong passwords allowed at once from one address, for each worker.",
    ),
    cfg.FloatOpt(
        "domain_cache_seconds",
        default=60.0,
        min=0.0,
        help="How long Keystone's list of a domain's projects is cached, for domain-scoped tokens.",
    ),
    cfg.IntOpt(
        "max_domain_projects",
        default=1000,
        min=1,
        max=10000,
        help="Maximum number of projects of a domain, for domain-scoped tokens. Each selector of a query "
        "names all of them.",
    ),
    cfg.FloatOpt(
        "drain_seconds",
        default=30.0,
        min=0.0,
        help="How long requests in progress may take when the gateway stops.",
    ),
    cfg.IntOpt(
        "max_clients",
        default=2000,
        min=1,
        help="Maximum number of client connections, for each worker. For a further connection, the "
        "gateway closes the one that has waited longest for its client: idle, in the middle of a request, or "
        "for the client to read a response.",
    ),
    cfg.FloatOpt(
        "header_timeout", default=10.0, min=0.1, help="Seconds to wait for the headers of a request."
    ),
    cfg.FloatOpt("body_timeout", default=30.0, min=0.1, help="Seconds to wait for the body of a request."),
    cfg.FloatOpt(
        "keep_alive_timeout",
        default=75.0,
        min=0.1,
        help="Seconds for which an idle connection stays open. Set it higher than the time for which a "
        "load balancer in front keeps idle connections open.",
    ),
    cfg.FloatOpt(
        "write_timeout",
        default=60.0,
        min=0.1,
        help="Seconds after which a client that reads a response more slowly than min_write_rate is "
        "disconnected.",
    ),
    cfg.IntOpt(
        "min_write_rate",
        default=1024,
        min=1,
        help="Bytes of a response per second that a client must read, on average over write_timeout.",
    ),
    cfg.IntOpt(
        "max_header_bytes",
        default=64 * 1024,
        min=1024,
        help="Maximum size of the header fields of a request.",
    ),
    cfg.IntOpt(
        "max_url_bytes", default=128 * 1024, min=1024, help="Maximum length of a URL, including its query."
    ),
    cfg.IntOpt(
        "max_body_bytes", default=1024 * 1024, min=1024, help="Maximum size of the body of a request."
    ),
    cfg.IntOpt(
        "max_read_bytes",
        default=1024 * 1024,
        min=1024,
        max=64 * 1024 * 1024,
        help="Maximum size of a remote read message after decompression. max_body_bytes limits its "
        "compressed size.",
    ),
    cfg.IntOpt(
        "max_unfinished_bytes",
        default=64 * 1024 * 1024,
        min=1024 * 1024,
        help="Maximum total size of requests that have not been received completely, for each worker. Beyond "
        "it, the request that has been incomplete longest is rejected. Set it well above max_body_bytes.",
    ),
    cfg.IntOpt(
        "max_query_bytes", default=256 * 1024, min=64, help="Maximum length of a PromQL text, decoded."
    ),
    cfg.IntOpt(
        "max_query_depth",
        default=100,
        min=1,
        max=150,
        help="Maximum nesting of parentheses in a PromQL text.",
    ),
]

LIMIT_OPTIONS = [
    cfg.IntOpt(
        "max_response_bytes",
        default=512 * 1024 * 1024,
        min=0,
        help="Maximum size of a response, as sent (compressed or not). 0: no limit.",
    ),
    cfg.IntOpt(
        "max_filtered_bytes",
        default=16 * 1024 * 1024,
        min=64 * 1024,
        max=1024 * 1024 * 1024,
        help="Maximum size of a response about rules, targets or metadata that the gateway filters for a "
        "project. The gateway reads it completely, which takes several times its size in memory.",
    ),
    cfg.IntOpt(
        "max_requests",
        default=100,
        min=0,
        help="Maximum number of requests that wait for Prometheus, for each worker. 0: no limit.",
    ),
    cfg.IntOpt(
        "max_requests_per_project",
        default=10,
        min=0,
        help="Maximum number of requests of one project in progress, for each worker. 0: no limit. "
        "Prometheus runs 20 queries at a time by default (--query.max-concurrency): if one project may "
        "send as many, all other projects can be kept waiting.",
    ),
    cfg.IntOpt(
        "max_sending",
        default=100,
        min=0,
        help="Maximum number of responses that are being sent to clients, for each worker. Beyond that, the "
        "oldest response of the project with the most is cut off. 0: no limit.",
    ),
    cfg.FloatOpt(
        "cpu_seconds_per_project",
        default=2.0,
        min=0.0,
        help="CPU time of the gateway that one project may use in each cpu_window_seconds, "
        "for each worker, to scope texts that are not cached and to filter responses. Beyond that, requests "
        "that need CPU time get 429. 0: no limit.",
    ),
    cfg.FloatOpt(
        "cpu_window_seconds",
        default=10.0,
        min=1.0,
        help="The period in seconds for cpu_seconds_per_project.",
    ),
    cfg.IntOpt(
        "max_waiting",
        default=1000,
        min=0,
        help="Maximum number of requests that wait for their turn. Set it well above "
        "max_waiting_per_project.",
    ),
    cfg.IntOpt(
        "max_waiting_per_project",
        default=100,
        min=0,
        help="Maximum number of requests of one project that wait for their turn.",
    ),
    cfg.FloatOpt("wait_seconds", default=10.0, min=0.0, help="How long a request waits for its turn."),
    cfg.BoolOpt(
        "share_requests",
        default=True,
        help="Whether identical reads of one scope that are in progress at the same time share one "
        "request to Prometheus.",
    ),
    cfg.FloatOpt(
        "share_max_age",
        default=1.0,
        min=0.0,
        help="Seconds for which identical reads can join a request in progress, from its start.",
    ),
]

_AUTH_MODE = cfg.StrOpt(
    "auth_mode",
    default="keystone",
    choices=[
        ("keystone", "Keystone authenticates callers."),
        ("noauth", "For trials: no authentication, and every caller sees all series."),
    ],
    help="How callers are authenticated.",
)

_PROG = "chrysaetos gateway"


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return all options by section, for oslo.config's sample generator."""
    gateway = GATEWAY_OPTIONS + TRUSTED_PROXIES_OPTIONS + LIMIT_OPTIONS + BUDGET_OPTIONS + TELEMETRY_OPTIONS
    return [
        ("DEFAULT", [_AUTH_MODE]),
        ("cors", CORS_OPTIONS),
        ("federation", FEDERATION_OPTIONS),
        ("gateway", gateway),
        ("prometheus", PROMETHEUS_OPTIONS + ENGINE_OPTIONS),
        ("web", WEB_OPTIONS),
    ]


def load_conf(arguments: Sequence[str]) -> cfg.ConfigOpts:
    """Read the configuration files that the arguments name.

    Without ``--config-file``, these are ``DEFAULT_FILE`` and the directory ``aetos.conf.d`` beside it. If
    there is no such file, oslo.config looks for that of Aetos, such as ``/etc/aetos/aetos.conf``.

    Args:
        arguments: ``--config-file``, ``--config-dir`` and the options of oslo.log.

    Raises:
        ConfigError: a file is missing, or a value is invalid.
    """
    conf = _registered()
    files = directories = None  # those of oslo.config
    try:
        if DEFAULT_FILE.exists():
            directory = DEFAULT_FILE.with_suffix(".conf.d")
            files, directories = [str(DEFAULT_FILE)], [str(directory)] if directory.is_dir() else []
    except OSError as error:
        raise ConfigError(f"the configuration cannot be read: {error}") from None
    try:
        conf(
            list(arguments),
            project="aetos",
            prog=_PROG,
            version=__version__,
            default_config_files=files,
            default_config_dirs=directories,
        )
    except cfg.Error as error:
        raise ConfigError(f"the configuration cannot be read: {describe_error(error)}") from None
    for group, options in list_opts():
        for option in options:
            _check(conf if group == "DEFAULT" else conf[group], group, option.dest)
    return conf


def describe_error(error: Exception) -> str:
    """Return the message of an error of oslo.config, without the line of the file: it may have a password."""
    cause = error.__context__
    if isinstance(error, cfg.ConfigFileParseError) and isinstance(cause, iniparser.ParseError):
        return f"{error.config_file}, line {cause.lineno}: {cause.msg}"
    return str(error)


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of the command, which oslo.config creates when it parses arguments."""
    conf = _registered()
    conf([], prog=_PROG, version=__version__, default_config_files=[], default_config_dirs=[])
    parser = cast("argparse.ArgumentParser", conf._oparser)  # noqa: SLF001  # there is no public attribute
    parser.description = "Serve the gateway."
    return parser


def _registered() -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    for group, options in list_opts():
        conf.register_opts(options, group=None if group == "DEFAULT" else group)
    return conf


def _check(section: cfg.ConfigOpts | cfg.ConfigOpts.GroupAttr, group: str, name: str) -> None:
    """Read a value: oslo.config checks values when they are read."""
    try:
        _ = section[name]
    except (cfg.Error, ValueError) as error:
        # oslo.config's message lacks the section and shows an internal object for the file.
        reason = str(error).rpartition(" is not valid: ")[2]
        raise ConfigError(f"[{group}] {name}: {reason}") from error

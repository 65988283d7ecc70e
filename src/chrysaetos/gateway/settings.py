"""The options of the application and of the upstream, from the configuration."""

from __future__ import annotations

import base64
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.app.cors import load_cors
from chrysaetos.gateway.proxy.engine_options import ENGINE_NAMES, load_engine
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.proxy.query_budgets import load_budgets
from chrysaetos.gateway.trusted_proxies import load_trusted_proxies
from chrysaetos.http.abnf import PATH_PREFIX
from chrysaetos.http.upstream.pool import UpstreamOptions
from chrysaetos.promql.parser import Bounds
from chrysaetos.tenancy.labels import LabelTable
from chrysaetos.tenancy.scope import Scope

if TYPE_CHECKING:
    from oslo_config import cfg

__all__ = ["load_labels", "load_options"]


def load_options(conf: cfg.ConfigOpts) -> tuple[GatewayOptions, tuple[UpstreamOptions, ...]]:
    """Return the application's options, and the upstream's: one for each server.

    Raises:
        ConfigError: a value is invalid. The message names the option.
    """
    gateway, prometheus = conf.gateway, conf.prometheus
    for group, section in (("gateway", gateway), ("prometheus", prometheus)):
        if not PATH_PREFIX.fullmatch(section.path_prefix):
            raise ConfigError(
                f"[{group}] path_prefix: {section.path_prefix!r} must start with a slash and not end with one"
            )
    engine = load_engine(prometheus, load_labels(conf)[1])
    load_cors(conf)
    load_trusted_proxies(conf)
    application = GatewayOptions(
        path_prefix=gateway.path_prefix,
        max_url_bytes=gateway.max_url_bytes,
        max_body_bytes=gateway.max_body_bytes,
        max_read_bytes=gateway.max_read_bytes,
        bounds=Bounds(bytes=gateway.max_query_bytes, depth=gateway.max_query_depth),
        timeout=prometheus.timeout,
        max_response_bytes=gateway.max_response_bytes,
        max_filtered_bytes=gateway.max_filtered_bytes,
        engine=engine,
        engine_name=ENGINE_NAMES[prometheus.engine],
        engine_warns_of_stores=prometheus.engine == "thanos",
        budgets=load_budgets(gateway.budgets_file, prometheus.engine),
    )
    headers = (*_basic(prometheus), *prometheus.headers.items())
    replaced = tuple(field for field in headers if field[0].lower() in engine.header_names)
    upstream = UpstreamOptions(
        host=prometheus.host,
        port=prometheus.port,
        tls=_tls(prometheus) if prometheus.use_tls else None,
        path_prefix=prometheus.path_prefix,
        static_headers=tuple(field for field in headers if field not in replaced),
        default_headers=replaced,
        connect_timeout=prometheus.connect_timeout,
        max_connections=prometheus.max_connections,
        max_idle=prometheus.max_connections,
    )
    return application, (upstream, *(replace(upstream, **_address(each)) for each in prometheus.replicas))


def load_labels(conf: cfg.ConfigOpts) -> tuple[str, LabelTable]:
    """Return the label that holds the project, and the table of metrics with another label.

    Raises:
        ConfigError: a label or a metric name is invalid.
    """
    section = conf.prometheus
    try:
        Scope.of(section.project_label_name, "project")
    except ValueError as error:
        raise ConfigError(f"[prometheus] project_label_name: {error}") from error
    try:
        table = LabelTable.of(section.metric_label_names, section.open_metrics)
        Scope(section.project_label_name, ("project",), table)
    except ValueError as error:
        raise ConfigError(f"[prometheus] metric_label_names or open_metrics: {error}") from error
    return section.project_label_name, table


def _address(text: str) -> dict[str, Any]:
    """Return host and port of a replica; an IPv6 address is in brackets."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"[prometheus] replicas: {text!r} should be host:port")
    return {"host": host.removeprefix("[").removesuffix("]"), "port": int(port)}


def _tls(section: cfg.ConfigOpts.GroupAttr) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=section.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[prometheus] ca_file: {error}") from error
    if bool(section.cert_file) != bool(section.key_file):
        raise ConfigError("[prometheus] cert_file and key_file: set both or neither")
    if section.cert_file:
        try:
            context.load_cert_chain(section.cert_file, section.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"[prometheus] cert_file or key_file: {error}") from error
    return context


def _basic(section: cfg.ConfigOpts.GroupAttr) -> tuple[tuple[str, str], ...]:
    if bool(section.username) != bool(section.password):
        raise ConfigError("[prometheus] username and password: set both or neither")
    if not section.username:
        return ()
    credentials = base64.b64encode(f"{section.username}:{section.password}".encode()).decode("ascii")
    return (("Authorization", f"Basic {credentials}"),)

"""The gate without a gateway: build an application that serves only the gate."""

from __future__ import annotations

import base64
import logging
import ssl
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.app.application import Application
from chrysaetos.gateway.app.request import Request
from chrysaetos.gateway.federate.handler import GateLimits, PortalHandler
from chrysaetos.gateway.federate.metrics import GateMetrics
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.service import Service
from chrysaetos.gateway.telemetry.audit import Audit, open_log
from chrysaetos.gateway.telemetry.metrics import Telemetry
from chrysaetos.gateway.telemetry.metrics_server import MetricsServer
from chrysaetos.http.abnf import PATH_PREFIX
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.http.urls import check_url
from chrysaetos.portals.tokens import TokenFile

if TYPE_CHECKING:
    from pathlib import Path

    from chrysaetos.gateway.app.exchange import Exchange
    from chrysaetos.http.types import HttpRequest

__all__ = ["MAX_URL_BYTES", "Settings", "build", "upstream_options"]

MAX_URL_BYTES = 33 * 1024
"""The gate's maximum length of a query, plus the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of the gate.

    Attributes:
        tokens: the token file.
        upstream: the site's Prometheus.
        limits: the limits on portals.
        audit_file: file for the audit log; None for the log.
        audit_json: whether the audit log is JSON.
        metrics: address and port of the gate's own metrics; None for none.
    """

    tokens: Path
    upstream: UpstreamOptions
    limits: GateLimits
    audit_file: str | None = None
    audit_json: bool = False
    metrics: tuple[str, int] | None = None


def build(settings: Settings) -> Service:
    """Build the gate from its settings.

    Raises:
        ConfigError: the token file is invalid or contains no valid token, or the audit file cannot be opened.
    """
    tokens = TokenFile(settings.tokens)
    options = settings.upstream
    upstream = Upstream(options)
    log = open_log(settings.audit_file, "--audit-file") if settings.audit_file else None
    audit = Audit(as_json=settings.audit_json, logger=log)
    telemetry = Telemetry(
        upstreams={f"{options.host}:{options.port}": upstream},
        logs={"process": logging.getLogger(), "audit": audit.logger},
    )
    metrics: tuple[MetricsServer, ...] = ()
    if settings.metrics is not None:
        host, port = settings.metrics
        metrics = (MetricsServer(telemetry.render, host, (port,), ("--metrics-bind", "--metrics-port")),)
    offload = Offload(CpuBudget())
    handler = _GateOnly(PortalHandler(tokens, upstream, settings.limits, offload=offload))
    return Service.observed(
        partial(Application, handler, on_close=(upstream.close, offload.close)),
        telemetry=telemetry,
        portals=(GateMetrics(tokens),),
        audit=(audit,),
        metrics=metrics,
        reload=tokens.reload,
    )


def upstream_options(
    url: str, *, ca: Path | None = None, user: str | None = None, password: str | None = None
) -> UpstreamOptions:
    """Return the options of the connections to the site's Prometheus.

    Args:
        url: an ``http`` or ``https`` URL with host, port and path prefix.
        ca: file with CA certificates; the system's if None.
        user: user for Basic authentication.
        password: the user's password.

    Raises:
        ConfigError: an argument is invalid.
    """
    # All users of a machine can list the arguments of processes.
    parts = check_url(url, "--upstream", "--upstream-user and --upstream-password-file")
    prefix = parts.path.rstrip("/")
    if not PATH_PREFIX.fullmatch(prefix):
        raise ConfigError(f"--upstream: {url!r}: the path may have letters, digits and . _ ~ - only")
    if (user is None) != (password is None):
        raise ConfigError("--upstream-user and --upstream-password-file: give both or neither")
    secure = parts.scheme == "https"
    if ca is not None and not secure:
        raise ConfigError("--upstream-ca requires an --upstream with https")
    headers: tuple[tuple[str, str], ...] = ()
    if user is not None:
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        headers = (("Authorization", f"Basic {credentials}"),)
    return UpstreamOptions(
        host=parts.hostname or "",
        port=parts.port or (443 if secure else 80),
        tls=_tls(ca) if secure else None,
        path_prefix=prefix,
        static_headers=headers,
        max_connections=20,
        max_idle=20,
    )


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--upstream-ca: {error}") from error


class _RequestLimits:
    path_prefix = ""
    max_url_bytes = MAX_URL_BYTES
    max_body_bytes = 0


class _GateOnly:
    """Passes every request to the gate."""

    def __init__(self, gate: PortalHandler) -> None:
        self._gate = gate
        self._limits = _RequestLimits()

    async def handle(self, received: HttpRequest, exchange: Exchange) -> None:
        """Respond to a request."""
        request = Request(received, self._limits)
        exchange.path = request.path
        await self._gate.handle(request, exchange)

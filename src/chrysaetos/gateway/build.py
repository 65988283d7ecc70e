"""Build the gateway's service from a configuration."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.errors import ConfigError
from chrysaetos.gateway.app.cors import load_cors
from chrysaetos.gateway.federate.options import load_gate
from chrysaetos.gateway.proxy.coalescing import Coalescer
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.routing import create_app
from chrysaetos.gateway.service import Service
from chrysaetos.gateway.settings import load_labels, load_options
from chrysaetos.gateway.telemetry.audit import Audit, open_log
from chrysaetos.gateway.telemetry.metrics import Telemetry
from chrysaetos.gateway.telemetry.metrics_server import MetricsServer
from chrysaetos.gateway.web.options import load_web
from chrysaetos.http.upstream.pool import Upstream
from chrysaetos.http.upstream.replicas import Replicas
from chrysaetos.identity.authenticator import KeystoneAuthenticator, create_authenticator
from chrysaetos.identity.noauth import NoAuthenticator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oslo_config import cfg

    from chrysaetos.http.upstream.pool import UpstreamOptions

__all__ = ["build"]


def build(conf: cfg.ConfigOpts) -> Service:
    """Build the service that a configuration describes.

    Raises:
        ConfigError: a value is invalid.
    """
    application, upstreams = load_options(conf)
    section = conf.gateway
    pools = _pools(upstreams)
    pool = Replicas(tuple(pools.values())) if len(pools) > 1 else next(iter(pools.values()))
    identity = _identity(conf)
    keystone = identity if isinstance(identity, KeystoneAuthenticator) else None
    access = PolicyAccess(conf, *load_labels(conf), domains=keystone.projects if keystone else None)
    limits = _request_limits(conf)
    offload = Offload(CpuBudget(section.cpu_seconds_per_project, section.cpu_window_seconds))
    coalescer = Coalescer(max_age=section.share_max_age) if section.share_requests else None
    audit = _audit(conf)
    telemetry = Telemetry(
        keystone=keystone,
        upstreams=pools,
        replicas=pool if isinstance(pool, Replicas) else None,
        limits=limits,
        offload=offload,
        policy=access,
        coalescer=coalescer,
        logs={"process": logging.getLogger()} | ({"audit": audit[0].logger} if audit else {}),
        per_project=section.metrics_per_project,
        max_projects=section.metrics_max_projects,
    )
    gate, portals = load_gate(conf, pool, offload)
    web = load_web(conf, keystone)

    def reload() -> None:
        access.reload()
        if web is not None:
            web.reload()

    create = partial(
        create_app,
        application,
        identity=identity,
        access=access,
        upstream=pool,
        limits=limits,
        offload=offload,
        coalescer=coalescer,
        gate=gate,
        cors=load_cors(conf),
        web=web,
    )
    return Service.observed(
        create,
        telemetry=telemetry,
        portals=portals,
        audit=audit,
        metrics=_metrics(conf, telemetry),
        reload=reload,
    )


def _pools(upstreams: Sequence[UpstreamOptions]) -> dict[str, Upstream]:
    """Return the pools of connections by the address of the server.

    Raises:
        ConfigError: a value cannot be sent as HTTP.
    """
    try:
        return {f"{options.host}:{options.port}": Upstream(options) for options in upstreams}
    except ValueError as error:
        raise ConfigError(f"[prometheus] host, replicas or headers: {error}") from error


def _request_limits(conf: cfg.ConfigOpts) -> Limits:
    section = conf.gateway
    return Limits(
        LimitOptions(
            max_requests=section.max_requests,
            max_requests_per_project=section.max_requests_per_project,
            max_sending=section.max_sending,
            max_waiting=section.max_waiting,
            max_waiting_per_project=section.max_waiting_per_project,
            wait_seconds=section.wait_seconds,
        )
    )


def _identity(conf: cfg.ConfigOpts) -> KeystoneAuthenticator | NoAuthenticator:
    if conf.auth_mode == "noauth":
        return NoAuthenticator()
    section = conf.gateway
    return create_authenticator(
        conf,
        cache_seconds=section.token_cache_seconds,
        failures_burst=section.auth_failures_burst,
        failures_per_second=section.auth_failures_per_second,
        domain_seconds=section.domain_cache_seconds,
        max_domain_projects=section.max_domain_projects,
        wait_seconds=section.keystone_wait_seconds,
    )


def _audit(conf: cfg.ConfigOpts) -> tuple[Audit, ...]:
    section = conf.gateway
    if not section.audit:
        return ()
    return (
        Audit(
            as_json=section.audit_format == "json",
            own_endpoints=section.audit_own_endpoints,
            max_text=section.audit_max_text,
            logger=open_log(section.audit_file) if section.audit_file else None,
        ),
    )


def _metrics(conf: cfg.ConfigOpts, telemetry: Telemetry) -> tuple[MetricsServer, ...]:
    section = conf.gateway
    if not section.metrics_port:
        return ()
    # Each worker listens on the first free port.
    ports = range(section.metrics_port, section.metrics_port + section.workers)
    names = ("[gateway] metrics_host", "metrics_port")
    return (MetricsServer(telemetry.render, section.metrics_host, ports, names),)

"""Configuration → the application, put together from its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.app import Application, create_app
from chrysaetos.gateway.audit import Audit, open_log
from chrysaetos.gateway.cors import load_cors
from chrysaetos.gateway.limits import LimitOptions, Limits
from chrysaetos.gateway.options import load_labels, load_options
from chrysaetos.gateway.replicas import Replicas
from chrysaetos.gateway.sharing import Sharing
from chrysaetos.gateway.telemetry import MetricsServer, Telemetry
from chrysaetos.gateway.upstream import Upstream
from chrysaetos.identity.authenticator import KeystoneAuthenticator, create_authenticator
from chrysaetos.identity.noauth import NoAuthenticator

if TYPE_CHECKING:
    from oslo_config import cfg

    from chrysaetos.gateway.exchange import Observer

__all__ = ["Service", "build"]


@dataclass(frozen=True, slots=True)
class Service:
    """What a configuration describes.

    Attributes:
        application: the ASGI application.
        access: whose rules are read again on SIGHUP.
    """

    application: Application
    access: PolicyAccess


def build(conf: cfg.ConfigOpts) -> Service:
    """What a configuration describes, put together.

    Raises:
        ConfigError: a value cannot be used.
    """
    application, upstreams = load_options(conf)
    section = conf.gateway
    pools = {f"{options.host}:{options.port}": Upstream(options) for options in upstreams}
    identity = _identity(conf)
    access = PolicyAccess(conf, *load_labels(conf))
    limits = Limits(
        LimitOptions(
            max_requests=section.max_requests,
            max_requests_per_project=section.max_requests_per_project,
            max_waiting=section.max_waiting,
            max_waiting_per_project=section.max_waiting_per_project,
            wait_seconds=section.wait_seconds,
        )
    )
    sharing = Sharing(max_age=section.share_max_age) if section.share_requests else None
    telemetry = Telemetry(
        cache=identity.cache if isinstance(identity, KeystoneAuthenticator) else None,
        upstreams=pools,
        limits=limits,
        sharing=sharing,
        per_project=section.metrics_per_project,
        max_projects=section.metrics_max_projects,
    )
    return Service(
        create_app(
            application,
            identity=identity,
            access=access,
            upstream=Replicas(tuple(pools.values())) if len(pools) > 1 else next(iter(pools.values())),
            limits=limits,
            sharing=sharing,
            cors=load_cors(conf),
            observers=(telemetry, *_audit(conf)),
            companions=_metrics(conf, telemetry),
        ),
        access,
    )


def _identity(conf: cfg.ConfigOpts) -> KeystoneAuthenticator | NoAuthenticator:
    if conf.auth_mode == "noauth":
        return NoAuthenticator()
    return create_authenticator(conf, cache_seconds=conf.gateway.token_cache_seconds)


def _audit(conf: cfg.ConfigOpts) -> tuple[Observer, ...]:
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
    # Each worker takes the first port of these that is free.
    ports = range(section.metrics_port, section.metrics_port + section.workers)
    return (MetricsServer(telemetry.render, section.metrics_host, ports),)

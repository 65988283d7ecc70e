"""The gateway's configuration of the gate for portals, the section ``[federation]``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from oslo_config import cfg

from chrysaetos.gateway.federate.handler import GateDoor, GateLimits
from chrysaetos.gateway.federate.metrics import GateMetrics
from chrysaetos.portals.gate import Gate
from chrysaetos.portals.tokens import TokenFile

if TYPE_CHECKING:
    from chrysaetos.http.upstream.replicas import Pool

__all__ = ["FEDERATION_OPTIONS", "load_gate"]

_LIMITS = GateLimits()

FEDERATION_OPTIONS = [
    cfg.StrOpt(
        "tokens_file",
        help="File with the tokens of portals, written by: chrysaetos federate token. With it, the "
        "holders of these tokens can use GET /federate as each token allows. Unset: only Keystone's "
        "users can.",
    ),
    cfg.FloatOpt(
        "timeout", default=_LIMITS.timeout, min=0.1, help="Seconds to wait for Prometheus, for a portal."
    ),
    cfg.FloatOpt(
        "total_seconds",
        default=_LIMITS.total_seconds,
        min=0.1,
        help="Seconds for a portal's whole request, including the sending of its answer.",
    ),
    cfg.IntOpt(
        "max_response_bytes",
        default=_LIMITS.response_bytes,
        min=0,
        help="Maximum size of an answer to a portal, as sent. 0: no limit.",
    ),
    cfg.IntOpt(
        "max_requests_per_portal",
        default=_LIMITS.requests,
        min=1,
        help="Maximum number of requests of one portal in progress, for each worker.",
    ),
    cfg.FloatOpt(
        "requests_per_second",
        default=_LIMITS.requests_per_second,
        min=0.0,
        help="Maximum number of requests of one portal per second, for each worker. 0: no limit.",
    ),
    cfg.IntOpt(
        "failures_burst",
        default=_LIMITS.failures,
        min=1,
        help="Unknown tokens of portals allowed at once from one address, for each worker.",
    ),
    cfg.FloatOpt(
        "failures_per_second",
        default=_LIMITS.failures_per_second,
        min=0.0,
        help="Unknown tokens of portals allowed per second after that. Known tokens always work. 0: no "
        "limit.",
    ),
]


def load_gate(conf: cfg.ConfigOpts, upstream: Pool) -> tuple[GateDoor | None, tuple[GateMetrics, ...]]:
    """The door for portals, if there is one, and its metrics.

    Raises:
        ConfigError: the token file cannot be used, or holds no valid token.
    """
    section = conf.federation
    if not section.tokens_file:
        return None, ()
    tokens = TokenFile(Path(section.tokens_file))
    limits = GateLimits(
        timeout=section.timeout,
        total_seconds=section.total_seconds,
        response_bytes=section.max_response_bytes,
        requests=section.max_requests_per_portal,
        requests_per_second=section.requests_per_second,
        failures=section.failures_burst,
        failures_per_second=section.failures_per_second,
    )
    return GateDoor(Gate(tokens), upstream, limits), (GateMetrics(tokens),)

"""The gateway's configuration of the gate for portals, the section ``[federation]``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from oslo_config import cfg

from chrysaetos.gateway.federate.handler import GateLimits, PortalHandler
from chrysaetos.gateway.federate.limits import LIMITS
from chrysaetos.gateway.federate.metrics import GateMetrics
from chrysaetos.portals.tokens import TokenFile

if TYPE_CHECKING:
    from chrysaetos.gateway.federate.limits import Limit
    from chrysaetos.gateway.proxy.offload import Offload
    from chrysaetos.http.upstream.replicas import Pool

__all__ = ["FEDERATION_OPTIONS", "load_gate"]


def _option(limit: Limit) -> cfg.Opt:
    default = getattr(GateLimits(), limit.field)
    text = f"{limit.text[0].upper()}{limit.text[1:]}{', for each worker' if limit.per_worker else ''}."
    if not limit.minimum:
        text += " 0: no limit."
    if isinstance(default, int):
        return cfg.IntOpt(limit.option, default=default, min=int(limit.minimum), help=text)
    return cfg.FloatOpt(limit.option, default=default, min=limit.minimum, help=text)


FEDERATION_OPTIONS = [
    cfg.StrOpt(
        "tokens_file",
        help="File with the tokens of portals, written by: chrysaetos federate token. With it, the "
        "holders of these tokens can use GET /federate as each token allows. Unset: only Keystone's "
        "users can.",
    ),
    *map(_option, LIMITS),
]


def load_gate(
    conf: cfg.ConfigOpts, upstream: Pool, offload: Offload
) -> tuple[PortalHandler | None, tuple[GateMetrics, ...]]:
    """Return the gate, if it is configured, and its metrics.

    Raises:
        ConfigError: the token file is invalid or contains no valid token.
    """
    section = conf.federation
    if not section.tokens_file:
        return None, ()
    tokens = TokenFile(Path(section.tokens_file))
    limits = GateLimits(**{limit.field: section[limit.option] for limit in LIMITS})
    return PortalHandler(tokens, upstream, limits, offload=offload), (GateMetrics(tokens),)

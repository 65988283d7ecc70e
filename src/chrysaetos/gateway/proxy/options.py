"""What the path of a request is configured by."""

from __future__ import annotations

from dataclasses import dataclass

from chrysaetos.promql.parser import DEFAULT_BOUNDS, Bounds
from chrysaetos.tenancy.engine import ALONE, EngineScoping

__all__ = ["GatewayOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """What the application needs to know.

    Attributes:
        path_prefix: taken off each request's path.
        max_url_bytes, max_body_bytes: limits of a request.
        max_read_bytes: limit of a remote read's message, decompressed.
        bounds: limits of a PromQL text.
        timeout: seconds to wait for the upstream.
        max_response_bytes: limit of an answer, as it is sent; 0 for none.
        max_filtered_bytes: limit of an upstream's answer that is filtered.
        engine: what scoped requests tell the engine.
    """

    path_prefix: str = ""
    max_url_bytes: int = 128 * 1024
    max_body_bytes: int = 1024 * 1024
    max_read_bytes: int = 1024 * 1024
    bounds: Bounds = DEFAULT_BOUNDS
    timeout: float = 130.0
    max_response_bytes: int = 0
    max_filtered_bytes: int = 16 * 1024 * 1024
    engine: EngineScoping = ALONE

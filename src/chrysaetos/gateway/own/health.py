"""The gateway's own endpoints: its version, liveness and readiness."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from chrysaetos.errors import ApiError
from chrysaetos.http.server.responses import json_response
from chrysaetos.identity.service_user import ServiceUserRejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.http.server.responses import Response
    from chrysaetos.http.upstream.replicas import Pool
    from chrysaetos.identity.caller import Authenticator
    from chrysaetos.tenancy.endpoints import Endpoint

__all__ = ["Health"]

_LOG = logging.getLogger(__name__)

_KEEP_SECONDS = 2.0
"""How long readiness is cached, so that probes of the gateway put no load on Keystone and Prometheus."""
_PROBE_SECONDS = 5.0

_OK_HEADERS = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"2"),
    (b"cache-control", b"no-store"),
)


class Health:
    """Handles the gateway's endpoints that need no credentials.

    Args:
        identity: checks Keystone.
        upstream: the connections to Prometheus.
        prefix: the configured path prefix, for links.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        *,
        identity: Authenticator,
        upstream: Pool,
        prefix: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identity = identity
        self._upstream = upstream
        self._prefix = prefix
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: tuple[float, dict[str, str]] | None = None

    async def handle(self, endpoint: Endpoint) -> Response:
        """Return status, headers and body of an endpoint's response."""
        if endpoint.name == "ready":
            return await self._readiness()
        if endpoint.name == "version":
            return json_response(200, self._version())
        return 200, [*_OK_HEADERS], b"OK"

    def _version(self) -> object:
        """Return the version document of Aetos (Keystone API reference, "Versions").

        Its link is relative: the gateway does not know the scheme of the client's URL, and a client that
        follows a link to ``http`` sends its token unencrypted.
        """
        links = [{"rel": "self", "href": f"{self._prefix}/api/v1"}]
        return {"versions": {"values": [{"id": "v1", "status": "stable", "links": links}]}}

    async def _readiness(self) -> Response:
        async with self._lock:
            if self._known is None or self._clock() - self._known[0] > _KEEP_SECONDS:
                keystone, prometheus = await asyncio.gather(self._keystone(), self._prometheus())
                self._known = (self._clock(), {"keystone": keystone, "prometheus": prometheus})
        parts = self._known[1]
        ready = all(state == "ok" for state in parts.values())
        return json_response(200 if ready else 503, {"ready": ready, **parts})

    async def _keystone(self) -> str:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._identity.probe()
        except ServiceUserRejected as error:
            return str(error)
        except (ApiError, TimeoutError) as error:
            return _reason("Keystone", error)
        return "ok"

    async def _prometheus(self) -> str:
        try:
            status = await self._status(b"/-/ready")
            if status == 400:
                # VictoriaMetrics has no health endpoint below a path prefix. The query reads nothing.
                status = await self._status(b"/api/v1/query?query=1")
        except ApiError as error:
            return _reason("Prometheus", error)
        # Some engines have Prometheus' API without its health endpoint: 404 means that they are up.
        return "ok" if status in {200, 404} else f"Prometheus returned {status}"

    async def _status(self, target: bytes) -> int:
        response = await self._upstream.request("GET", target, timeout=_PROBE_SECONDS)
        response.abort()
        return response.status


def _reason(who: str, error: Exception) -> str:
    _LOG.warning("%s is not ready: %s", who, error)
    return f"{who} cannot be reached"

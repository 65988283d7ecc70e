"""What the gateway answers on its own: its version, and whether it is alive and ready."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from typing import TYPE_CHECKING, Protocol

from chrysaetos.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.errors import Headers
    from chrysaetos.gateway.asgi.request import Request
    from chrysaetos.http.server.pages import Answer
    from chrysaetos.http.upstream.replicas import Pool
    from chrysaetos.tenancy.endpoints import Endpoint

__all__ = ["Health", "IdentityProbe", "json_answer"]

_log = logging.getLogger(__name__)

_KEEP_SECONDS = 2.0
"""How long an answer about the others' health counts: a probe of the gateway is not a load on them."""
_PROBE_SECONDS = 5.0

_HOST = re.compile(rb"[A-Za-z0-9._\[\]:-]{1,255}")


class IdentityProbe(Protocol):
    """Something that can tell whether Keystone can be reached."""

    async def probe(self) -> None:
        """Ask Keystone for its version document.

        Raises:
            Unavailable: it cannot be reached.
        """
        ...


class Health:
    """The gateway's own endpoints that everybody may ask.

    Args:
        identity: whom to ask about Keystone.
        upstream: whom to ask about Prometheus.
        prefix: the configured path prefix, for links.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        identity: IdentityProbe,
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

    async def answer(self, request: Request, endpoint: Endpoint, scheme: str) -> Answer:
        """Status, headers and body of the answer to a request for one of the gateway's own endpoints."""
        if endpoint.name == "ready":
            return await self._readiness()
        if endpoint.name == "version":
            return json_answer(200, self._version(request, scheme))
        return 200, _headers(b"text/plain; charset=utf-8", b"OK"), b"OK"

    def _version(self, request: Request, scheme: str) -> object:
        """A version document (Keystone API reference, "Versions"), as Aetos has it."""
        host = request.header(b"host") or b""
        base = f"{scheme}://{host.decode('ascii')}" if _HOST.fullmatch(host) else ""
        links = [{"rel": "self", "href": f"{base}{self._prefix}/api/v1"}]
        return {"versions": {"values": [{"id": "v1", "status": "stable", "links": links}]}}

    async def _readiness(self) -> Answer:
        async with self._lock:
            if self._known is None or self._clock() - self._known[0] > _KEEP_SECONDS:
                keystone, prometheus = await asyncio.gather(self._keystone(), self._prometheus())
                self._known = (self._clock(), {"keystone": keystone, "prometheus": prometheus})
        parts = self._known[1]
        ready = all(state == "ok" for state in parts.values())
        return json_answer(200 if ready else 503, {"ready": ready, **parts})

    async def _keystone(self) -> str:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._identity.probe()
        except (ApiError, TimeoutError) as error:
            return _reason("Keystone", error)
        return "ok"

    async def _prometheus(self) -> str:
        try:
            response = await self._upstream.request("GET", b"/-/ready", timeout=_PROBE_SECONDS)
        except ApiError as error:
            return _reason("Prometheus", error)
        response.abort()
        # What speaks Prometheus' API without its health path answers 404, and is there all the same.
        return "ok" if response.status in {200, 404} else f"Prometheus answered {response.status}"


def _reason(who: str, error: Exception) -> str:
    _log.warning("%s is not ready: %s", who, error)
    return f"{who} cannot be reached"


def json_answer(status: int, value: object) -> Answer:
    """An answer that is a JSON value."""
    body = json.dumps(value).encode()
    return status, _headers(b"application/json", body), body


def _headers(content_type: bytes, body: bytes) -> Headers:
    return [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"cache-control", b"no-store"),
    ]

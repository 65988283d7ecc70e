"""Scope the parameters and messages of requests without making other tenants wait.

What is cached or short is scoped at once, anything else in another process.
"""

from __future__ import annotations

import asyncio
import time
from functools import cache, partial
from typing import TYPE_CHECKING

from chrysaetos.tenancy.enforce import scoping_edits
from chrysaetos.tenancy.parameters import Binder, NotCached, bind_anew
from chrysaetos.tenancy.positions import restored
from chrysaetos.tenancy.remote_read import scope_read_request

if TYPE_CHECKING:
    from chrysaetos.gateway.proxy.offload import Offload
    from chrysaetos.gateway.proxy.options import GatewayOptions
    from chrysaetos.promql.parser import Bounds
    from chrysaetos.tenancy.edits import Edit
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.parameters import BoundParameters, Text
    from chrysaetos.tenancy.scope import Scope

__all__ = ["Scoping"]

_IN_PLACE_BYTES = 512
"""Maximum size of what is scoped in the event loop: at most 2 ms, and usually a twentieth of that. It also
limits the scope's matcher, which each selector gets."""
_FREE_BYTES = 8 * 1024
"""Size of a request, and of the scope's matcher, above which even cached texts are charged: 1,000 selectors
take 3 ms."""


class Scoping:
    """Scopes what requests send.

    Args:
        options: limits, and the parameters that the gateway itself sends.
        offload: scopes what takes long.
    """

    def __init__(self, options: GatewayOptions, *, offload: Offload) -> None:
        self._bounds = options.bounds
        self._max_read_bytes = options.max_read_bytes
        self._binder = Binder(options.bounds, reserved=options.engine.parameter_names)
        self._offload = offload
        self._turn = asyncio.Lock()

    async def bind(
        self, endpoint: Endpoint, scope: Scope, project: str, url: bytes, body: bytes | None
    ) -> BoundParameters:
        """Return a request's parameters for the upstream; see :meth:`Binder.bind`.

        Args:
            endpoint: the row of the table.
            scope: the caller's scope.
            project: the key from ``account``.
            url: the encoded query of the URL.
            body: the encoded form body; None for a request without one.

        Raises:
            BadRequest, QueryError: as for :meth:`Binder.bind`.
            TooManyRequests: the project has used its budget.
        """
        if scope.unrestricted:
            return self._binder.bind(endpoint, scope, url, body)
        size = len(url) + len(body or b"")
        try:
            if size + len(scope.matcher) <= _FREE_BYTES:
                return self._binder.bind(endpoint, scope, url, body, cached_only=True)
            return await self._bind_large(endpoint, scope, project, url, body)
        except NotCached:
            pass
        bound, texts = await self._offload.run(
            project, bind_anew, endpoint, scope, url, body, self._bounds, in_place=_is_short(scope, size)
        )
        self._binder.keep(scope, texts)
        return bound

    async def _bind_large(
        self, endpoint: Endpoint, scope: Scope, project: str, url: bytes, body: bytes | None
    ) -> BoundParameters:
        """Return a large request's parameters, whose texts are cached, and charge that to the project.

        In each turn of the event loop one request does that, so that all others wait for one at most.

        Raises:
            BadRequest, NotCached: as for :meth:`Binder.bind`.
            TooManyRequests: the project has used its budget.
        """
        budget = self._offload.budget
        budget.check(project)
        async with self._turn:
            await asyncio.sleep(0)
            began = time.thread_time()
            try:
                return self._binder.bind(endpoint, scope, url, body, cached_only=True)
            finally:
                budget.charge(project, time.thread_time() - began)

    async def read_request(self, scope: Scope, project: str, body: bytes) -> tuple[bytes, tuple[Text, ...]]:
        """Return the message of a remote read for the upstream; see ``scope_read_request``.

        A long message of an unrestricted caller has no texts: it is relayed unchanged, so it is neither
        charged nor refused for the sake of its audit.
        """
        in_place = _is_short(scope, len(body))
        if not scope.unrestricted:
            return await self._offload.run(
                project, scope_read_request, body, scope, self._max_read_bytes, in_place=in_place
            )
        return scope_read_request(body, scope, self._max_read_bytes) if in_place else (body, ())

    async def restored(
        self, endpoint: Endpoint, scope: Scope, project: str, text: str, messages: list[str]
    ) -> list[str]:
        """Return errors about a scoped text as errors about the caller's text.

        Args:
            endpoint: the row of the table.
            scope: the caller's scope.
            project: the key from ``account``.
            text: the caller's text.
            messages: the errors and warnings.
        """
        is_selector = "query" not in endpoint.parameters
        return await self._offload.run(
            project,
            partial(restored_messages, is_selector=is_selector, bounds=self._bounds),
            messages,
            text,
            scope,
            in_place=_is_short(scope, len(text) + sum(map(len, messages))),
        )


def _is_short(scope: Scope, size: int) -> bool:
    """Return whether a text can be scoped in the event loop."""
    return size <= _IN_PLACE_BYTES and len(scope.matcher) <= _IN_PLACE_BYTES


def restored_messages(
    messages: list[str], text: str, scope: Scope, *, is_selector: bool, bounds: Bounds
) -> list[str]:
    """Return messages with positions in the caller's text; see ``restored``."""

    @cache
    def stages() -> tuple[list[Edit], list[Edit]]:
        return scoping_edits(text, scope, is_selector=is_selector, bounds=bounds)

    return [restored(message, text, stages) for message in messages]

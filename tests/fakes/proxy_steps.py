"""A proxy whose parts record their calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.fakes.app_client import http_request
from tests.fakes.identity import FakeIdentity
from tests.support.scripted_gateway import BODY, CALLERS

from chrysaetos.gateway.app.exchange import Exchange
from chrysaetos.gateway.app.request import Request
from chrysaetos.gateway.proxy.costs import Costs
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.proxy.proxy import Proxy
from chrysaetos.gateway.proxy.scoping import Scoping
from chrysaetos.http.upstream.response import UpstreamResponse
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrysaetos.errors import Headers
    from chrysaetos.identity.caller import Caller
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.parameters import BoundParameters

__all__ = ["Steps"]


class Steps:
    """A proxy, its callers, its upstream and its client. The proxy takes one step after another.

    Args:
        options: options of the gateway.

    Attributes:
        taken: the steps so far, with the number of slots in use.
        fails_at: the step that raises ``failure``, or never ends if that is None.
        status: the status of the upstream's response.
        target: the target of the request to the upstream.
        exchange: the details that were recorded.
        limits: the limits of the proxy.
    """

    def __init__(self, **options: Any) -> None:
        self.taken: list[tuple[str, int]] = []
        self.fails_at = ""
        self.failure: Exception | None = None
        self.status = 200
        self.target = b""
        self.exchange = Exchange("GET", "", self)
        self.limits = Limits(LimitOptions())
        self._options = GatewayOptions(**options)
        self._identity = FakeIdentity(CALLERS)
        offload = Offload(CpuBudget(0))  # without a budget, short jobs never start a process
        self._proxy = Proxy(
            self._options,
            identity=self,
            access=self,
            upstream=self,
            limits=self.limits,
            scoping=_RecordedScoping(self, self._options, offload),
            offload=offload,
            costs=Costs(self, 1),
            coalescer=None,
        )

    async def handle(self, query: str = "query=up", who: str = "tenant") -> None:
        """Handle an instant query."""
        received = http_request("GET", f"/api/v1/query?{query}", headers=[(b"x-auth-token", who.encode())])
        target = find_path("/api/v1/query")
        await self._proxy.handle(Request(received, self._options), target, self.exchange)

    async def take(self, step: str) -> None:
        """Record a step, which may fail or never end."""
        self.taken.append((step, self.limits.in_use))
        if step == self.fails_at:
            if self.failure is not None:
                raise self.failure
            await asyncio.get_running_loop().create_future()

    # the parts

    def cached(self, headers: Sequence[tuple[bytes, bytes]]) -> Caller | None:
        return None

    async def identify(
        self, headers: Sequence[tuple[bytes, bytes]], method: str, path: str, client: str = ""
    ) -> Caller:
        await self.take("identify")
        return await self._identity.identify(headers, method, path, client)

    async def probe(self) -> None:
        raise NotImplementedError

    async def grant(self, caller: Caller, endpoint: Endpoint) -> Scope:
        await self.take("grant")
        return UNRESTRICTED if caller is CALLERS["admin"] else Scope.of("project", "A")

    def narrow(self, scope: Scope, project_id: str) -> Scope:
        raise NotImplementedError

    async def request(self, method: str, target: bytes, **more: Any) -> UpstreamResponse:
        self.target = target
        await self.take("ask")
        return UpstreamResponse(self.status, [], len(BODY), BODY, None)

    async def close(self) -> None:
        raise NotImplementedError

    # the reply

    paused = True

    def begin(self, status: int, headers: Headers) -> None:
        self.taken.append(("start", self.limits.in_use))

    def write(self, body: bytes, *, more: bool = False) -> None:
        self.taken.append(("body", self.limits.in_use))

    async def drained(self) -> None:
        await self.take("drained")

    def abort(self) -> None:
        raise NotImplementedError


class _RecordedScoping(Scoping):
    def __init__(self, steps: Steps, options: GatewayOptions, offload: Offload) -> None:
        super().__init__(options, offload=offload)
        self._steps = steps

    async def bind(
        self, endpoint: Endpoint, scope: Scope, project: str, url: bytes, body: bytes | None
    ) -> BoundParameters:
        await self._steps.take("bind")
        return await super().bind(endpoint, scope, project, url, body)

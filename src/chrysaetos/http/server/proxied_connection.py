"""A connection of a server behind proxies, which learns from trusted ones who their clients are.

A proxy names its client at the start of the connection (PROXY protocol), or in a header of each request. A
header is believed only if a trusted proxy sent it: the peer, or the client that the PROXY protocol names. A
proxy that names no client with the PROXY protocol may pass on the headers of any client, so these are not
believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.errors import BadRequest
from chrysaetos.http.server.connection import ClientConnection
from chrysaetos.http.server.proxy_protocol import parse_proxy_header

if TYPE_CHECKING:
    import asyncio

    from chrysaetos.http.server.client_address import TrustedProxies
    from chrysaetos.http.server.connection import Owner
    from chrysaetos.http.types import HttpRequest

__all__ = ["ProxiedConnection"]


class ProxiedConnection(ClientConnection):
    """A connection from a proxy, or from a client that is not trusted to be one."""

    def __init__(self, server: Owner, proxies: TrustedProxies) -> None:
        super().__init__(server)
        self._proxies = proxies
        self._preface: bytes | None = None  # the begun header of the PROXY protocol, None if none is expected
        self._believed = False  # whether headers name the clients of requests

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect the PROXY protocol, or headers that name clients, if the peer is a trusted proxy."""
        super().connection_made(transport)
        if not self._proxies.trusts(self._client):
            return
        if self._proxies.proxy_protocol:
            self._preface = b""
        else:
            self._believed = True

    def data_received(self, data: bytes) -> None:
        """Read the header of the PROXY protocol, then requests."""
        if self._preface is None:
            super().data_received(data)
            return
        received = self._preface + data
        try:
            header = parse_proxy_header(received)
        except ValueError as error:
            self._preface = None
            self._refuse(BadRequest(f"invalid PROXY protocol header: {error}"))
            return
        if header is None:
            self._preface = received
            return
        self._preface = None
        if header.client is not None:
            self._client = header.client
            self._believed = self._proxies.trusts(header.client)
        super().data_received(received[header.length :])

    def _client_of(self, request: HttpRequest | None) -> str:
        """Return the address of the client that sent a request."""
        if self._believed and request is not None:
            named = self._proxies.find_client(request.headers)
            if named is not None:
                return named
        return self._client

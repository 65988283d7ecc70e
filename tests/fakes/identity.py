"""A fake authenticator with the tokens that a test provides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.errors import Unauthorized, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chrysaetos.identity.caller import Caller

__all__ = ["FakeIdentity"]


class FakeIdentity:
    """Identifies callers by the value of ``X-Auth-Token``.

    Attributes:
        warm: tokens in the cache.
        asked: method and path of each request whose token was not in the cache.
        reachable: whether Keystone is reachable.
        closed: whether ``close`` was called.
    """

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = callers
        self.warm: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.reachable = True
        self.closed = False

    def cached(self, headers: Sequence[tuple[bytes, bytes]]) -> Caller | None:
        token = _token(headers)
        return self._callers[token] if token in self.warm else None

    async def identify(
        self,
        headers: Sequence[tuple[bytes, bytes]],
        method: str,
        path: str,
        client: str = "",  # the protocol's
    ) -> Caller:
        self.asked.append((method, path))
        try:
            return self._callers[_token(headers)]
        except KeyError:
            raise Unauthorized("unknown token", ("Keystone",)) from None

    async def probe(self) -> None:
        if not self.reachable:
            raise Unavailable("Keystone is down")

    async def close(self) -> None:
        self.closed = True


def _token(headers: Sequence[tuple[bytes, bytes]]) -> str:
    return dict(headers).get(b"x-auth-token", b"").decode()

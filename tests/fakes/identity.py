"""An authenticator that knows the tokens that a test gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.errors import Unauthorized, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chrysaetos.identity.caller import Caller

__all__ = ["FakeIdentity"]


class FakeIdentity:
    """Callers by the value of ``X-Auth-Token``.

    Attributes:
        warm: tokens that are answered at once.
        asked: method and path of each request that was not.
        reachable: whether Keystone is.
        closed: whether it was closed.
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
        client: str = "",  # noqa: ARG002
    ) -> Caller:
        self.asked.append((method, path))
        try:
            return self._callers[_token(headers)]
        except KeyError:
            raise Unauthorized("who are you?", ("Keystone",)) from None

    async def probe(self) -> None:
        if not self.reachable:
            raise Unavailable("Keystone is down")

    def close(self) -> None:
        self.closed = True


def _token(headers: Sequence[tuple[bytes, bytes]]) -> str:
    return dict(headers).get(b"x-auth-token", b"").decode()

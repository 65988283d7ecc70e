"""The caller of a request, as Keystone describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chrysaetos.lru import size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrysaetos.errors import Headers

__all__ = ["Authenticator", "Caller"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller, as described by its token.

    A token is scoped to a project, a domain, the system, or unscoped; at most one of
    ``project_id``, ``domain_id`` and ``system_scope`` is set (Keystone API reference, "Token scope").

    Attributes:
        user_id: the user's id.
        user_name: the user's name.
        user_domain_id: the domain that the user belongs to.
        project_id: the project of a project-scoped token, else None.
        project_name: its name.
        project_domain_id: the domain that the project belongs to.
        domain_id: the domain of a domain-scoped token, else None.
        system_scope: ``all`` for a system-scoped token, else None.
        roles: names of the roles, as Keystone spells them.
        service_roles: roles of the service token sent with it, empty if there is none.
        expires_at: expiry of the token in seconds since the epoch.
        restricted: whether the token belongs to an application credential with access rules. Keystone's
            middleware must check each of its requests.
    """

    user_id: str
    user_name: str | None = None
    user_domain_id: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    domain_id: str | None = None
    system_scope: str | None = None
    roles: tuple[str, ...] = ()
    service_roles: tuple[str, ...] = ()
    expires_at: float = 0.0
    restricted: bool = False

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory. Not for each request: a token may have many roles."""
        return size_of(self, *(getattr(self, name) for name in self.__slots__))


class Authenticator(Protocol):
    """Identifies the callers of requests."""

    def cached(self, headers: Headers) -> Caller | None:
        """Return the caller of a request if it is cached, or None if ``identify`` must be awaited."""
        ...

    async def identify(
        self, headers: Sequence[tuple[bytes, bytes]], method: str, path: str, client: str = ""
    ) -> Caller:
        """Return the caller of a request.

        Args:
            headers: the request's headers in their order, names in lower case.
            method: the request's method, for access rules.
            path: the endpoint's path as clients of the catalog see it, for access rules.
            client: address of the peer, for the limit of failures; "" if there is none.

        Raises:
            Unauthorized: there are no credentials, or Keystone rejected them.
            TooManyRequests: these credentials, or others from this address, failed too often.
            Unavailable: Keystone cannot be reached and nothing is cached.
        """
        ...

    async def probe(self) -> None:
        """Check that Keystone can be reached and accepts the gateway's own user.

        Raises:
            ServiceUserRejected: it does not accept the user.
            Unavailable: Keystone cannot be reached.
        """
        ...

    async def close(self) -> None:
        """Release everything."""
        ...

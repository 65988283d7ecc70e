"""The caller: what Keystone says of whoever sent a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Authenticator", "Caller"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller, as Keystone's token describes it.

    A token is scoped to a project, a domain, the system, or nothing at all; at most one of
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
        service_roles: roles of the accompanying service token, empty without one.
        expires_at: when the token ends, in seconds since the epoch.
        restricted: whether the token belongs to an application credential with access rules, so that
            each request has to be checked against them by Keystone's middleware.
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


class Authenticator(Protocol):
    """Anything that can say who sent a request."""

    async def identify(
        self, headers: Sequence[tuple[bytes, bytes]], method: str, path: str, client: str = ""
    ) -> Caller:
        """The caller of a request.

        Args:
            headers: the request's headers, names in lower case, as they came.
            method: the request's method, for access rules.
            path: the endpoint's path as the catalog's clients see it, for access rules.
            client: address of the peer, for the number of failures; "" if there is none.

        Raises:
            Unauthorized: no credentials, or Keystone does not accept them.
            TooManyRequests: these credentials failed too often, or others from this address did.
            Unavailable: Keystone cannot be reached and no cached answer is fresh enough.
        """
        ...

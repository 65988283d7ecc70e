"""Create and delete application credentials of the caller, with Keystone's API."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ClientException
from keystoneauth1.plugin import AUTH_INTERFACE

from chrysaetos.cli.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keystoneauth1.session import Session

__all__ = ["ApplicationCredentials", "Credential", "least_first"]

_POWER = {"reader": 0, "member": 2, "manager": 3, "service": 4, "admin": 5}
"""Keystone's default roles by what they may do. Roles of a cloud's own come after ``reader``."""


@dataclass(frozen=True, slots=True)
class Credential:
    """An application credential."""

    id: str
    secret: str = field(repr=False)


def least_first(roles: Iterable[str]) -> list[str]:
    """Return roles sorted by what they may do."""
    return sorted(roles, key=lambda role: (_POWER.get(role, 1), role))


class ApplicationCredentials:
    """The application credentials of the caller in the project of its token.

    Args:
        session: the caller's session.
        user_id: the caller's id.
    """

    def __init__(self, session: Session, user_id: str) -> None:
        # The URL that the caller logs in with: the catalog may have one that only services reach.
        login_url: Any = AUTH_INTERFACE
        self._keystone: Any = Adapter(
            session, service_type="identity", interface=login_url, min_version="3", max_version="3.latest"
        )
        self._path = f"/users/{user_id}/application_credentials"

    def create(self, purpose: str, role: str) -> Credential:
        """Create an application credential that cannot create others.

        Args:
            purpose: the beginning of its name.
            role: the name of its only role.

        Raises:
            CommandFailed: Keystone rejects it or cannot be reached.
        """
        wanted = {
            "name": f"{purpose}-{secrets.token_hex(4)}",
            "description": "Created by chrysaetos",
            "roles": [{"name": role}],
        }
        try:
            # keystoneauth1 would log the secret, which is in the response.
            response = self._keystone.post(self._path, json={"application_credential": wanted}, log=False)
        except ClientException as error:
            raise CommandFailed(f"Keystone creates no application credential: {error}") from error
        created = response.json()["application_credential"]
        return Credential(created["id"], created["secret"])

    def delete(self, credential: Credential) -> None:
        """Delete an application credential.

        Raises:
            CommandFailed: Keystone does not delete it.
        """
        try:
            self._keystone.delete(f"{self._path}/{credential.id}")
        except ClientException as error:
            raise CommandFailed(
                f"Keystone does not delete the application credential {credential.id}: {error}; delete it "
                f"with: openstack application credential delete {credential.id}"
            ) from error

"""The application credential of a data source: one that exists, or a new one with the least role."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.cli.application_credentials import ApplicationCredentials, Credential, least_first
from chrysaetos.cli.errors import CommandFailed
from chrysaetos.client import MetricsClient
from chrysaetos.client.errors import Unauthorized
from chrysaetos.regular_file import why_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keystoneauth1.access import AccessInfo
    from keystoneauth1.session import Session

__all__ = ["Login"]

_ALL_PROJECTS = "all_projects"


class Login:
    """The caller, whose credential must give access to the metrics of its project, or of all projects.

    Args:
        manager: the client manager of the command.
        url: the gateway's URL.
        all_projects: whether the metrics of all projects are needed.

    Attributes:
        url: the gateway's URL.
        project_id: the id of the caller's project.
        project_name: its name.

    Raises:
        CommandFailed: the token has no project.
    """

    def __init__(self, manager: Any, url: str, *, all_projects: bool) -> None:
        access: AccessInfo | None = manager.auth_ref
        if access is None or access.project_id is None:
            raise CommandFailed("the token has no project: set OS_PROJECT_NAME or OS_PROJECT_ID")
        self._session: Session = manager.session
        self._user = access.username
        self._roles = least_first(access.role_names or ())
        self._credentials = ApplicationCredentials(self._session, str(access.user_id))
        # The access of the rule telemetry:query, see MetricsClient.whoami.
        self._sufficient = {_ALL_PROJECTS} if all_projects else {"project", "domain", _ALL_PROJECTS}
        self.url = url
        self.project_id: str = access.project_id
        self.project_name = access.project_name
        self._own = _own_credential(self._session, access)

    @property
    def verify(self) -> bool:
        """Whether the caller verifies certificates."""
        return self._session.verify is not False

    @property
    def ca(self) -> str | None:
        """The CA certificates that the caller trusts, None for those of the system.

        Raises:
            CommandFailed: their file cannot be read.
        """
        path = self._session.verify
        if not isinstance(path, str):
            return None
        try:
            return Path(path).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise CommandFailed(
                f"the CA certificates {path} cannot be read: {why_unreadable(error)}"
            ) from error

    @property
    def announcement(self) -> str:
        """A description of the credential that ``provided`` creates."""
        return (
            f"new: an application credential of the user {self._user} in the project {self.project_name}, "
            f"with the first of these roles that is sufficient: {', '.join(self._roles)}"
        )

    def reusable(self, stored: Credential | None) -> Credential | None:
        """Return the credential that the caller logged in with, or a stored one if it still gives access.

        Args:
            stored: the stored credential.

        Raises:
            CommandFailed: the caller's own application credential does not give access.
            MetricsError: the gateway cannot be reached.
        """
        if self._own is not None:
            if not self._gives_access(self._own):
                raise CommandFailed(
                    f"the application credential {self._own.id} gives no access to these metrics: log in "
                    "with a password, or with another application credential"
                )
            return self._own
        return stored if stored is not None and self._gives_access(stored) else None

    @contextmanager
    def provided(self, known: Credential | None) -> Iterator[Credential]:
        """Provide a credential: the known one, or a new one, which is deleted if the block fails.

        Args:
            known: the credential, None to create one.

        Raises:
            CommandFailed: Keystone creates no credential, or none that gives access.
        """
        if known is not None:
            yield known
            return
        created = self._create()
        try:
            yield created
        except BaseException as error:
            self._remove(created, error)
            raise

    def _create(self) -> Credential:
        for role in self._roles:
            created = self._credentials.create("grafana", role)
            try:
                if self._gives_access(created):
                    return created
            except BaseException as error:
                self._remove(created, error)
                raise
            self._credentials.delete(created)
        raise CommandFailed(
            f"none of your roles in the project {self.project_name} gives access to these metrics: "
            f"{', '.join(self._roles)}"
        )

    def _remove(self, credential: Credential, cause: BaseException) -> None:
        try:
            self._credentials.delete(credential)
        except CommandFailed as error:
            raise CommandFailed(f"{cause or type(cause).__name__}\n{error}") from cause

    def _gives_access(self, credential: Credential) -> bool:
        verify = True if self._session.verify is None else self._session.verify
        direct = MetricsClient.direct(
            self.url,
            username=credential.id,
            password=credential.secret,
            verify=verify,
            cert=self._session.cert,
        )
        with direct as client:
            try:
                rules = client.whoami()["rules"]
            except Unauthorized:
                return False
        return rules.get("telemetry:query") in self._sufficient


def _own_credential(session: Session, access: AccessInfo) -> Credential | None:
    """Return the application credential that the caller logged in with."""
    identity = getattr(access, "application_credential_id", None)
    if identity is None:
        return None
    for method in getattr(session.auth, "auth_methods", ()):
        secret = getattr(method, "application_credential_secret", None)
        if secret is not None:
            return Credential(str(identity), secret)
    return None

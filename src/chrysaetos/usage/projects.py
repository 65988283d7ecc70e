"""The projects to export: all of Keystone's, or the project of the credentials.

Source: Identity API v3 reference, "Projects" and "Domains".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from keystoneauth1 import exceptions

from chrysaetos.usage.records import Project, UsageError
from chrysaetos.usage.site import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keystoneauth1.identity.base import BaseIdentityPlugin
    from keystoneauth1.session import Session

    from chrysaetos.usage.api import Service

__all__ = ["AllProjects", "OwnProject", "Projects"]


class Projects(Protocol):
    """The projects to export.

    Attributes:
        all: whether the credentials are those of an administrator, who may see all projects.
    """

    all: bool

    @property
    def calls(self) -> int:
        """Number of requests so far."""
        ...

    def list(self) -> Sequence[Project]:
        """Return the projects.

        Raises:
            UsageError: a request to Keystone failed.
        """
        ...


class AllProjects:
    """The projects of Keystone, or of some of its domains.

    Args:
        keystone: Keystone.
        domains: names or ids of the domains to export; empty for all.
        domain_id: id of the only domain to export; overrides ``domains``.
    """

    all = True

    def __init__(self, keystone: Service, domains: Sequence[str] = (), domain_id: str | None = None) -> None:
        self._keystone = keystone
        self._domains = domains
        self._domain_id = domain_id

    @property
    def calls(self) -> int:
        """Number of requests so far."""
        return self._keystone.calls

    def list(self) -> Sequence[Project]:
        """Return the projects to export, with the names of their domains.

        Raises:
            UsageError: a request to Keystone failed, or a configured domain does not exist.
        """
        domains = {domain["id"]: domain["name"] for domain in self._entries("/domains", "domains")}
        if self._domain_id and self._domain_id not in domains:
            raise UsageError(f"there is no domain with the id {self._domain_id}", reason="keystone")
        known = {*domains, *domains.values()}
        missing = [domain for domain in self._domains if domain not in known]
        if missing and not self._domain_id:
            raise UsageError(f"there is no domain {', '.join(missing)}", reason="keystone")
        projects = {
            entry["id"]: Project(
                entry["id"], entry["name"], entry["domain_id"], domains.get(entry["domain_id"], "")
            )
            for entry in self._entries("/projects", "projects")
        }
        return select(list(projects.values()), self._domains, self._domain_id)

    def _entries(self, path: str, name: str) -> Sequence[dict[str, Any]]:
        document = self._keystone.get(path, {})
        entries = document.get(name)
        if not isinstance(entries, list):
            raise UsageError(f"Keystone's response to GET {path} has no {name}", reason="keystone")
        if document.get("truncated"):
            raise UsageError(
                f"Keystone truncates the list of {name}: raise [DEFAULT] list_limit in keystone.conf",
                reason="truncated",
            )
        return entries


class OwnProject:
    """The project of the credentials, which Keystone names in each token.

    Args:
        session: a session with the credentials.
    """

    all = False
    calls = 0

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> Sequence[Project]:
        """Return the project.

        Raises:
            UsageError: there is no token, or it has no project.
        """
        try:
            token = cast("BaseIdentityPlugin", self._session.auth).get_access(self._session)
        except exceptions.ClientException as error:
            raise UsageError(f"no token from Keystone: {error}", reason="keystone") from error
        if not token.project_id:
            raise UsageError("--own-project requires the credentials of a project", reason="keystone")
        return [
            Project(
                token.project_id,
                token.project_name or "",
                token.project_domain_id or "",
                token.project_domain_name or "",
            )
        ]

"""A log-in at Keystone with a password, or with an application credential."""

from __future__ import annotations

from dataclasses import dataclass, field

from keystoneauth1.identity import v3

__all__ = ["APPLICATION_CREDENTIAL", "PASSWORD", "Login"]

PASSWORD = "password"  # noqa: S105  # the name of a method
APPLICATION_CREDENTIAL = "application_credential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A log-in of a user, or with an application credential.

    Attributes:
        secret: the user's password, or the application credential's secret.
        user: name and domain of the user; None for an application credential.
        project: name and domain of the project. If None, it is the user's default project, or that of the
            application credential.
        credential_id: the id of the application credential; empty for a user.
    """

    secret: str = field(repr=False)
    user: tuple[str, str] | None = None
    project: tuple[str, str] | None = None
    credential_id: str = ""

    @property
    def kind(self) -> str:
        """Keystone's name of the method: ``PASSWORD`` or ``APPLICATION_CREDENTIAL``."""
        return APPLICATION_CREDENTIAL if self.user is None else PASSWORD

    @property
    def subject(self) -> str:
        """Who logs in, for the limit of failures."""
        return self.credential_id if self.user is None else "@".join(self.user)

    def plugin(self, auth_url: str) -> v3.Password | v3.ApplicationCredential:
        """Return the keystoneauth plugin. It does not request the catalog, which is not needed."""
        if self.user is None:
            return v3.ApplicationCredential(
                auth_url,
                application_credential_id=self.credential_id,
                application_credential_secret=self.secret,
                include_catalog=False,
            )
        project, project_domain = self.project or (None, None)
        return v3.Password(
            auth_url,
            username=self.user[0],
            user_domain_name=self.user[1],
            password=self.secret,
            project_name=project,
            project_domain_name=project_domain,
            include_catalog=False,
        )

"""Sessions of keystoneauth1 whose auth URL may be that of another service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keystoneauth1.exceptions import DiscoveryFailure

if TYPE_CHECKING:
    from keystoneauth1.session import Session
    from requests import Response

__all__ = ["reject_other_services"]


def reject_other_services(session: Session) -> Session:
    """Make a session raise an error if its auth URL requires credentials, which Keystone's does not.

    keystoneauth1's generic plugins would repeat the request for Keystone's versions with a token, and wait
    forever for the lock that they hold while they get one (``discover.get_version_data``).

    Args:
        session: a session with credentials. It is changed.

    Returns:
        The same session. ``DiscoveryFailure`` makes a plugin guess the version from the auth URL.
    """
    auth_url = getattr(session.auth, "auth_url", None) or ""

    def check(response: Response, **_: Any) -> None:
        refused = response.status_code == 401 and response.request.method == "GET"
        if refused and response.url.rstrip("/") == auth_url.rstrip("/"):
            raise DiscoveryFailure(f"{auth_url} requires credentials: it is not Keystone's URL")

    session.session.hooks["response"].append(check)
    return session

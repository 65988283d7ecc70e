"""Sessions of keystoneauth1 whose auth URL may be that of another service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keystoneauth1.exceptions import DiscoveryFailure

if TYPE_CHECKING:
    from keystoneauth1.session import Session
    from requests import Response

__all__ = ["check_service", "reject_other_services"]


def check_service(response: Response, auth_url: str) -> None:
    """Check that an auth URL does not require credentials, which Keystone's does not.

    keystoneauth1's generic plugins would repeat the request for Keystone's versions with a token, and wait
    forever for the lock that they hold while they get one (``discover.get_version_data``).

    Raises:
        DiscoveryFailure: the response is that of the auth URL, and requires credentials. It makes a plugin
            guess the version from the auth URL.
    """
    refused = response.status_code == 401 and response.request.method == "GET"
    if refused and response.url.rstrip("/") == auth_url.rstrip("/"):
        raise DiscoveryFailure("the auth URL requires credentials: it is not Keystone's URL")


def reject_other_services(session: Session) -> Session:
    """Make a session check the responses of its auth URL with ``check_service``.

    Args:
        session: a session with credentials. It is changed.

    Returns:
        The same session.
    """
    auth_url = getattr(session.auth, "auth_url", None) or ""

    def check(response: Response, **_: Any) -> None:
        check_service(response, auth_url)

    session.session.hooks["response"].append(check)
    return session

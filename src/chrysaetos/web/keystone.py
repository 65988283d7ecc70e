"""Log-in, log-out and everything else that the web page needs of Keystone.

Each call is made with the user's own credentials, so that Keystone's policy decides. A log-in is one call if
the project is given. Failed log-ins are limited together with failed Basic credentials.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from keystoneauth1 import exceptions
from keystoneauth1.identity import v3

from chrysaetos.errors import BadRequest, Forbidden, Unauthorized, Unavailable
from chrysaetos.identity.breaker import Breaker
from chrysaetos.identity.flights import SingleFlight
from chrysaetos.identity.login import APPLICATION_CREDENTIAL
from chrysaetos.web.sessions import Named, Session, new_id

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from chrysaetos.identity.authenticator import KeystoneAuthenticator
    from chrysaetos.identity.caller import Caller
    from chrysaetos.identity.login import Login

__all__ = ["Keystone", "NewCredential"]

_LOG = logging.getLogger(__name__)

_LEAST_ROLES = ("reader", "member", "_member_")
"""Roles of which the first that a user has is enough to read metrics, the weakest first."""
_MAX_PROJECTS = 1000
_WEBSSO = "websso"
_ENDED = "the session has ended: log in again"

_INVALID = (exceptions.Unauthorized, exceptions.NotFound)
"""What Keystone says of a token: 401 if it comes with a request, 404 if it is what the request is about."""
# Keystone responds with 400 to a body outside its schema, for example a name that is too long.
_WRONG = (exceptions.BadRequest, exceptions.Unauthorized, exceptions.NotFound, exceptions.MissingAuthMethods)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A new application credential.

    Attributes:
        id: its id.
        name: its name.
        secret: its secret, which Keystone does not show again.
        roles: names of its roles.
    """

    id: str
    name: str
    secret: str = field(repr=False)
    roles: tuple[str, ...]


class Keystone:
    """Calls Keystone for the web page.

    Args:
        identity: validates tokens, limits failures, and knows how to connect to Keystone.

    Attributes:
        public_url: Keystone's URL for browsers, with the version.
    """

    def __init__(self, identity: KeystoneAuthenticator) -> None:
        settings = identity.settings
        self._identity = identity
        self._url = _versioned(settings.auth_url)
        self.public_url = _versioned(settings.www_authenticate_uri)
        self._http = settings.session()
        # Its own threads: Keystone takes long to check a password, and other requests must not wait for that.
        self._flights: SingleFlight[Any] = SingleFlight(
            "web", threads=4, waiting=200, breaker=Breaker(identity.wait_seconds)
        )

    async def log_in(self, login: Login, client: str) -> Session:
        """Log in.

        Args:
            login: the credentials.
            client: address of the browser.

        Raises:
            Unauthorized: Keystone does not accept them.
            Forbidden: the user has no project.
            TooManyRequests: log-ins of this user, or from this address, failed too often.
            Unavailable: Keystone cannot be reached.
        """
        self._flights.check_room()
        attempt = self._identity.attempts.begin(login.subject, client)

        def settle(call: Future[Any]) -> None:
            if call.cancelled() or not isinstance(call.exception(), Unauthorized):
                attempt.refund()

        access = await self._call(self._log_in, login, on_done=settle)
        return self._session(access, login.kind)

    async def enter(self, session: Session, project_id: str) -> Session:
        """Return a session in another project.

        The token of the current one stays valid until it expires: Keystone may revoke all tokens that were
        exchanged for a token along with it.

        Raises:
            Unauthorized: the session's token is no longer valid, or the user has logged out meanwhile.
            Forbidden: the user may not enter the project, or Keystone does not rescope such tokens.
            Unavailable: Keystone cannot be reached.
        """
        access = await self._call(self._rescope, session.token, project_id, session.kind)
        if self._identity.is_forgotten(session.token.encode("ascii")):
            # The user has logged out meanwhile.
            await self._call(self._revoke, access.auth_token)
            raise Unauthorized(_ENDED)
        return self._session(access, session.kind)

    async def accept(self, token: str) -> Session:
        """Return a session for the unscoped token of a WebSSO log-in.

        Raises:
            Unauthorized: Keystone does not accept the token.
            Forbidden: the user has no project.
            Unavailable: Keystone cannot be reached.
        """
        access = await self._call(self._first_project, token, _WEBSSO)
        return self._session(access, _WEBSSO)

    async def projects(self, session: Session) -> list[Named]:
        """Return the projects that the user may enter, by name.

        Raises:
            Unauthorized: the session's token is no longer valid.
            Unavailable: Keystone cannot be reached.
        """
        if session.kind == APPLICATION_CREDENTIAL:
            return [session.project]
        projects: list[Named] = await self._call(self._projects, session.token, dict(session.domains))
        return projects

    async def log_out(self, session: Session) -> None:
        """Revoke the session's token. A token that is already invalid is no error.

        Raises:
            Unavailable: Keystone cannot be reached.
        """
        self._identity.forget(session.token.encode("ascii"))
        await self._call(self._revoke, session.token)

    async def create_credential(self, session: Session, name: str, expires_at: str | None) -> NewCredential:
        """Create an application credential with the weakest role that can read metrics.

        Args:
            session: the session; the credential is for its user and project.
            name: the name of the credential.
            expires_at: its expiry, as Keystone writes times; None for no expiry.

        Raises:
            BadRequest: Keystone does not accept the expiry, or the user has left the project.
            Forbidden: Keystone does not permit it, or there is one with this name.
            Unauthorized: the session's token is no longer valid.
            Unavailable: Keystone cannot be reached.
        """
        created: NewCredential = await self._call(self._create_credential, session, name, expires_at)
        return created

    def caller(self, session: Session) -> Caller | None:
        """Return the session's user for the audit log, if its token was validated recently."""
        return self._identity.cached([(b"x-auth-token", session.token.encode("ascii"))])

    def websso_url(self, protocol: str, origin: str) -> str:
        """Return the URL at which a browser starts a log-in through an identity provider.

        Args:
            protocol: the id of the federation protocol in Keystone.
            origin: the URL to which the token is posted; one of
                ``[federation] trusted_dashboard`` in Keystone.
        """
        query = urlencode({"origin": origin})
        return f"{self.public_url}/auth/OS-FEDERATION/websso/{quote(protocol, safe='')}?{query}"

    async def close(self) -> None:
        """Stop the threads, and wait for no call to Keystone."""
        self._flights.close()
        self._http.session.close()

    def _session(self, access: Any, kind: str) -> Session:
        """Return a session for a token that Keystone has just issued, and cache its validation.

        Args:
            access: keystoneauth's ``AccessInfoV3``.
            kind: how the user logged in.
        """
        self._identity.remember(access)
        return Session(
            token=access.auth_token,
            expires_at=access.expires.timestamp(),
            kind=kind,
            user=Named(access.user_id, access.username, access.user_domain_name),
            project=Named(access.project_id, access.project_name, access.project_domain_name),
            domains=(
                (access.user_domain_id, access.user_domain_name),
                (access.project_domain_id, access.project_domain_name),
            ),
            roles=tuple(access.role_names),
            id=new_id(),
        )

    async def _call(
        self,
        call: Callable[..., Any],
        *arguments: Any,
        on_done: Callable[[Future[Any]], None] | None = None,
    ) -> Any:
        # Each call has its own key: two log-ins with the same password are two sessions.
        return await self._flights.run(
            new_id().encode(), partial(_guarded, partial(call, *arguments)), on_done
        )

    # The following run in a thread.

    def _log_in(self, login: Login) -> Any:
        try:
            access: Any = login.plugin(self._url).get_access(self._http)
        except _WRONG as error:
            raise Unauthorized("Keystone does not accept these credentials") from error
        if access.project_id is not None:
            return access
        return self._first_project(access.auth_token, login.kind)

    def _first_project(self, token: str, kind: str) -> Any:
        projects = self._projects(token, {})
        if not projects:
            raise Forbidden("you have no role in any project: ask the administrator of your cloud for one")
        return self._rescope(token, projects[0].id, kind)

    def _rescope(self, token: str, project_id: str, kind: str) -> Any:
        plugin = v3.Token(self._url, token, project_id=project_id, include_catalog=False)
        try:
            access = plugin.get_access(self._http)
        except _INVALID as error:
            if kind == APPLICATION_CREDENTIAL or self._is_valid(token):
                raise Forbidden("you may not enter this project") from error
            raise
        return access

    def _projects(self, token: str, domains: dict[str, str]) -> list[Named]:
        """Return the enabled projects. Users may not read the names of ``domains`` that are not theirs."""
        found = self._send("GET", "/auth/projects", token)["projects"]
        named = (
            Named(one["id"], one["name"], domains.get(one["domain_id"], one["domain_id"]))
            for one in found
            if one.get("enabled", True)
        )
        return sorted(named, key=lambda one: (one.name.casefold(), one.domain, one.id))[:_MAX_PROJECTS]

    def _is_valid(self, token: str) -> bool:
        try:
            self._send("GET", "/auth/tokens", token, {"X-Subject-Token": token})
        except _INVALID:
            return False
        return True

    def _revoke(self, token: str) -> None:
        with suppress(*_INVALID):
            self._send("DELETE", "/auth/tokens", token, {"X-Subject-Token": token})
        self._identity.forget_shared(token)

    def _create_credential(self, session: Session, name: str, expires_at: str | None) -> NewCredential:
        role = next((each for each in _LEAST_ROLES if each in session.roles), None)
        roles = session.roles if role is None else (role,)
        wanted = {"name": name, "roles": [{"name": each} for each in roles], "expires_at": expires_at}
        path = f"/users/{session.user.id}/application_credentials"
        try:
            body = self._send("POST", path, session.token, json={"application_credential": wanted})
        except exceptions.Conflict as error:
            raise Forbidden(
                f"you have an application credential {name!r} already: choose another name"
            ) from error
        except exceptions.BadRequest as error:
            raise BadRequest(
                "Keystone did not create the application credential: check that its expiry is in the future, "
                "and that you still have a role in the project"
            ) from error
        made = body["application_credential"]
        return NewCredential(id=made["id"], name=made["name"], secret=made["secret"], roles=roles)

    def _send(
        self, method: str, path: str, token: str, headers: dict[str, str] | None = None, json: Any = None
    ) -> Any:
        answer = self._http.request(
            self._url + path,
            method,
            json=json,
            headers={"X-Auth-Token": token, "Accept": "application/json"} | (headers or {}),
            authenticated=False,
            redirect=False,
        )
        return answer.json() if answer.content else None


def _guarded(call: Callable[[], Any]) -> Any:
    """Make a call. Keystone's texts are not passed on; they may repeat what was sent.

    Raises:
        ApiError: it failed.
    """
    try:
        return call()
    except _INVALID as error:
        raise Unauthorized(_ENDED) from error
    except exceptions.Forbidden as error:
        raise Forbidden("Keystone does not permit this") from error
    except exceptions.BadRequest as error:
        raise BadRequest("Keystone does not accept this") from error
    except (exceptions.ClientException, KeyError, TypeError, ValueError) as error:
        _LOG.error("a request to Keystone for the web page failed: %s", type(error).__name__)
        raise Unavailable("Keystone cannot be reached: try again", 5) from error


def _versioned(url: str) -> str:
    """Return the URL of version 3, as keystoneauth completes it."""
    url = url.rstrip("/")
    return url if url.endswith("/v3") else f"{url}/v3"

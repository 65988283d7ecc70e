"""Handle the endpoints of the web page, and let the page use the API with its cookie.

What a request with the page's cookie may do:

- It must come from the gateway's own origin, as the browser says. Pages of other origins cannot use the
  cookie, even if ``[cors]`` allows their own credentials.
- It may read through the endpoints that every tenant has. Endpoints for operators, the deletion of series,
  remote read and ``/federate`` are not for browsers.
- What changes something is a POST with JSON and a CSRF token.
- Other credentials in the request take precedence over the cookie.
- The page names its project, since another tab of the browser may have entered another one with the same
  cookie: a page of one project must neither show another's data nor create a credential for it.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chrysaetos import __version__
from chrysaetos.errors import (
    BadRequest,
    ConfigError,
    Conflict,
    ContentTooLarge,
    Forbidden,
    NotFound,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from chrysaetos.exporters import EXPORTERS
from chrysaetos.http.server.responses import json_response
from chrysaetos.tenancy.endpoints import Action
from chrysaetos.web.browser import Browser
from chrysaetos.web.files import SECURITY_HEADERS
from chrysaetos.web.forms import new_credential, project_id, read_login, websso_token
from chrysaetos.web.sessions import new_id, read_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from chrysaetos.exporters import Exporter
    from chrysaetos.gateway.app.exchange import Exchange
    from chrysaetos.gateway.app.request import Request
    from chrysaetos.http.server.responses import Response
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.web.files import Files
    from chrysaetos.web.keystone import Keystone
    from chrysaetos.web.sessions import Sealer, Session

__all__ = ["WebPage"]

_LOG = logging.getLogger(__name__)

_SESSION = "chrysaetos"
_BROWSER = "chrysaetos-browser"
_WEBSSO = "chrysaetos-websso"
_PROJECT = b"x-chrysaetos-page-project"
"""The id of the project whose data a page shows."""
_CREDENTIALS = frozenset({b"x-auth-token", b"authorization"})
_BROWSER_HEADERS = frozenset({b"cookie", b"sec-fetch-site"})
_LOG_IN = "nobody is logged in, or the session has ended: log in"
_MAX_BODY_BYTES = 16 * 1024
_WEBSSO_SECONDS = 600.0
"""Time that a log-in at an identity provider may take."""


class WebPage:
    """Handles the page's requests.

    Args:
        files: the files of the page.
        sealer: seals cookies.
        keystone: calls Keystone.
        key_file: the file with the sealer's keys; None if there is none.
        websso: the texts of buttons by federation protocol.
        public_url: URL of the gateway for browsers, for WebSSO.
        exporters: returns the metrics of servers, by exporter; raises ``ConfigError`` if they are invalid.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        files: Files,
        sealer: Sealer,
        keystone: Keystone,
        *,
        key_file: Path | None = None,
        websso: Mapping[str, str] | None = None,
        public_url: str = "",
        exporters: Callable[[], Mapping[str, Exporter]] = lambda: EXPORTERS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files = files
        self._sealer = sealer
        self._keystone = keystone
        self._key_file = key_file
        self._websso = dict(websso or {})
        self._public_url = public_url
        self._read_exporters = exporters
        self._exporters = exporters()
        self._clock = clock
        self._posts = {
            "web_login": self._log_in,
            "web_project": self._enter,
            "web_logout": self._log_out,
            "web_credential": self._create_credential,
        }

    def reload(self) -> None:
        """Read the keys and the exporters again. If they are invalid, the previous ones stay in use."""
        if self._key_file is not None:
            try:
                self._sealer.replace_keys(read_keys(self._key_file))
            except ConfigError as error:
                _LOG.error("the previous keys of sessions stay in use: %s", error)
        try:
            self._exporters = self._read_exporters()
        except ConfigError as error:
            _LOG.error("the previous exporters stay in use: %s", error)

    async def close(self) -> None:
        """Stop the threads, and wait for no call to Keystone."""
        await self._keystone.close()

    def add_token(self, request: Request, endpoint: Endpoint) -> bool:
        """Replace the page's cookie in a request for the API by the token that it seals.

        Nothing is done if the request has other credentials.

        Returns:
            Whether the request is the page's.

        Raises:
            Unauthorized: the page sent it, and nobody is logged in.
            Forbidden: the endpoint is not for browsers, or the request comes from another origin.
            Conflict: the session is in another project than the page.
        """
        names = {name for name, _ in request.headers}
        if names & _CREDENTIALS or not names & _BROWSER_HEADERS:
            return False
        browser = Browser(request.headers)
        session = self._session(browser)
        if session is None:
            if browser.same_origin:
                raise Unauthorized(_LOG_IN)
            return False
        if (
            endpoint.action in {Action.OPERATOR, Action.READ}
            or not endpoint.idempotent
            or endpoint.name == "federate"
        ):
            raise Forbidden("this endpoint cannot be used with the cookie of the web page: send a token")
        browser.check_same_origin()
        _check_page(request, session)
        request.headers = [pair for pair in request.headers if pair[0] != b"cookie"]
        request.headers.append((b"x-auth-token", session.token.encode("ascii")))
        return True

    async def handle(self, request: Request, endpoint: Endpoint, exchange: Exchange) -> Response:
        """Return the response to a request for an endpoint of the page.

        Raises:
            ApiError: the error to respond with.
        """
        browser = Browser(request.headers)
        match endpoint.name:
            case "web":
                response = self._page(request)
            case "web_file":
                response = self._files.file(_last_segment(request), request.headers)
            case "web_websso":
                response = self._start_websso(browser, _last_segment(request))
            case "web_websso_token":
                response = await self._finish_websso(request, browser, exchange)
            case "web_session":
                browser.check_same_origin()
                response = self._describe(browser)
            case "web_projects":
                browser.check_same_origin()
                projects = await self._keystone.projects(self._required(browser, exchange))
                response = json_response(200, {"projects": [one._asdict() for one in projects]})
            case "web_exporters":
                browser.check_same_origin()
                self._required(browser, exchange)
                exporters = [{"name": name, **asdict(each)} for name, each in self._exporters.items()]
                response = json_response(200, {"exporters": exporters})
            case _:
                browser.check_same_origin()
                body = self._checked_body(request, browser)
                if endpoint.name == "web_credential":
                    _check_page(request, self._required(browser, exchange))
                response = await self._posts[endpoint.name](browser, body, exchange)
        return response

    def _page(self, request: Request) -> Response:
        if request.path.endswith("/"):
            return 308, [*SECURITY_HEADERS, (b"location", b"../ui"), (b"content-length", b"0")], b""
        return self._files.page(request.headers)

    def _describe(self, browser: Browser) -> Response:
        """Describe the session. Without one, bind the browser to an id, so that a log-in has a CSRF token."""
        session = self._session(browser)
        identifier = self._identifier(browser)
        cookies = []
        if identifier is None:
            identifier = new_id()
            cookies.append(browser.set_cookie(_BROWSER, self._sealer.seal("browser", identifier)))
        status, headers, body = json_response(
            200,
            {
                "csrf": self._sealer.csrf_token(identifier),
                "session": None if session is None else session.public(),
                "websso": [{"id": key, "name": name} for key, name in self._websso.items()],
                "version": __version__,
                "keystone_url": self._keystone.public_url,
                "server_time": self._clock(),
            },
        )
        return status, [*headers, *cookies], body

    async def _log_in(self, browser: Browser, body: dict[str, Any], exchange: Exchange) -> Response:
        session = await self._keystone.log_in(read_login(body), exchange.client)
        return self._logged_in(browser, session, exchange)

    async def _enter(self, browser: Browser, body: dict[str, Any], exchange: Exchange) -> Response:
        session = await self._keystone.enter(self._required(browser, exchange), project_id(body))
        return self._logged_in(browser, session, exchange)

    async def _log_out(self, browser: Browser, body: dict[str, Any], exchange: Exchange) -> Response:  # noqa: ARG002  # as the others
        session = self._session(browser)
        failure = ""
        if session is not None:
            exchange.caller = self._keystone.caller(session)
            try:
                await self._keystone.log_out(session)
            except Unavailable as error:
                failure = str(error)
        # The cookie is removed in any case.
        status, headers, content = json_response(200, {"revoked": not failure, "error": failure or None})
        return status, [*headers, browser.set_cookie(_SESSION, ""), browser.set_cookie(_BROWSER, "")], content

    async def _create_credential(
        self, browser: Browser, body: dict[str, Any], exchange: Exchange
    ) -> Response:
        session = self._required(browser, exchange)
        made = await self._keystone.create_credential(session, *new_credential(body))
        return json_response(201, asdict(made))

    def _start_websso(self, browser: Browser, protocol: str) -> Response:
        """Send the browser to Keystone, and remember that it went there."""
        if protocol not in self._websso:
            raise NotFound("this path does not exist here")
        state = self._sealer.seal("websso", self._clock() + _WEBSSO_SECONDS)
        url = self._keystone.websso_url(protocol, f"{self._public_url}/ui/websso")
        return _redirect(url, browser.set_cookie(_WEBSSO, state, cross_site=True))

    async def _finish_websso(self, request: Request, browser: Browser, exchange: Exchange) -> Response:
        """Take the token that Keystone's page posts, if this browser was sent there.

        A page of somebody else could send the browser to Keystone, but it cannot post a token of its own:
        the browser names the origin of the page that posts.
        """
        browser.check_host(self._public_url)
        until = self._sealer.open("websso", browser.cookie(_WEBSSO) or "")
        if until is None or until < self._clock():
            raise Forbidden("this log-in was not started here, or took too long: start it again")
        if not self._websso or not browser.comes_from(self._keystone.public_url):
            raise Forbidden("this log-in does not come from Keystone")
        session = await self._keystone.accept(websso_token(_small_body(request)))
        exchange.caller = self._keystone.caller(session)
        return _redirect(
            "../ui",
            browser.set_cookie(_SESSION, self._sealer.seal_session(session)),
            browser.set_cookie(_WEBSSO, "", cross_site=True),
        )

    def _logged_in(self, browser: Browser, session: Session, exchange: Exchange) -> Response:
        exchange.caller = self._keystone.caller(session)
        cookie = browser.set_cookie(_SESSION, self._sealer.seal_session(session))
        csrf = self._sealer.csrf_token(session.id)
        status, headers, body = json_response(200, {"csrf": csrf, "session": session.public()})
        return status, [*headers, cookie], body

    def _checked_body(self, request: Request, browser: Browser) -> dict[str, Any]:
        """Return the body of a POST that changes something.

        Raises:
            Forbidden: the CSRF token is missing or wrong.
            UnsupportedMediaType: the body is not JSON. Forms of other sites cannot send JSON.
            BadRequest: the body is not a JSON object.
            ContentTooLarge: the body is too long.
        """
        identifier = self._identifier(browser)
        token = (request.header(b"x-csrf-token") or b"").decode("latin-1")
        if identifier is None or not self._sealer.is_csrf_token(identifier, token):
            raise Forbidden("X-CSRF-Token is missing or does not belong to this browser: reload the page")
        if request.media_type != b"application/json":
            raise UnsupportedMediaType("send the body as application/json")
        try:
            body = json.loads(_small_body(request))
        except (ValueError, RecursionError) as error:
            raise BadRequest("the body is not JSON") from error
        if not isinstance(body, dict):
            raise BadRequest("the body is not a JSON object")
        return body

    def _session(self, browser: Browser) -> Session | None:
        sealed = browser.cookie(_SESSION)
        return None if sealed is None else self._sealer.open_session(sealed, self._clock())

    def _required(self, browser: Browser, exchange: Exchange) -> Session:
        session = self._session(browser)
        if session is None:
            raise Unauthorized(_LOG_IN)
        exchange.caller = self._keystone.caller(session)
        return session

    def _identifier(self, browser: Browser) -> str | None:
        """Return what CSRF tokens are bound to: the session's id or, before log-in, the browser's."""
        session = self._session(browser)
        if session is not None:
            return session.id
        identifier: str | None = self._sealer.open("browser", browser.cookie(_BROWSER) or "")
        return identifier


def _check_page(request: Request, session: Session) -> None:
    """Check that the page that sent a request shows the project of its session.

    Raises:
        Conflict: it shows another one.
    """
    project = request.header(_PROJECT)
    if project is not None and project != session.project.id.encode():
        raise Conflict("another tab has entered another project")


def _redirect(location: str, *cookies: tuple[bytes, bytes]) -> Response:
    headers = [
        (b"location", location.encode("ascii")),
        (b"content-length", b"0"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        *cookies,
    ]
    return 303, headers, b""


def _small_body(request: Request) -> bytes:
    """Return the body of a POST. Everybody may send one, so a long one is not parsed."""
    body = request.body
    if len(body) > _MAX_BODY_BYTES:
        raise ContentTooLarge(f"the body is longer than {_MAX_BODY_BYTES} bytes")
    return body


def _last_segment(request: Request) -> str:
    return request.path.rpartition("/")[2]

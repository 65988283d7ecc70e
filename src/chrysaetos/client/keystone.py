"""The transport over a keystoneauth1 session.

Tokens and their renewal, the catalog, TLS and all other settings of the session are left to keystoneauth1.
Each request uses a view of the caller's session: an object with the same attributes except for the requests
session, which is wrapped to enforce the request's time limit. The caller's session is never modified.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import requests
from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from chrysaetos import __version__
from chrysaetos.auth_url import check_service
from chrysaetos.client.connection_errors import TRANSPORT_EXCEPTIONS, cause_to_show, connection_error
from chrysaetos.client.direct import ignore_netrc
from chrysaetos.client.errors import (
    InvalidArgument,
    MetricsError,
    NotRegistered,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from chrysaetos.client.transport import SERVICE_TYPE, Response, request_headers
from chrysaetos.client.urls import SERVER_URL, is_server_url, strip_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.client.transport import Request

__all__ = ["CHECK_CREDENTIALS", "KeystoneTransport"]

CHECK_CREDENTIALS = "check user, password, domain and project, or the application credential"
"""What to do if Keystone rejects the credentials."""

_KEYSTONEAUTH_LOG = logging.getLogger("keystoneauth.session")

_DEFAULTS = {"service_type": SERVICE_TYPE, "interface": "public", "region_name": None}
"""Where an argument has this value, an Adapter's own setting takes precedence."""

_NO_RESPONSE = (exceptions.ConnectionError, exceptions.DiscoveryFailure, exceptions.InvalidResponse)


class KeystoneTransport:
    """Sends requests to a service of the catalog, with tokens of a session.

    Args:
        session: a keystoneauth1 Session or Adapter.
        interface: the endpoint's interface.
        region_name: the endpoint's region; any region when None.
        service_type: the type of the service in the catalog.
        endpoint_override: a URL to use instead of the catalog's.
        headers: headers of every request.

    Raises:
        InvalidArgument: ``session`` is neither a Session nor an Adapter, or ``endpoint_override`` is not a
            server's URL.
    """

    def __init__(
        self,
        session: Session | Adapter,
        *,
        interface: str,
        region_name: str | None,
        service_type: str,
        endpoint_override: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(session, Session | Adapter):
            raise _not_a_session(session)
        if endpoint_override and not is_server_url(endpoint_override):
            raise InvalidArgument(f"endpoint_override must be {SERVER_URL}")
        self._session = session
        self._filter: dict[str, Any] = {
            "service_type": service_type,
            "interface": interface,
            "region_name": region_name,
        }
        if isinstance(session, Adapter):
            for name, default in _DEFAULTS.items():
                if self._filter[name] == default and getattr(session, name):
                    self._filter[name] = getattr(session, name)
        self._override = endpoint_override
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._endpoint: str | None = None

    def close(self) -> None:
        """Do nothing: the connections belong to the session."""

    def endpoint(self, timeout: float | None = None) -> str:
        """Return the URL that paths are appended to.

        Args:
            timeout: seconds, or None for no limit.

        Raises:
            NotRegistered: the catalog has no such endpoint.
            MetricsError: Keystone did not return a catalog.
        """
        return self._endpoint or self._find_endpoint(*self._view(timeout), timeout)

    def send(self, request: Request, timeout: float | None = None) -> Response:
        """Send a request and return the response, whatever its status.

        Raises:
            MetricsError: there was no response.
        """
        view, sender = self._view(timeout)
        endpoint = self._endpoint or self._find_endpoint(view, sender, timeout)
        options: dict[str, Any] = {} if request.form is None else {"data": request.form}
        if not request.idempotent:
            options["connect_retries"] = options["status_code_retries"] = 0
        if isinstance(self._session, Session):
            # An Adapter has its own client name, and may have its own logger.
            options["client_name"], options["client_version"] = "chrysaetos", __version__
            options["log"] = _KEYSTONEAUTH_LOG.isEnabledFor(logging.DEBUG)
        try:
            # Redirects are not followed: the token would be sent along.
            response = view.request(
                endpoint + request.target,
                request.method,
                headers=request_headers(self._headers, request),
                raise_exc=False,
                redirect=False,
                **options,
            )
        except (exceptions.ClientException, *TRANSPORT_EXCEPTIONS, ValueError) as error:
            converted = _convert(error, sender, endpoint, timeout)
            if isinstance(converted, Unreachable):
                # The endpoint may have moved: look it up again next time.
                self._endpoint = None
            raise converted from cause_to_show(converted, error)
        url = strip_url(endpoint) + request.target.partition("?")[0]
        return Response(response.status_code, response.headers, response.content, url)

    def _view(self, timeout: float | None) -> tuple[Any, _TimeLimitedSession]:
        """Return a view of the caller's session for one request, and the wrapped requests session in it.

        Raises:
            InvalidArgument: the auth URL is not a server's URL.
        """
        outer: Any = self._session
        chain = [outer]
        while isinstance(chain[-1], Adapter):
            chain.append(chain[-1].session)
        session = chain.pop()
        auth = next((each.auth for each in (*chain, session) if each.auth is not None), None)
        auth_url = getattr(auth, "auth_url", None) or ""
        if auth_url and not is_server_url(auth_url):
            # keystoneauth1 would look for Keystone in a catalog.
            raise InvalidArgument(f"the auth URL must be {SERVER_URL}")
        sender = _TimeLimitedSession(session.session, timeout, auth_url)
        # A Session closes the requests session in `_session` when it is deleted.
        view = _copy(session, session=sender, _session=None)
        for adapter in reversed(chain):
            view = _copy(adapter, session=view)
        return view, sender

    def _find_endpoint(self, view: Any, sender: _TimeLimitedSession, timeout: float | None) -> str:
        if self._override:
            found = self._override
        else:
            try:
                found = view.get_endpoint(**{name: value for name, value in self._filter.items() if value})
            except exceptions.CatalogException as error:
                raise NotRegistered(self._not_registered(view)) from error
            except (exceptions.ClientException, *TRANSPORT_EXCEPTIONS, ValueError) as error:
                converted = _convert(error, sender, None, timeout)
                raise converted from cause_to_show(converted, error)
            if not found:
                raise NotRegistered(self._not_registered(view))
        self._endpoint = str(found).rstrip("/")
        return self._endpoint

    def _not_registered(self, view: Any) -> str:
        wanted = self._filter["service_type"]
        where = f"interface {self._filter['interface']}"
        if self._filter["region_name"]:
            where += f" in region {self._filter['region_name']}"
        text = f"no {wanted} service in the catalog for {where}"
        services = _catalog(view)
        if not services:
            return f"{text}: the token has no catalog (is it scoped to a project?)"
        registered = sorted(
            {
                f"{endpoint.get('interface')} in {endpoint.get('region_id') or endpoint.get('region')}"
                for service in services
                if service.get("type") == wanted
                for endpoint in service.get("endpoints", ())
            }
        )
        if registered:
            return f"{text}: it is registered for {', '.join(registered)}"
        types = sorted({str(service.get("type")) for service in services})
        return (
            f"{text}: the catalog has {', '.join(types)}; an operator registers it with "
            f"openstack service create --name aetos {wanted}, openstack endpoint create {wanted} public URL"
        )


class _TimeLimitedSession:
    """Wraps a requests session so that all requests of one call share a time limit, the login included.

    Args:
        session: the caller's requests session.
        timeout: seconds from now, or None for no limit.
        auth_url: the URL at which keystoneauth1 looks for Keystone's versions, empty for none.

    Attributes:
        url: the URL of the last request.
    """

    def __init__(self, session: requests.Session, timeout: float | None, auth_url: str) -> None:
        self._session = session
        self._auth_url = auth_url
        self._end = None if timeout is None else time.monotonic() + timeout
        self.url = ""

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """Send a request within the time that is left, without credentials from netrc.

        Raises:
            requests.Timeout: no time is left.
            DiscoveryFailure: the auth URL requires credentials.
        """
        self.url = url
        if self._end is not None:
            options["timeout"] = self._end - time.monotonic()
            if options["timeout"] <= 0:
                raise requests.Timeout("no time is left")
        if not self._session.auth:
            options.setdefault("auth", ignore_netrc)
        response = self._session.request(method, url, **options)
        check_service(response, self._auth_url)
        return response


def _not_a_session(value: object) -> InvalidArgument:
    hint = "; pass its attribute `session`" if isinstance(getattr(value, "session", None), Session) else ""
    return InvalidArgument(
        f"session must be a keystoneauth1 Session or Adapter, not {type(value).__name__}{hint}"
    )


def _copy(original: Any, **changes: Any) -> Any:
    view = object.__new__(type(original))
    view.__dict__.update(original.__dict__, **changes)
    return view


def _catalog(view: Any) -> list[dict[str, Any]]:
    """Return the token's catalog; empty for a token without a project, or without a Keystone token."""
    session = view
    auth = getattr(view, "auth", None)
    while auth is None and isinstance(session, Adapter):
        session = session.session
        auth = session.auth
    try:
        return list(auth.get_access(view).service_catalog.catalog)  # type: ignore[union-attr]
    except (exceptions.ClientException, *TRANSPORT_EXCEPTIONS, AttributeError):
        return []


def _convert(
    error: Exception, sender: _TimeLimitedSession, endpoint: str | None, timeout: float | None
) -> MetricsError:
    """Return the client's error for an exception of keystoneauth1 or of the layers below it.

    Args:
        error: the exception.
        sender: the session that sent the request.
        endpoint: the metrics endpoint; None while it was being looked up.
        timeout: the request's time limit in seconds.
    """
    if isinstance(error, exceptions.HttpError):
        # With raise_exc=False, only Keystone's own responses are raised.
        return _keystone_error(error, strip_url(sender.url))
    if isinstance(error, exceptions.ClientException) and not isinstance(error, _NO_RESPONSE):
        return Unauthorized(f"no usable credentials: {error}")
    if isinstance(error.__context__, exceptions.DiscoveryFailure | exceptions.HttpError):
        # Not for want of a connection: the server is not Keystone.
        return Unreachable(f"Keystone: {error}", url=strip_url(sender.url), retryable=False)
    reached_endpoint = endpoint is not None and sender.url.startswith(endpoint)
    server = "the metrics service" if reached_endpoint else "Keystone"
    return connection_error(error, sender.url or endpoint or "", server, timeout)


def _keystone_error(error: exceptions.HttpError, url: str) -> MetricsError:
    status = int(error.http_status or 0)
    text = f"Keystone: {error.message}"  # which has the status
    if status == 429 or status >= 500:
        after = getattr(error, "retry_after", None)
        return Unavailable(text, status=status, url=url, retry_after=float(after) if after else None)
    return Unauthorized(f"{text}; {CHECK_CREDENTIALS}", status=status, url=url)

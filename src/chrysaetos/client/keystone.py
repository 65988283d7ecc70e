"""The transport over a keystoneauth1 session.

Tokens, their renewal, the catalog, TLS and everything else that the session has been told are keystoneauth's
work. For each request it works on a view of the caller's session: an object with the same attributes but for
what sends its bytes, and within which time. The caller's own is never written to.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from chrysaetos import __version__
from chrysaetos.client.errors import (
    InvalidArgument,
    MetricsError,
    NotRegistered,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from chrysaetos.client.transport import Answer
from chrysaetos.client.wire import FAILURES, Routes, Wire, failure, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KeystoneTransport"]

_LOG = logging.getLogger("keystoneauth.session")
_DEFAULTS = {"service_type": "metric-storage", "interface": "public", "region_name": None}
"""Where the caller left these, an Adapter's own count."""

_FORM = "application/x-www-form-urlencoded"


class KeystoneTransport:
    """Asks what the catalog names, with tokens of a session.

    Args:
        session: a keystoneauth1 Session or Adapter.
        interface: of the endpoint.
        region_name: its region; any when None.
        service_type: of the service.
        endpoint_override: a URL to ask instead of the catalog's.
        headers: sent with each request.

    Raises:
        InvalidArgument: it is neither.
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
            raise InvalidArgument(
                f"a keystoneauth1 Session or Adapter is needed, not {type(session).__name__}"
                + (
                    "; its attribute `session` is one"
                    if isinstance(getattr(session, "session", 0), Session)
                    else ""
                )
            )
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
        self._routes: Routes = {}
        self._endpoint: str | None = None
        self._shown = ""

    def close(self) -> None:
        """Do nothing: the connections are the session's."""

    def endpoint(self, timeout: float | None = None) -> str:
        """The endpoint of the catalog.

        Raises:
            NotRegistered: the catalog has none.
            MetricsError: Keystone gives no catalog.
        """
        return self._endpoint or self._found(*self._view(timeout), timeout)

    def send(
        self,
        method: str,
        target: str,
        *,
        form: str | None = None,
        identity: bool = False,
        timeout: float | None = None,
        repeatable: bool = True,
    ) -> Answer:
        """Send one request, and read the answer whatever its status is.

        Raises:
            MetricsError: there was no answer.
        """
        view, wire = self._view(timeout)
        endpoint = self._endpoint or self._found(view, wire, timeout)
        url = endpoint + target
        headers = dict(self._headers)
        if form is not None:
            headers["Content-Type"] = _FORM
        if identity:
            headers["Accept-Encoding"] = "identity"
        options: dict[str, Any] = {} if form is None else {"data": form}
        if not repeatable:
            options["connect_retries"] = options["status_code_retries"] = 0
        if isinstance(self._session, Session):
            # An Adapter has its own name, and perhaps its own logger.
            options["client_name"], options["client_version"] = "chrysaetos", __version__
            options["log"] = _LOG.isEnabledFor(logging.DEBUG)
        try:
            # A redirect is not followed: the token would go with it.
            response = view.request(url, method, headers=headers, raise_exc=False, redirect=False, **options)
        except (exceptions.ClientException, *FAILURES, ValueError) as error:
            mapped = _mapped(error, wire, endpoint, timeout)
            if isinstance(mapped, Unreachable):
                # It may have moved.
                self._endpoint = None
            raise mapped from error
        return Answer(
            response.status_code, response.headers, wire.body, self._shown + target.partition("?")[0]
        )

    def _view(self, timeout: float | None) -> tuple[Any, Wire]:
        """The caller's session as one request sees it, and what sends for it."""
        outer: Any = self._session
        chain = [outer]
        while isinstance(chain[-1], Adapter):
            chain.append(chain[-1].session)
        session = chain.pop()
        wire = Wire(session.session, self._routes, timeout)
        # `_session` is what a Session closes at its end.
        view = _copy(session, session=wire, _session=None)
        for adapter in reversed(chain):
            view = _copy(adapter, session=view)
        return view, wire

    def _found(self, view: Any, wire: Wire, timeout: float | None) -> str:
        endpoint = self._find(view, wire, timeout)
        self._shown = shown(endpoint)
        self._endpoint = endpoint
        return endpoint

    def _find(self, view: Any, wire: Wire, timeout: float | None) -> str:
        if self._override:
            return self._override.rstrip("/")
        try:
            found = view.get_endpoint(**{name: value for name, value in self._filter.items() if value})
            if found:
                return str(found).rstrip("/")
            raise NotRegistered(self._not_registered(view))
        except exceptions.CatalogException as error:
            raise NotRegistered(self._not_registered(view)) from error
        except (exceptions.ClientException, *FAILURES, ValueError) as error:
            raise _mapped(error, wire, None, timeout) from error

    def _not_registered(self, view: Any) -> str:
        wanted = self._filter["service_type"]
        where = f"interface {self._filter['interface']}"
        if self._filter["region_name"]:
            where += f" in region {self._filter['region_name']}"
        text = f"no {wanted} service in the catalog for {where}"
        services = _catalog(view)
        if not services:
            return f"{text}: the credentials bring no catalog (is the token one of a project?)"
        same = sorted(
            {
                f"{endpoint.get('interface')} in {endpoint.get('region_id') or endpoint.get('region')}"
                for service in services
                if service.get("type") == wanted
                for endpoint in service.get("endpoints", ())
            }
        )
        if same:
            return f"{text}: the catalog has it for {', '.join(same)}"
        types = sorted({str(service.get("type")) for service in services})
        return (
            f"{text}: the catalog has {', '.join(types)}; an operator registers it with "
            f"openstack service create --name aetos {wanted}, openstack endpoint create {wanted} public URL"
        )


def _copy(original: Any, **changes: Any) -> Any:
    view = object.__new__(type(original))
    view.__dict__.update(original.__dict__, **changes)
    return view


def _catalog(view: Any) -> list[dict[str, Any]]:
    """The catalog of the token; empty for one without a project, and where there is no token of Keystone."""
    session = view
    auth = getattr(view, "auth", None)
    while auth is None and isinstance(session, Adapter):
        session = session.session
        auth = session.auth
    try:
        return list(auth.get_access(view).service_catalog.catalog)  # type: ignore[union-attr]
    except (exceptions.ClientException, *FAILURES, AttributeError):
        return []


def _mapped(error: Exception, wire: Wire, endpoint: str | None, timeout: float | None) -> MetricsError:
    """What an exception of keystoneauth, or of what is below it, means.

    Args:
        error: the exception.
        wire: what sent.
        endpoint: what was to be asked; None when it was Keystone alone.
        timeout: seconds that there were.
    """
    if isinstance(error, exceptions.HttpError):
        # Answers of the service itself are never raised, so this is Keystone's.
        return _refused(error, shown(wire.url))
    if isinstance(error, exceptions.ClientException) and not isinstance(error, _NO_ANSWER):
        return Unauthorized(f"there are no credentials that can be used: {error}")
    ours = endpoint is not None and wire.url.startswith(endpoint)
    who = "the metrics service" if ours else "Keystone"
    return failure(error, wire.url or endpoint or "", who, timeout)


_NO_ANSWER = (exceptions.ConnectionError, exceptions.DiscoveryFailure, exceptions.InvalidResponse)


def _refused(error: exceptions.HttpError, url: str) -> MetricsError:
    status = int(error.http_status or 0)
    text = f"Keystone: {error.message} (HTTP {status})"
    if status == 429 or status >= 500:
        after = getattr(error, "retry_after", None)
        return Unavailable(text, status=status, url=url, retry_after=float(after) if after else None)
    return Unauthorized(text, status=status, url=url)

"""requests' sending without what it works out anew for each request, and what its exceptions mean.

`requests.Session.request` takes most of its time for what is always the same here: proxies and the CA from
the environment, netrc, cookies, the encoding of URL and body. `Wire` stands in for the session with the same
`request`, and sends through the adapters that are mounted there: same connections, same TLS, same pool.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from chrysaetos.client.adapters import QuickAdapter
from chrysaetos.client.errors import InvalidArgument, MetricsError, Timeout, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests.adapters import BaseAdapter

__all__ = ["FAILURES", "Routes", "Wire", "failure", "shown"]

FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""What requests, and what is below it, raise instead of an answer."""


class _Route(NamedTuple):
    """How a server is reached.

    Attributes:
        mounted: the session's adapter for it.
        adapter: what sends: that one, or the same but quicker.
        settings: proxies, CA and certificate, those of the environment among them.
    """

    mounted: BaseAdapter
    adapter: BaseAdapter
    settings: dict[str, Any]


Routes = dict[tuple[Any, ...], _Route]

_KNOWN = frozenset({"headers", "data", "verify", "cert", "timeout", "allow_redirects"})


class Wire:
    """Sends requests through the adapters of a requests session, which itself stays as it is.

    Args:
        session: the session.
        routes: what was found out about each server, kept for the life of a client.
        timeout: seconds from now on for all requests together.

    Attributes:
        url: what was last asked.
        body: the body of the last answer, without content coding.
    """

    def __init__(self, session: requests.Session, routes: Routes, timeout: float | None = None) -> None:
        self._session = session
        self._routes = routes
        self._end = None if timeout is None else time.monotonic() + timeout
        self.url = ""
        self.body = b""

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """As the session's own; redirects are not followed."""
        self.url = url
        if self._end is not None:
            options["timeout"] = self._end - time.monotonic()
            if options["timeout"] <= 0:
                raise requests.Timeout("no time is left")
        session = self._session
        if (
            not isinstance(session, requests.Session)
            or not url.isascii()
            or "@" in url.split("/", 3)[2]
            or not _KNOWN.issuperset(options)
            or session.auth
            or session.params
            or session.cookies
            or any(session.hooks.values())
        ):
            response = session.request(method, url, **{**options, "allow_redirects": False})
            self.body = response.content
            return response
        verify, cert = options.get("verify"), options.get("cert")
        adapter = session.get_adapter(url)
        scheme, _, host = url.split("/", 3)[:3]
        key = (scheme, host, verify, cert)
        route = self._routes.get(key)
        if route is None or route.mounted is not adapter:
            settings = session.merge_environment_settings(url, {}, None, verify, cert)
            route = self._routes[key] = _Route(
                adapter,
                QuickAdapter.over(adapter, url, settings["proxies"]),
                {name: settings[name] for name in ("proxies", "verify", "cert")},
            )
        request = requests.PreparedRequest()
        request.method = method
        request.url = url
        request.headers = CaseInsensitiveDict({**session.headers, **options.get("headers", {})})
        data = options.get("data")
        request.body = data.encode() if isinstance(data, str) else data
        if request.body is not None:
            request.headers["Content-Length"] = str(len(request.body))
        elif method == "POST":
            request.headers["Content-Length"] = "0"
        started = time.monotonic()
        response = route.adapter.send(request, timeout=options.get("timeout"), **route.settings)
        # In one piece; requests would read it in many.
        self.body = response.raw.read(decode_content=True)
        response.raw = io.BytesIO(self.body)
        response.elapsed = timedelta(seconds=time.monotonic() - started)
        return response


def shown(url: str) -> str:
    """A URL as an error shows it: without user, password, parameters and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def failure(error: Exception, url: str, who: str, timeout: float | None) -> MetricsError:
    """What it means that there is no answer.

    Args:
        error: what was raised.
        url: what was asked.
        who: whose answer it is, such as `Keystone`.
        timeout: seconds that it had.
    """
    place = shown(url)
    causes = list(_causes(error))
    certificate = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if certificate is not None:
        return Unreachable(
            f"{who} at {place} has a certificate that is not trusted: {certificate.verify_message}; "
            "name its CA (a session's or client's `verify`)",
            url=place,
            retryable=False,
        )
    if any(isinstance(cause, ssl.SSLError | requests.exceptions.SSLError) for cause in causes):
        return Unreachable(
            f"no TLS with {who} at {place}: {_reason(causes)}; is it https, and is it the right port?",
            url=place,
            retryable=False,
        )
    # urllib3 has a refused connection below its time-outs.
    if any(
        isinstance(cause, _TIMEOUTS) and not isinstance(cause, urllib3.exceptions.NewConnectionError)
        for cause in causes
    ):
        within = "in time" if timeout is None else f"within {timeout:.3g} s"
        return Timeout(f"{who} at {place} did not answer {within}", url=place)
    if any(isinstance(cause, _UNUSABLE) for cause in causes):
        return InvalidArgument(f"no URL that can be asked: {place}: {_reason(causes)}", url=place)
    lasting = any(isinstance(cause, socket.gaierror | FileNotFoundError) for cause in causes) or not any(
        isinstance(cause, _CONNECTION) for cause in causes
    )
    return Unreachable(
        f"{who} at {place} cannot be reached: {_reason(causes)}", url=place, retryable=not lasting
    )


_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
)
_CONNECTION = (
    requests.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.NewConnectionError,
    ConnectionError,
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and all below it; urllib3 keeps them as arguments and `reason` too."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _reason(causes: list[BaseException]) -> str:
    """The words of the system for it, else the class of the innermost exception."""
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror:
            return str(cause.strerror)
    if any(isinstance(cause, http.client.IncompleteRead) for cause in causes):
        return "the connection broke before the end of the answer"
    for cause in reversed(causes):
        if isinstance(cause, urllib3.exceptions.ProtocolError | OSError) and cause.args:
            return str(cause.args[0])
    return type(causes[-1]).__name__

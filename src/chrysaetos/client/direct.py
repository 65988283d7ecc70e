"""The transport to Prometheus itself, or to any server with its API, without Keystone."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter

from chrysaetos.client.connection_errors import TRANSPORT_EXCEPTIONS, cause_to_show, connection_error
from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.transport import Response, request_headers
from chrysaetos.client.urls import SERVER_URL, is_server_url, strip_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.client.transport import Request

__all__ = ["DirectTransport", "ignore_netrc"]

_MAX_IDLE_CONNECTIONS = 32


def ignore_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave a request as it is: with this ``auth``, requests does not take credentials from netrc."""
    return request


class DirectTransport:
    """Sends requests to one URL.

    Args:
        url: the server's root URL, with its path prefix if there is one.
        username: the user for Basic authentication.
        password: the password for Basic authentication.
        token: the token for Bearer authentication.
        verify: whether to verify the server's certificate, or the path of the CA to verify it with.
        cert: the path of the client's certificate, or the paths of certificate and key.
        headers: headers of every request.

    Raises:
        InvalidArgument: URL or credentials are invalid, or both a user and a token are given.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if not is_server_url(url):
            raise InvalidArgument(f"the URL must be {SERVER_URL}")
        parts = urlsplit(url)
        if username is None and parts.username is not None:
            username, password = unquote(parts.username), unquote(parts.password or "")
        if username is not None and token is not None:
            raise InvalidArgument("pass either a user and password, or a token")
        self._url = strip_url(url).rstrip("/")
        self._headers = {"Accept": "application/json", **(headers or {})}
        if username is not None:
            try:
                secret = base64.b64encode(f"{username}:{password or ''}".encode())
            except UnicodeEncodeError:
                raise InvalidArgument("user and password must be UTF-8") from None
            self._headers["Authorization"] = f"Basic {secret.decode()}"
        elif token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._session = requests.Session()
        self._session.auth = ignore_netrc
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_MAX_IDLE_CONNECTIONS))
        self._verify = verify
        self._cert = cert

    def endpoint(self, timeout: float | None = None) -> str:  # noqa: ARG002  # the protocol's; the URL is known
        """Return the URL that paths are appended to."""
        return self._url

    def send(self, request: Request, timeout: float | None = None) -> Response:
        """Send a request and return the response, whatever its status.

        Raises:
            MetricsError: there was no response.
        """
        url = self._url + request.target
        try:
            response = self._session.request(
                request.method,
                url,
                headers=request_headers(self._headers, request),
                data=request.form,
                verify=self._verify,
                cert=self._cert,
                timeout=timeout,
                allow_redirects=False,
            )
        except (*TRANSPORT_EXCEPTIONS, ValueError) as error:
            converted = connection_error(error, url, "the server", timeout)
            raise converted from cause_to_show(converted, error)
        return Response(response.status_code, response.headers, response.content, url.partition("?")[0])

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

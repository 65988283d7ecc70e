"""The transport to Prometheus itself, or to whatever speaks its API, without Keystone."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.transport import Answer
from chrysaetos.client.wire import FAILURES, Routes, Wire, failure, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DirectTransport"]

_POOL = 32
"""Connections that are kept; more threads than that open some anew."""


class DirectTransport:
    """Asks one address.

    Args:
        url: its root, with a path prefix if it has one.
        username, password: for Basic.
        token: for Bearer.
        verify: whether the server's certificate is checked, or the path of the CA to check it by.
        cert: path of the client's certificate, or of that and its key.
        headers: sent with each request.

    Raises:
        InvalidArgument: the URL cannot be used, or credentials of two kinds are given.
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
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError as error:
            raise InvalidArgument(f"no URL: {error}") from error
        if parts.scheme not in {"http", "https"} or not host:
            raise InvalidArgument(
                "the URL must be http://HOST or https://HOST, with a port and a path if need be"
            )
        if username is None and parts.username is not None:
            username, password = unquote(parts.username), unquote(parts.password or "")
        if username is not None and token is not None:
            raise InvalidArgument("either a user and password, or a token")
        self._url = shown(url).rstrip("/")
        self._headers = {"Accept": "application/json", **(headers or {})}
        if username is not None:
            secret = base64.b64encode(f"{username}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {secret}"
        elif token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_POOL))
        self._routes: Routes = {}
        self._verify = verify
        self._cert = cert

    def endpoint(self, timeout: float | None = None) -> str:  # noqa: ARG002  # nothing has to be asked
        """The address."""
        return self._url

    def send(
        self,
        method: str,
        target: str,
        *,
        form: str | None = None,
        identity: bool = False,
        timeout: float | None = None,
        repeatable: bool = True,  # noqa: ARG002  # nothing is repeated here
    ) -> Answer:
        """Send one request, and read the answer whatever its status is.

        Raises:
            MetricsError: there was no answer.
        """
        url = self._url + target
        headers = dict(self._headers)
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if identity:
            headers["Accept-Encoding"] = "identity"
        wire = Wire(self._session, self._routes)
        try:
            response = wire.request(
                method, url, headers=headers, data=form, verify=self._verify, cert=self._cert, timeout=timeout
            )
        except (*FAILURES, ValueError) as error:
            raise failure(error, url, "the server", timeout) from error
        return Answer(response.status_code, response.headers, wire.body, url.partition("?")[0])

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

"""requests' HTTP adapter, without what it works out anew for each request to the same server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers, select_proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests.adapters import BaseAdapter
    from urllib3.connectionpool import ConnectionPool
    from urllib3.response import BaseHTTPResponse

__all__ = ["QuickAdapter"]

_HOOKS = (
    *("send", "add_headers", "build_response", "cert_verify", "get_connection", "request_url"),
    "get_connection_with_tls_context",
)


class QuickAdapter(HTTPAdapter):
    """Sends over the connections of another adapter.

    The pool of a server is looked up once, and responses have no cookies. Everything else, TLS and
    time-outs among it, is what requests does.

    Args:
        mounted: the adapter whose connections they are.
    """

    def __init__(self, mounted: HTTPAdapter) -> None:
        super().__init__(max_retries=mounted.max_retries)
        self.poolmanager = mounted.poolmanager
        self._pools: dict[tuple[Any, ...], ConnectionPool] = {}

    @classmethod
    def over(cls, mounted: BaseAdapter, url: str, proxies: Mapping[str, str]) -> BaseAdapter:
        """A quick adapter where it does the same as the mounted one, else that one.

        Args:
            mounted: the adapter of a session.
            url: what is asked.
            proxies: of the session and the environment.
        """
        own = any(
            getattr(type(mounted), hook, None) is not getattr(HTTPAdapter, hook, None) for hook in _HOOKS
        )
        if own or not isinstance(mounted, HTTPAdapter) or select_proxy(url, dict(proxies)):
            return mounted
        return cls(mounted)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> ConnectionPool:
        """The pool of the server, looked up again once it was closed."""
        key = ((request.url or "").split("/", 3)[2], verify, cert)
        pool = self._pools.get(key)
        if pool is None or getattr(pool, "pool", None) is None:
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            self._pools[key] = pool
        return pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ARG002  # there are none
        """Path and query."""
        return "/" + (request.url or "").partition("://")[2].partition("/")[2]

    def build_response(self, req: requests.PreparedRequest, resp: BaseHTTPResponse) -> requests.Response:
        """The response, without cookies."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        response.raw = resp
        response.reason = resp.reason or ""
        response.url = req.url or ""
        response.request = req
        return response

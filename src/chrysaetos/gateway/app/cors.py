"""Cross-origin requests: the rules for pages of other origins (Fetch standard, "HTTP-CORS protocol").

Section and options are those of oslo.middleware, with the defaults of Aetos. As in oslo.middleware, a request
that is not allowed gets no CORS headers, and its preflight request is handled like any OPTIONS request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oslo_config import cfg

from chrysaetos.errors import ConfigError
from chrysaetos.headers import only_value
from chrysaetos.http.abnf import TCHAR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from chrysaetos.errors import Headers
    from chrysaetos.gateway.app.request import Request
    from chrysaetos.tenancy.endpoints import Endpoint

__all__ = ["CORS_OPTIONS", "Cors", "load_cors"]

_OPENSTACK_HEADERS = ["X-Auth-Token", "X-Openstack-Request-Id", "X-Subject-Token"]

CORS_OPTIONS = [
    cfg.ListOpt(
        "allowed_origin",
        default=[],
        help="Origins whose pages may use the gateway, such as https://dashboard.example:8443. Empty: "
        "none. ``*`` stands for every origin and requires allow_credentials = false.",
    ),
    cfg.BoolOpt(
        "allow_credentials",
        default=True,
        help="Allow credentialed requests (Access-Control-Allow-Credentials).",
    ),
    cfg.ListOpt(
        "expose_headers",
        default=_OPENSTACK_HEADERS,
        help="Response headers that pages of these origins may read (Access-Control-Expose-Headers).",
    ),
    cfg.IntOpt(
        "max_age",
        default=3600,
        min=0,
        help="Seconds for which a browser may cache the answer to a preflight request "
        "(Access-Control-Max-Age).",
    ),
    cfg.ListOpt(
        "allow_methods",
        default=["GET", "PUT", "POST", "DELETE", "PATCH"],
        help="Methods that pages of these origins may use, if the endpoint supports them "
        "(Access-Control-Allow-Methods).",
    ),
    cfg.ListOpt(
        "allow_headers",
        default=_OPENSTACK_HEADERS,
        help="Request headers that pages of these origins may set (Access-Control-Allow-Headers).",
    ),
]

_ANY = b"*"
_OPAQUE = b"null"
"""The origin that a browser sends for a local file or a sandboxed frame, from any author."""

_SIMPLE_HEADERS = (
    "Accept",
    "Accept-Language",
    "Cache-Control",
    "Content-Language",
    "Content-Type",
    "Expires",
    "Last-Modified",
    "Pragma",
)
"""Request headers that a page may always set, as in oslo.middleware."""

# RFC 6454, 6.2, as browsers write it: in lower case, without a path and without the scheme's default port.
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_OWN_PORTS = {("http", "80"), ("https", "443")}
_METHOD = re.compile(r"[A-Z][A-Z-]*")
_TOKEN = re.compile(TCHAR.decode("ascii") + "+")


class Cors:
    """The rules for pages of other origins.

    Args:
        origins: the allowed origins; ``*`` for all but ``null``.
        credentials: whether to allow credentialed requests.
        expose_headers: response headers that a page may read.
        max_age: seconds for which the answer to a preflight request may be cached; None for the browser's
            default.
        methods: methods that a page may use, if the endpoint supports them.
        headers: request headers that a page may set, in addition to those that every page may set.
    """

    def __init__(
        self,
        origins: Iterable[str],
        *,
        credentials: bool = True,
        expose_headers: Sequence[str] = (),
        max_age: int | None = None,
        methods: Sequence[str] = (),
        headers: Sequence[str] = (),
    ) -> None:
        self._origins = frozenset(origin.encode("ascii") for origin in origins)
        self._methods = frozenset(methods)
        settable = list(dict.fromkeys((*headers, *_SIMPLE_HEADERS)))
        self._settable = frozenset(name.lower().encode("ascii") for name in settable)
        self._always: Headers = [(b"vary", b"Origin")]
        if credentials:
            self._always.append((b"access-control-allow-credentials", b"true"))
        self._exposed: Headers = []
        if expose_headers:
            self._exposed.append((b"access-control-expose-headers", _joined(expose_headers)))
        self._preflight: Headers = [(b"access-control-allow-headers", _joined(settable))]
        if max_age is not None:
            self._preflight.append((b"access-control-max-age", str(max_age).encode("ascii")))

    def response_headers(self, method: str, headers: Headers) -> Headers:
        """Return the CORS headers of the response to a request, whether it succeeds or fails.

        Args:
            method: the request's method.
            headers: the request's headers.

        Returns:
            The headers; none if the request does not come from a page of an allowed origin.
        """
        origin = self._allowed_origin(headers)
        if origin is None:
            return []
        allowed = [(b"access-control-allow-origin", origin), *self._always]
        return allowed if method == "OPTIONS" else allowed + self._exposed

    def preflight(self, request: Request, endpoint: Endpoint) -> Headers | None:
        """Check a preflight request, with which a browser asks whether a page may send a request.

        Args:
            request: the request.
            endpoint: the endpoint of its path.

        Returns:
            Headers for the answer, in addition to those of :meth:`response_headers`. None if this is not a
            preflight request, or the page's request is not allowed.

        Raises:
            MethodNotAllowed: the endpoint does not support the method of the page's request.
        """
        if request.method != "OPTIONS" or self._allowed_origin(request.headers) is None:
            return None
        method = (only_value(request.headers, b"access-control-request-method") or b"").decode("latin-1")
        if method not in self._methods:
            return None
        for name, value in request.headers:
            if name == b"access-control-request-headers":
                requested = {each.strip(b" \t").lower() for each in value.split(b",")}
                if not requested - {b""} <= self._settable:
                    return None
        endpoint.check_method(method)
        allowed = _joined([each for each in endpoint.methods if each in self._methods])
        return [(b"access-control-allow-methods", allowed), *self._preflight]

    def _allowed_origin(self, headers: Headers) -> bytes | None:
        """Return the value of ``Access-Control-Allow-Origin``; None if the origin is not allowed."""
        origin = only_value(headers, b"origin")
        if origin is None or origin in self._origins:
            return origin
        return _ANY if _ANY in self._origins and origin != _OPAQUE else None


def load_cors(conf: cfg.ConfigOpts) -> Cors | None:
    """Return the rules for pages of other origins; None if none are allowed.

    Raises:
        ConfigError: a value is invalid. The message names the option.
    """
    section = conf.cors
    origins = _checked(section, "allowed_origin", _is_origin, "an origin as a browser writes it")
    lists = {
        name: _checked(section, name, pattern.fullmatch, meaning)
        for name, pattern, meaning in (
            ("expose_headers", _TOKEN, "the name of a header"),
            ("allow_methods", _METHOD, "a method in capitals"),
            ("allow_headers", _TOKEN, "the name of a header"),
        )
    }
    if _ANY.decode() in origins and section.allow_credentials:
        raise ConfigError("[cors] allowed_origin: * requires allow_credentials = false")
    if not origins:
        return None
    return Cors(
        origins,
        credentials=section.allow_credentials,
        expose_headers=lists["expose_headers"],
        max_age=section.max_age,
        methods=lists["allow_methods"],
        headers=lists["allow_headers"],
    )


def _checked(
    section: cfg.ConfigOpts.GroupAttr, name: str, good: Callable[[str], object], meaning: str
) -> list[str]:
    """Return the values of a list option, without empty ones.

    Raises:
        ConfigError: a value is not good.
    """
    values = [value for value in section[name] or () if value]
    for value in values:
        if not good(value):
            raise ConfigError(f"[cors] {name}: {value!r} should be {meaning}")
    return values


def _is_origin(text: str) -> bool:
    if text in {_ANY.decode(), _OPAQUE.decode()}:
        return True
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return False
    scheme, port = match["scheme"], match["port"]
    return port is None or (int(port) < 65536 and (scheme, port) not in _OWN_PORTS)


def _joined(names: Iterable[str]) -> bytes:
    return ", ".join(names).encode("ascii")

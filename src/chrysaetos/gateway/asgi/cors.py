"""Pages of other origins as clients (Fetch standard, "HTTP-CORS protocol").

Section and options are those of oslo.middleware, with the defaults of Aetos. As there, what a page may not do
gets no header that says so: a preflight for it is answered as any OPTIONS request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oslo_config import cfg

from chrysaetos.errors import ConfigError
from chrysaetos.http.abnf import TCHAR
from chrysaetos.tenancy.paths import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from chrysaetos.errors import Headers
    from chrysaetos.gateway.asgi.request import Request
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
        help="Response headers that such a page may read (Access-Control-Expose-Headers).",
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
        help="Methods that such a page may use, if the path has them (Access-Control-Allow-Methods).",
    ),
    cfg.ListOpt(
        "allow_headers",
        default=_OPENSTACK_HEADERS,
        help="Request headers that such a page may set (Access-Control-Allow-Headers).",
    ),
]

_ANY = b"*"
_OPAQUE = b"null"
"""What a browser sends for a page without an origin: a file, or a sandboxed frame of anybody."""

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
"""What a page may always set, as in oslo.middleware."""

# RFC 6454, 6.2, as browsers write it: in lower case, without a path and without the scheme's own port.
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_OWN_PORTS = {("http", "80"), ("https", "443")}
_METHOD = re.compile(r"[A-Z][A-Z-]*")
_TOKEN = re.compile(TCHAR.decode("ascii") + "+")


class Cors:
    """What pages of other origins may do.

    Args:
        origins: the origins; ``*`` for all but ``null``.
        credentials: whether browsers may send the credentials that they keep.
        expose_headers: headers of an answer that a page may read.
        max_age: seconds for which a preflight's answer counts; None to say nothing of it.
        methods: what a page may use, where the path takes it.
        headers: headers that a page may set, beside those that every page may.
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

    def answering(self, method: str, headers: Headers) -> Headers:
        """What each answer to a request carries, an error too.

        Args:
            method: the request's method.
            headers: the request's headers.

        Returns:
            The headers; none if the request is not one of a page that is let in.
        """
        origin = self._let_in(headers)
        if origin is None:
            return []
        allowed = [(b"access-control-allow-origin", origin), *self._always]
        return allowed if method == "OPTIONS" else allowed + self._exposed

    def preflight(self, request: Request) -> tuple[Endpoint, Headers] | None:
        """Answer a browser that asks whether a page may send a request.

        Returns:
            The row of the endpoint table that it asks about, and the headers of the answer beside those of
            :meth:`answering`; None if the request does not ask this, or asks for what is not allowed.

        Raises:
            NotFound: no row has this path.
            MethodNotAllowed: the row does not take the method that it asks about.
        """
        if request.method != "OPTIONS" or self._let_in(request.headers) is None:
            return None
        method = (_only(request.headers, b"access-control-request-method") or b"").decode("latin-1")
        if method not in self._methods:
            return None
        for name, value in request.headers:
            if name == b"access-control-request-headers":
                asked = {each.strip(b" \t").lower() for each in value.split(b",")}
                if not asked - {b""} <= self._settable:
                    return None
        endpoint = find(method, request.path).endpoint
        allowed = _joined([each for each in endpoint.methods if each in self._methods])
        return endpoint, [(b"access-control-allow-methods", allowed), *self._preflight]

    def _let_in(self, headers: Headers) -> bytes | None:
        """What ``Access-Control-Allow-Origin`` says to a request; None: nothing."""
        origin = _only(headers, b"origin")
        if origin is None or origin in self._origins:
            return origin
        return _ANY if _ANY in self._origins and origin != _OPAQUE else None


def load_cors(conf: cfg.ConfigOpts) -> Cors | None:
    """What the configuration lets pages of other origins do; None: nothing.

    Raises:
        ConfigError: a value cannot be used. The message names the option.
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
        raise ConfigError("[cors] allowed_origin: * needs allow_credentials = false")
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
    """The values of a list, without empty ones."""
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


def _only(headers: Headers, wanted: bytes) -> bytes | None:
    """The value of a header that is there once."""
    values = [value for name, value in headers if name == wanted]
    return values[0] if len(values) == 1 else None


def _joined(names: Iterable[str]) -> bytes:
    return ", ".join(names).encode("ascii")

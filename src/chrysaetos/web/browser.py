"""What a browser says about a request: its cookies, and which site it comes from.

Cookies have the prefix ``__Host-`` (RFC 6265bis, 4.1.3.2): browsers accept them only over HTTPS and only from
this very host. Only a gateway that a browser reaches directly at a loopback address has cookies without it,
since it may be served over plain HTTP.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chrysaetos.errors import BadRequest, Forbidden
from chrysaetos.headers import only_value

if TYPE_CHECKING:
    from chrysaetos.errors import Headers

__all__ = ["Browser"]

_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_MAX_COOKIES = 256
"""Number of cookies that are read. Browsers send fewer than 200, but everybody may send thousands."""
_PROXIED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"via")


class Browser:
    """The browser that sent a request.

    Args:
        headers: the request's headers, names in lower case.

    Attributes:
        secure: whether its cookies need HTTPS.
    """

    __slots__ = ("_headers", "_suffix", "secure")

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        local = _HOST.fullmatch((self._only(b"host") or "").lower())
        proxied = any(name in _PROXIED for name, _ in headers)
        self.secure = proxied or local is None or not _is_loopback(local["name"])
        # All ports of a host share its cookies.
        self._suffix = "" if self.secure or local is None else f"-{local['port'] or 80}"

    def cookie(self, name: str) -> str | None:
        """Return the value of a cookie; None if it is missing or sent twice."""
        wanted = self._full_name(name)
        pairs = (
            pair.partition("=")
            for header, value in self._headers
            if header == b"cookie"
            for pair in value.decode("latin-1").split(";", _MAX_COOKIES)
        )
        values = [
            value.strip(" ") for key, _, value in islice(pairs, _MAX_COOKIES) if key.strip(" ") == wanted
        ]
        return values[0] if len(values) == 1 else None

    def set_cookie(self, name: str, value: str, *, cross_site: bool = False) -> tuple[bytes, bytes]:
        """Return a header that sets a cookie for this run of the browser. An empty value removes it.

        Args:
            name: its name without the prefix.
            value: its value, of characters that need no quotes.
            cross_site: whether it is also sent with a POST from another site.
        """
        parts = [f"{self._full_name(name)}={value}", "Path=/", "HttpOnly"]
        # Browsers treat loopback addresses as secure, and SameSite=None requires Secure.
        if self.secure or cross_site:
            parts.append("Secure")
        parts.append("SameSite=None" if cross_site else "SameSite=Lax")
        if not value:
            parts.append("Max-Age=0")
        return b"set-cookie", "; ".join(parts).encode("ascii")

    @property
    def same_origin(self) -> bool:
        """Whether a page of this origin sent the request, as the browser says."""
        return self._only(b"sec-fetch-site") == "same-origin"

    def check_same_origin(self) -> None:
        """Check that the request was sent by a page of this origin.

        Browsers send ``Sec-Fetch-Site`` to HTTPS and loopback addresses (W3C, "Fetch Metadata Request
        Headers"). Those that do not know it send ``Origin`` with a POST.

        Raises:
            BadRequest: the page was loaded over HTTP, where its cookies do not work, or as ``check_host``.
            Forbidden: the request does not come from this origin, or the browser does not say so.
        """
        site, origin = self._only(b"sec-fetch-site"), self._only(b"origin")
        if site is not None:
            same = site == "same-origin"
        elif origin is None:
            same = False
        else:
            scheme, _, host = origin.lower().partition("://")
            if scheme == "http" and self.secure:
                raise BadRequest("open the page with https://: over http:// the log-in would not be safe")
            same = bool(host) and host == (self._only(b"host") or "").lower()
        if not same:
            raise Forbidden("this is only for the page itself, opened with https:// in a current browser")
        if origin is not None:
            self.check_host(origin)

    def check_host(self, url: str) -> None:
        """Check that the cookies need HTTPS if the page is not at a loopback address.

        Args:
            url: a URL of the page, or its origin.

        Raises:
            BadRequest: they do not, because a proxy sends its own ``Host``.
        """
        page = _HOST.fullmatch(url.lower().partition("://")[2].partition("/")[0])
        if not self.secure and page is not None and not _is_loopback(page["name"]):
            raise BadRequest(
                "the proxy in front of the gateway must keep the header Host, or set X-Forwarded-Proto or "
                "X-Forwarded-For: tell the operator of the gateway"
            )

    def comes_from(self, url: str) -> bool:
        """Return whether the request comes from a page of the origin of a URL.

        Browsers write an origin in lower case and without a default port (RFC 6454, 6.2).

        Args:
            url: an absolute URL, such as ``https://keystone:5000/v3``.
        """
        parts = urlsplit(url)
        host = parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
        return self._only(b"origin") == f"{parts.scheme}://{host}"

    def _full_name(self, name: str) -> str:
        return f"__Host-{name}" if self.secure else name + self._suffix

    def _only(self, wanted: bytes) -> str | None:
        """Return the value of a header; None if it is missing or repeated."""
        value = only_value(self._headers, wanted)
        return None if value is None else value.decode("latin-1")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False

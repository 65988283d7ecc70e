"""The files of the web page, served from memory.

The build puts them into ``static/``: ``index.html``, and files whose names contain a hash of their content,
so browsers may cache those permanently. A file is there as it is, or, to keep the installation small, only in
its compressed forms, ``.br`` and ``.gz``.
"""

from __future__ import annotations

import gzip
import mimetypes
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from chrysaetos.errors import NotFound
from chrysaetos.http.content_coding import accepts_encoding

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from chrysaetos.errors import Headers
    from chrysaetos.http.server.responses import Response

__all__ = ["SECURITY_HEADERS", "Files"]

_INDEX = "index.html"
_ENCODINGS = {".br": b"br", ".gz": b"gzip"}
"""Suffixes of compressed files, the smallest form first."""

SECURITY_HEADERS: Headers = [
    (
        b"content-security-policy",
        b"; ".join(
            (
                b"default-src 'none'",
                b"script-src 'self'",
                b"style-src 'self'",
                b"connect-src 'self'",
                b"img-src 'self' data:",
                b"font-src 'self'",
                b"frame-ancestors 'none'",
                b"base-uri 'none'",
                b"form-action 'self'",
            )
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
"""Headers of the page and its files. A script, a style or a frame of another origin does not work there."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file: its headers, and its tag and content by encoding, the smallest first; b"" for none."""

    headers: Headers
    forms: Mapping[bytes, tuple[bytes, bytes]]


class Files:
    """The files of the page.

    Args:
        folder: the built files; those of the package if None.

    Raises:
        FileNotFoundError: there is no ``index.html``.
    """

    def __init__(self, folder: Traversable | None = None) -> None:
        folder = files("chrysaetos.web") / "static" if folder is None else folder
        content = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}
        for name in [name for name in content if name.endswith(".gz")]:
            content[name.removesuffix(".gz")] = gzip.decompress(content[name])
        if _INDEX not in content:
            raise FileNotFoundError(f"{folder / _INDEX}")
        compressed = {name + suffix for name in content for suffix in _ENCODINGS}
        self._files = {name: _file(name, content) for name in content.keys() - compressed}

    def page(self, request: Headers) -> Response:
        """Return the page.

        Args:
            request: the request's headers, names in lower case.
        """
        return self._response(_INDEX, request)

    def file(self, name: str, request: Headers) -> Response:
        """Return a file.

        Args:
            name: its name.
            request: the request's headers, names in lower case.

        Raises:
            NotFound: there is no such file.
        """
        if name == _INDEX:
            raise NotFound("this path does not exist here")
        return self._response(name, request)

    def _response(self, name: str, request: Headers) -> Response:
        file = self._files.get(name)
        if file is None:
            raise NotFound("this path does not exist here: reload the page")
        encoding = next((one for one in file.forms if one and accepts_encoding(request, one)), b"")
        tag, content = file.forms[encoding]
        headers = [*file.headers, (b"etag", tag)]
        if (b"if-none-match", tag) in request:
            return 304, headers, b""
        if encoding:
            headers.append((b"content-encoding", encoding))
        return 200, [*headers, (b"content-length", b"%d" % len(content))], content


def _file(name: str, content: Mapping[str, bytes]) -> _File:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind == "application/javascript":
        kind += "; charset=utf-8"
    cached = b"no-cache" if name == _INDEX else b"public, max-age=31536000, immutable"
    headers = [
        (b"content-type", kind.encode("ascii")),
        (b"cache-control", cached),
        (b"vary", b"Accept-Encoding"),
        *SECURITY_HEADERS,
    ]
    names = {encoding: name + suffix for suffix, encoding in _ENCODINGS.items()} | {b"": name}
    forms = {encoding: content[form] for encoding, form in names.items() if form in content}
    return _File(headers, {encoding: (_tag(form), form) for encoding, form in forms.items()})


def _tag(content: bytes) -> bytes:
    return b'"%s"' % sha256(content).hexdigest()[:32].encode("ascii")

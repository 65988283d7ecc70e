"""Look up requests in the endpoint table.

A path is looked up as the client sent it: percent-encodings, dot segments and double slashes are not
resolved. Only a label's name is decoded, after its place in the path was found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from chrysaetos.errors import NotFound
from chrysaetos.tenancy.endpoints import ENDPOINTS, Endpoint

__all__ = ["Target", "find_path"]

_WEB_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""The name of a file, or the id of a protocol."""
# One segment of a path as clients may send it: visible ASCII, and whole escapes.
_LABEL_VALUES = re.compile(r"/api/v1/label/((?:[!\"$&-.0->@-~]|%[0-9A-Fa-f]{2}){1,3072})/values")
_MAX_NAME = 1024
"""Maximum length of a label's name in bytes."""
_DOTS = {".": "U___2e_", "..": "U___2e__2e_"}
"""Names that another server may take for a dot segment even if they are percent-encoded (RFC 3986, 6.2.2.2),
in the form that means the same to Prometheus (proposal 2023-08-21, "UTF-8 support")."""


@dataclass(frozen=True, slots=True)
class Target:
    """The row of the table for a request.

    Attributes:
        endpoint: the row.
        path: the path to request from the upstream: the row's path, with a label's name percent-encoded again
            as one segment.
    """

    endpoint: Endpoint
    path: str


def _fixed_paths() -> dict[str, Target]:
    table: dict[str, Target] = {}
    for endpoint in ENDPOINTS:
        if "{" not in endpoint.path:
            table[endpoint.path] = Target(endpoint, endpoint.path)
            if endpoint.path.startswith("/api/"):
                # Some clients append a slash and do not follow redirects.
                table[f"{endpoint.path}/"] = table[endpoint.path]
    return table


_FIXED = _fixed_paths()
_LABEL, _WEB, *_WEB_NAMED = (
    next(endpoint for endpoint in ENDPOINTS if endpoint.name == name)
    for name in ("label", "web", "web_file", "web_websso")
)
_FIXED["/ui/"] = Target(_WEB, _WEB.path)


def find_path(raw_path: str) -> Target:
    """Look up a path.

    Args:
        raw_path: the undecoded path without the query and the configured prefix.

    Raises:
        NotFound: no row has this path.
    """
    target = _FIXED.get(raw_path) or _web_path(raw_path)
    if target is None:
        match = _LABEL_VALUES.fullmatch(raw_path.removesuffix("/"))
        name = None if match is None else _label_name(match[1])
        if name is None:
            raise NotFound("this path is not served here")
        target = Target(_LABEL, f"/api/v1/label/{_DOTS.get(name) or quote(name, safe='')}/values")
    return target


def _web_path(raw_path: str) -> Target | None:
    """Look up a path of the web page that ends with a name."""
    folder, slash, name = raw_path.rpartition("/")
    for endpoint in _WEB_NAMED:
        if endpoint.path == f"{folder}{slash}{{name}}" and _WEB_NAME.fullmatch(name):
            return Target(endpoint, raw_path)
    return None


def _label_name(segment: str) -> str | None:
    """Return the label's name in a segment of a path, None if it is invalid.

    Prometheus 3 accepts any UTF-8 (``web/api/v1/api.go``, ``labelValues``). It decodes the path before it
    finds the segment, so a name with a slash can only be sent in the ``U__`` form, which needs no special
    treatment here.
    """
    if len(segment) > 3 * _MAX_NAME:
        return None
    raw = unquote_to_bytes(segment)
    if len(raw) > _MAX_NAME or b"/" in raw or segment in {".", ".."}:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None

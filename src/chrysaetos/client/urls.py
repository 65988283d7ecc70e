"""Check the URLs of servers, and show them without secrets."""

from __future__ import annotations

from typing import TypeGuard
from urllib.parse import urlsplit, urlunsplit

__all__ = ["SERVER_URL", "is_server_url", "strip_url"]

SERVER_URL = "http://HOST or https://HOST, optionally with a port and a path"
"""The form of a server's URL, for error messages."""


def is_server_url(url: object) -> TypeGuard[str]:
    """Return whether a value is an http or https URL with a host."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return (
            parts is not None
            and parts.scheme in {"http", "https"}
            and bool(parts.hostname and parts.port != 0)
        )
    except ValueError:  # brackets without an IPv6 address, or an invalid port
        return False


def strip_url(url: str) -> str:
    """Return a URL without user, password, query and fragment, safe to show in an error."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

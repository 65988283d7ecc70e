"""Check URLs in settings and arguments."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from chrysaetos.errors import ConfigError

__all__ = ["check_url"]


def check_url(url: str, setting: str, instead: str) -> SplitResult:
    """Check that a text is an http or https URL of scheme, host, port and path, and return its parts.

    Args:
        url: the text.
        setting: the name of the setting, for the error message.
        instead: where credentials belong, for the error message.

    Raises:
        ConfigError: the text is not such a URL. The message contains no password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{setting}: {url.rpartition('@')[2]!r} is not a URL: {error}") from error
    if parts.username is not None:
        raise ConfigError(f"{setting}: the URL must not contain credentials; use {instead}")
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ConfigError(f"{setting}: {url!r} is not a URL such as https://host:port/path")
    if parts.query or parts.fragment or " " in url or not url.isascii() or not url.isprintable():
        raise ConfigError(f"{setting}: {url!r}: only scheme, host, port and path are supported")
    return parts

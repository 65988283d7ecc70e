"""Check URLs and addresses in settings and arguments."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from chrysaetos.errors import ConfigError

__all__ = ["check_url", "split_address"]

_ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")


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


def split_address(address: str, setting: str, *, ports: int = 1) -> tuple[str, int]:
    """Return host and port of an address such as ``127.0.0.1:8042``. The host has no brackets.

    Args:
        address: the text. An IPv6 address is in brackets.
        setting: the name of the setting, for the error message.
        ports: the number of consecutive ports that are used, of which this is the first.

    Raises:
        ConfigError: the text is not such an address, or there are not as many ports.
    """
    match = _ADDRESS.fullmatch(address)
    last = 65536 - ports
    if match is None or not 0 < int(match[2]) <= last:
        limit = f" with a port of at most {last}" if ports > 1 else ""
        raise ConfigError(f"{setting} {address!r} is not an address such as 127.0.0.1:8042{limit}")
    return match[1].strip("[]"), int(match[2])

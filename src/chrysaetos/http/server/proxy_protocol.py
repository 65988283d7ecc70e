"""Parse the header of the PROXY protocol, in which a proxy names its client (versions 1 and 2).

Pure: bytes → header. The sections cited are those of HAProxy's ``doc/proxy-protocol.txt``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from chrysaetos.http.server.client_address import parse_address

__all__ = ["ProxyHeader", "parse_proxy_header"]

_TEXT = b"PROXY "
_BINARY = b"\r\n\r\n\0\r\nQUIT\n"
_MAX_TEXT = 107
"""Bytes of the longest header of version 1, with its CRLF (2.1)."""
_MAX_BINARY = 4096
"""Bytes of a header of version 2. Addresses take at most 216 of them; the rest is for extensions (TLVs)."""
_FIXED = 16
"""Bytes of a header of version 2 before its addresses."""
_LINE = re.compile(
    r"PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n"
)
_UNKNOWN = re.compile(r"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_FAMILIES = {"4": IPv4Address, "6": IPv6Address}
_SIZES = {0x11: 4, 0x21: 16}
"""Bytes of an address, by address family and transport: TCP over IPv4, TCP over IPv6."""
_WITHOUT_CLIENT = frozenset({0x00, 0x12, 0x22, 0x31, 0x32})
"""Unspecified, UDP and Unix sockets, which are all treated as unspecified (2.2)."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A complete header.

    Attributes:
        length: its bytes. The bytes of the client follow.
        client: the client's address; None if the proxy names no client, as for its health checks.
    """

    length: int
    client: str | None


def parse_proxy_header(data: bytes) -> ProxyHeader | None:
    """Parse the header at the start of a connection.

    Args:
        data: the bytes received so far.

    Returns:
        The header, or None if it is incomplete.

    Raises:
        ValueError: there is no header, or it is malformed or too long.
    """
    if data.startswith(_BINARY):
        return _parse_binary(data)
    if data.startswith(_TEXT):
        return _parse_text(data)
    if _BINARY.startswith(data) or _TEXT.startswith(data):
        return None
    raise ValueError("the connection does not begin with it")


def _parse_text(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _MAX_TEXT) + 2
    if end < 2:
        if len(data) < _MAX_TEXT:
            return None
        raise ValueError("it is too long")
    line = data[:end].decode("latin-1")
    if _UNKNOWN.fullmatch(line):
        return ProxyHeader(end, None)
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError("its line is malformed")
    family, source, destination, *ports = found.groups()
    for address in (source, destination):
        _FAMILIES[family](address)
    if any(int(port) > 0xFFFF for port in ports):
        raise ValueError("a port is out of range")
    return ProxyHeader(end, str(parse_address(source)))


def _parse_binary(data: bytes) -> ProxyHeader | None:
    if len(data) < _FIXED:
        return None
    version, command = divmod(data[12], 16)
    kind = data[13]
    length = _FIXED + int.from_bytes(data[14:16])
    if version != 2 or command > 1:
        raise ValueError("its version or command is unknown")
    if length > _MAX_BINARY:
        raise ValueError("it is too long")
    local = command == 0
    if not local and kind not in _SIZES and kind not in _WITHOUT_CLIENT:
        raise ValueError("its address family or transport is unknown")
    size = 0 if local else _SIZES.get(kind, 0)
    if size and length < _FIXED + 2 * size + 4:  # two addresses, two ports
        raise ValueError("it is too short for its addresses")
    if len(data) < length:
        return None
    if not size:
        return ProxyHeader(length, None)
    return ProxyHeader(length, str(parse_address(data[_FIXED : _FIXED + size])))

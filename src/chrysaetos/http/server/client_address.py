"""Find the address of a client behind proxies, in the header in which each proxy names its own client.

Pure. Each proxy appends the address of its client, so the header is read from its end, and only as far as
trusted proxies have written it. The client may have written everything before that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice
from typing import TYPE_CHECKING, Self

from chrysaetos.http.abnf import TCHAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["TrustedProxies", "parse_address"]

_UNIX = "unix"
_MAX_PROXIES = 32
"""Maximum number of addresses that are read from a header."""

_VALUE = rb'(?:%b+|"(?:[^"\\]|\\.)*")' % TCHAR
"""value (RFC 7239, 4)."""
_PAIR = re.compile(rb"(%b+)=(%b)" % (TCHAR, _VALUE))
"""forwarded-pair (RFC 7239, 4)."""
_LAST_ELEMENT = re.compile(rb"(?:(.*),)?((?:[ \t;]*%b+=%b(?=[ \t;]|$))*)[ \t;]*" % (TCHAR, _VALUE))
"""What precedes the last forwarded-element, and the pairs of that element.

The last comma after which everything is well-formed separates them: a comma in a quoted string is followed by
an odd number of quotes. So nothing that a client sent before the element of a proxy affects it.
"""
_NODE = re.compile(
    r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?|([0-9A-Fa-f:.]+)"
)
"""An address with an optional port (RFC 7239, 6). In X-Forwarded-For, IPv6 usually has no brackets."""


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The proxies that may name their clients, and how they do it.

    Attributes:
        networks: the addresses of the proxies.
        unix: whether every peer of a Unix socket is one of them.
        forwarded: whether they send ``Forwarded`` (RFC 7239) instead of ``X-Forwarded-For``.
        proxy_protocol: whether their connections begin with a header of the PROXY protocol.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False
    forwarded: bool = False
    proxy_protocol: bool = False

    @classmethod
    def parse(cls, entries: Sequence[str], *, forwarded: bool = False, proxy_protocol: bool = False) -> Self:
        """Return the proxies of a configuration.

        Args:
            entries: addresses, networks in CIDR notation, and ``unix``.
            forwarded: see the attribute.
            proxy_protocol: see the attribute.

        Raises:
            ValueError: an entry is invalid.
        """
        networks = tuple(ip_network(entry) for entry in entries if entry != _UNIX)
        return cls(networks, _UNIX in entries, forwarded, proxy_protocol)

    def trusts(self, address: str) -> bool:
        """Return whether an address is that of a trusted proxy.

        Args:
            address: the address, "" for the peer of a Unix socket.
        """
        return self._includes(parse_address(address)) if address else self.unix

    def find_client(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return the client's address in a request of a trusted proxy.

        Args:
            headers: the headers of the request, names in lower case.

        Returns:
            The last address that is not that of a trusted proxy. The search ends at an entry that is not an
            address; then, and if all are proxies, the address found before it. None if there is none.
        """
        client = None
        for entry in islice(self._entries(headers), _MAX_PROXIES):
            try:
                client = _parse_node(entry)
            except ValueError:
                break
            if not self._includes(client):
                break
        return None if client is None else str(client)

    def _includes(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self.networks)

    def _entries(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
        """Yield what each proxy wrote, the last one first."""
        name = b"forwarded" if self.forwarded else b"x-forwarded-for"
        split = _split_forwarded if self.forwarded else _split_list
        for value in reversed([value for key, value in headers if key == name]):
            yield from split(value)


def parse_address(text: str | bytes) -> IPv4Address | IPv6Address:
    """Return an address. An IPv4 address that is mapped into IPv6 (RFC 4291, 2.5.5.2) is returned as such.

    Args:
        text: its text, or its bytes in network order.

    Raises:
        ValueError: it is not an address.
    """
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _split_list(value: bytes) -> Iterator[bytes]:
    for entry in reversed(value.rsplit(b",", _MAX_PROXIES)):
        if entry.strip():
            yield entry.strip()


def _split_forwarded(value: bytes) -> Iterator[bytes]:
    """Yield the nodes of the last elements of ``Forwarded``; a word in place of one that is missing."""
    rest: bytes | None = value
    for _ in range(_MAX_PROXIES):
        if rest is None:
            return
        found = _LAST_ELEMENT.fullmatch(rest)
        if found is None:
            yield b"malformed"
            return
        rest, element = found.groups()
        pairs = _PAIR.findall(element)
        nodes = [node for key, node in pairs if key.lower() == b"for"]
        if len(nodes) == 1:
            yield re.sub(rb"\\(.)", rb"\1", nodes[0].strip(b'"'))
        elif pairs:
            yield b"unknown"


def _parse_node(entry: bytes) -> IPv4Address | IPv6Address:
    found = _NODE.fullmatch(entry.decode("latin-1"))
    if found is None:
        raise ValueError("not an address")
    return parse_address(next(filter(None, found.groups())))

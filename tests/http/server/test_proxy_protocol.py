"""The header of the PROXY protocol."""

import struct
from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.http.server.proxy_protocol import ProxyHeader, parse_proxy_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TCP4 = bytes([203, 0, 113, 7, 192, 0, 2, 1]) + struct.pack("!HH", 4711, 443)
TCP6 = ip_address("2001:db8::7").packed + ip_address("2001:db8::1").packed + struct.pack("!HH", 4711, 443)
TLVS = b"\x01\x00\x02h2" + b"\x04\x00\x03\0\0\0" + b"\xee\x00\x00"
REQUEST = b"GET / HTTP/1.1\r\n"


def binary(kind, payload=b"", *, command=0x21, length=None):
    return (
        SIGNATURE + struct.pack("!BBH", command, kind, len(payload) if length is None else length) + payload
    )


VALID = [
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", "203.0.113.7"),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 0 0\r\n", "203.0.113.7"),
    (b"PROXY TCP6 2001:DB8::7 2001:db8::1 4711 443\r\n", "2001:db8::7"),
    (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 4711 443\r\n", "203.0.113.7"),
    (
        b"PROXY TCP6 " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n",
        "ffff:" * 7 + "ffff",
    ),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None),
    (binary(0x11, TCP4), "203.0.113.7"),
    (binary(0x11, TCP4 + TLVS), "203.0.113.7"),
    (binary(0x21, TCP6), "2001:db8::7"),
    (binary(0x21, TCP6 + TLVS), "2001:db8::7"),
    (binary(0x21, TCP6 + bytes(4096 - 16 - 36)), "2001:db8::7"),
    (binary(0x21, ip_address("::ffff:203.0.113.7").packed + TCP6[16:]), "203.0.113.7"),
    # UDP and Unix sockets are as unspecified.
    (binary(0x12, TCP4), None),
    (binary(0x22, TCP6), None),
    (binary(0x31, bytes(216)), None),
    (binary(0x32, bytes(216)), None),
    (binary(0x00), None),
    (binary(0x00, TLVS), None),
    # LOCAL: everything else is ignored.
    (binary(0x00, command=0x20), None),
    (binary(0x11, TCP4 + TLVS, command=0x20), None),
    (binary(0x11, b"abc", command=0x20), None),
    (binary(0xFF, TLVS, command=0x20), None),
]


@pytest.mark.parametrize(("header", "client"), VALID)
def test_a_header_is_complete_with_its_last_byte(header, client):
    for length in range(1, len(header)):
        assert parse_proxy_header(header[:length]) is None
    assert parse_proxy_header(header) == ProxyHeader(len(header), client)
    assert parse_proxy_header(header + REQUEST) == ProxyHeader(len(header), client)
    assert parse_proxy_header(header + header) == ProxyHeader(len(header), client)


@pytest.mark.parametrize(
    "data",
    [
        REQUEST,
        b"P ",
        b"PROXY\r\n",
        b"proxy TCP4 203.0.113.7 192.0.2.1 4711 443\r\n",
        b" PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n",
        b"\r\nPROXY UNKNOWN\r\n",
        b"\x16\x03\x01\x02\x00",
        SIGNATURE[:-1] + b"\r",
    ],
)
def test_a_connection_without_a_header_is_an_error(data):
    with pytest.raises(ValueError, match="does not begin"):
        parse_proxy_header(data)


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY ",
        b"PROXY  TCP4 203.0.113.7 192.0.2.1 4711 443",
        b"PROXY TCP5 203.0.113.7 192.0.2.1 4711 443",
        b"PROXY tcp4 203.0.113.7 192.0.2.1 4711 443",
        b"PROXY UDP4 203.0.113.7 192.0.2.1 4711 443",
        b"PROXY UNKNOWNx",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 4711",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443 ",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443 1",
        b"PROXY TCP4  203.0.113.7 192.0.2.1 4711 443",
        b"PROXY TCP4 203.0.113.7\t192.0.2.1 4711 443",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r",
        b"PROXY UNKNOWN \n",
        b"PROXY TCP4 203.0.113.256 192.0.2.1 4711 443",
        b"PROXY TCP4 203.0.113.7 192.0.2.256 4711 443",
        b"PROXY TCP4 203.0.113.07 192.0.2.1 4711 443",
        b"PROXY TCP4 203.0.113 192.0.2.1 4711 443",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 443",
        b"PROXY TCP4 ::ffff:203.0.113.7 192.0.2.1 4711 443",
        b"PROXY TCP6 203.0.113.7 192.0.2.1 4711 443",
        b"PROXY TCP6 2001:db8::7 192.0.2.1 4711 443",
        b"PROXY TCP6 [2001:db8::7] [2001:db8::1] 4711 443",
        b"PROXY TCP6 fe80::1%eth0 2001:db8::1 4711 443",
        b"PROXY TCP6 2001:db8::7::1 2001:db8::1 4711 443",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 443",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 65536",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 04711 443",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 +4711 443",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 -1 443",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 \xb2 443",
        b"PROXY TCP4 localhost localhost 4711 443",
    ],
)
def test_a_malformed_line_is_an_error(line):
    with pytest.raises(ValueError, match=r"."):
        parse_proxy_header(line + b"\r\n" + REQUEST)


def test_a_line_has_a_maximum_length():
    assert parse_proxy_header(b"PROXY UNKNOWN " + b"x" * 92) is None
    for data in (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", b"PROXY " + b"x" * 101):
        with pytest.raises(ValueError, match="too long"):
            parse_proxy_header(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (binary(0x11, TCP4, command=0x11), "version"),
        (binary(0x11, TCP4, command=0x31), "version"),
        (binary(0x11, TCP4, command=0x22), "command"),
        (binary(0x11, TCP4, command=0x2F), "command"),
        (binary(0x41, TCP6), "family"),
        (binary(0x13, TCP4), "transport"),
        (binary(0x10, TCP4), "transport"),
        (binary(0x01), "family"),
        (binary(0x11, TCP4[:-1]), "short"),
        (binary(0x11), "short"),
        (binary(0x21, TCP4), "short"),
        (binary(0x21, TCP6[:-1]), "short"),
        (binary(0x21, length=4081), "too long"),
        (binary(0x00, length=65535), "too long"),
        (binary(0x00, length=65535, command=0x20), "too long"),
    ],
)
def test_a_malformed_binary_header_is_an_error_before_its_end(data, reason):
    for length in range(1, 16):
        assert parse_proxy_header(data[:length]) is None
    for end in (16, len(data)):
        with pytest.raises(ValueError, match=reason):
            parse_proxy_header(data[:end])


@given(
    address=st.ip_addresses(),
    port=st.integers(0, 65535),
    tlvs=st.binary(max_size=200),
    rest=st.binary(max_size=20),
)
def test_both_versions_name_the_same_client(address, port, tlvs, rest):
    family, kind = ("TCP4", 0x11) if isinstance(address, IPv4Address) else ("TCP6", 0x21)
    line = f"PROXY {family} {address} {address} {port} 1\r\n".encode()
    header = binary(kind, address.packed * 2 + struct.pack("!HH", port, 1) + tlvs)
    client = str(getattr(address, "ipv4_mapped", None) or address)
    assert parse_proxy_header(line + rest) == ProxyHeader(len(line), client)
    assert parse_proxy_header(header + rest) == ProxyHeader(len(header), client)


@given(
    st.binary(max_size=300).map(SIGNATURE.__add__)
    | st.binary(max_size=120).map(b"PROXY ".__add__)
    | st.binary()
)
def test_any_bytes_are_a_header_or_incomplete_or_an_error(data):
    try:
        header = parse_proxy_header(data)
    except ValueError:
        return
    assert header is None or 0 < header.length <= len(data)

"""The client's address in the headers of proxies."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.http.server.client_address import TrustedProxies, parse_address

PROXIES = ["192.0.2.1", "198.51.100.0/24", "2001:db8:f::/48"]


def find(*values, forwarded=False):
    """Return the client that the values of the header name to a gateway behind ``PROXIES``."""
    proxies = TrustedProxies.parse(PROXIES, forwarded=forwarded)
    name = b"forwarded" if forwarded else b"x-forwarded-for"
    other = b"x-forwarded-for" if forwarded else b"forwarded"
    headers = [(name, value) for value in values]
    return proxies.find_client([(b"host", b"h"), *headers, (other, b"for=203.0.113.99, 203.0.113.99")])


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("198.51.100.255", True),
        ("::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.2", False),
        ("2001:db8:f:1::2", True),
        ("2001:db8:e::1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_only_the_configured_addresses_are_trusted(address, trusted):
    assert TrustedProxies.parse(PROXIES).trusts(address) is trusted


def test_a_link_local_proxy_is_trusted_on_every_interface():
    assert TrustedProxies.parse(["fe80::1"]).trusts("fe80::1%eth0")


def test_peers_of_a_unix_socket_are_trusted_only_if_configured():
    proxies = TrustedProxies.parse(["unix"])
    assert proxies.trusts("")
    assert not proxies.trusts("127.0.0.1")


@pytest.mark.parametrize(
    "entry", ["proxy.example", "192.0.2.1/24", "192.0.2.256", "", "UNIX", "192.0.2.1:80"]
)
def test_an_invalid_entry_is_an_error(entry):
    with pytest.raises(ValueError, match=r"."):
        TrustedProxies.parse([*PROXIES, entry])


@pytest.mark.parametrize(
    ("values", "client"),
    [
        # Without proxies in between.
        ([b"203.0.113.7"], "203.0.113.7"),
        ([b"203.0.113.7:4711"], "203.0.113.7"),
        ([b"2001:db8::7"], "2001:db8::7"),
        ([b"2001:DB8:0:0::7"], "2001:db8::7"),
        ([b"[2001:db8::7]"], "2001:db8::7"),
        ([b"[2001:db8::7]:4711"], "2001:db8::7"),
        ([b"::ffff:203.0.113.7"], "203.0.113.7"),
        # Several proxies: addresses of trusted ones are skipped.
        ([b"203.0.113.7, 198.51.100.2, 192.0.2.1"], "203.0.113.7"),
        ([b"203.0.113.7", b"198.51.100.2", b"192.0.2.1"], "203.0.113.7"),
        ([b"203.0.113.7,2001:db8:f::1"], "203.0.113.7"),
        ([b"203.0.113.7, ::ffff:192.0.2.1"], "203.0.113.7"),
        ([b" , 203.0.113.7 ,\t, 192.0.2.1 ,"], "203.0.113.7"),
        # What the client has sent is before its address.
        ([b"203.0.113.99, 203.0.113.7"], "203.0.113.7"),
        ([b"203.0.113.99", b"203.0.113.7, 198.51.100.2"], "203.0.113.7"),
        ([b"203.0.113.99, 192.0.2.1, 203.0.113.7, 192.0.2.1"], "203.0.113.7"),
        ([b"192.0.2.1, 203.0.113.7"], "203.0.113.7"),
        ([b"nonsense, 203.0.113.7"], "203.0.113.7"),
        ([b"\xff", b"203.0.113.7"], "203.0.113.7"),
        # Only proxies: a proxy is the client.
        ([b"198.51.100.2"], "198.51.100.2"),
        ([b"198.51.100.2, 198.51.100.3"], "198.51.100.2"),
        # An entry that is not an address.
        ([b"203.0.113.99, unknown, 198.51.100.2"], "198.51.100.2"),
        ([b"203.0.113.99", b"unknown", b"198.51.100.2"], "198.51.100.2"),
        ([b"203.0.113.99, unknown"], None),
        ([b"203.0.113.99, 203.0.113.256"], None),
        ([b"203.0.113.99, 203.0.113.07"], None),
        ([b"203.0.113.99, 203.0.113.7:123456"], None),
        ([b"203.0.113.99, 203.0.113.7;"], None),
        ([b"203.0.113.99, fe80::1%eth0"], None),
        ([b"203.0.113.99, [203.0.113.7]:x"], None),
        ([b"203.0.113.99, \xb2"], None),
        ([b"203.0.113.99, 1"], None),
        ([b""], None),
        ([b" , ,"], None),
        ([], None),
    ],
)
def test_x_forwarded_for(values, client):
    assert find(*values) == client


def test_a_long_list_is_not_read_to_its_start():
    proxies = b"192.0.2.1, " * 31
    assert find(b"203.0.113.7, " + proxies[:-2]) == "203.0.113.7"
    assert find(b"203.0.113.7, 192.0.2.1, " + proxies[:-2]) == "192.0.2.1"
    assert find(b"203.0.113.7" + b"," * 60_000) is None


@pytest.mark.parametrize(
    ("values", "client"),
    [
        ([b"for=203.0.113.7"], "203.0.113.7"),
        ([b"For=203.0.113.7;proto=https;By=192.0.2.1"], "203.0.113.7"),
        ([b"proto=https; for=203.0.113.7 ;host=h"], "203.0.113.7"),
        ([b';for="203.0.113.7:4711";;'], "203.0.113.7"),
        ([b'for="203.0.113.7:_port-1"'], "203.0.113.7"),
        ([b'for="[2001:db8::7]"'], "2001:db8::7"),
        ([b'for="[2001:db8::7]:4711"'], "2001:db8::7"),
        ([b'for="\\203.0.113.7"'], "203.0.113.7"),
        ([b"for=203.0.113.7, for=198.51.100.2,for=192.0.2.1"], "203.0.113.7"),
        ([b"for=203.0.113.7", b"for=198.51.100.2", b"for=192.0.2.1"], "203.0.113.7"),
        ([b"for=203.0.113.7,, for=192.0.2.1, ,"], "203.0.113.7"),
        ([b"for=203.0.113.99, for=203.0.113.7"], "203.0.113.7"),
        ([b'for=203.0.113.99;host="a,b\\",c", for=203.0.113.7;host="x, for=203.0.113.98"'], "203.0.113.7"),
        ([b'for=203.0.113.7;host="x, for=203.0.113.98;by="'], "203.0.113.7"),
        # What the client has sent can be malformed.
        ([b'for="203.0.113.99, for=203.0.113.7'], "203.0.113.7"),
        ([b'for="203.0.113.99, for=203.0.113.7;host="h"'], "203.0.113.7"),
        ([b'for="203.0.113.99, for=203.0.113.7;host=";by=";proto="https"'], "203.0.113.7"),
        ([b"=, for=203.0.113.7"], "203.0.113.7"),
        ([b"for=198.51.100.2, for=_hidden, for=192.0.2.1"], "192.0.2.1"),
        ([b"for=203.0.113.99", b"=", b"for=192.0.2.1"], "192.0.2.1"),
        ([b"for=203.0.113.99, proto=https;by=192.0.2.1"], None),
        ([b"for=203.0.113.99, for=unknown"], None),
        ([b"for=203.0.113.99, for=203.0.113.7;for=203.0.113.8"], None),
        ([b"for=203.0.113.99, for=[2001:db8::7]"], None),
        ([b"for=203.0.113.99, 203.0.113.7"], None),
        ([b"for=203.0.113.99, for=203.0.113.7="], None),
        ([b'for=203.0.113.99, for="203.0.113.7"x'], None),
        ([b'for=203.0.113.99, for="203.0.113.7"x=y'], None),
        ([b'for=203.0.113.99, for="203.0.113.7'], None),
        ([b"for=203.0.113.99, for="], None),
        ([b'for=203.0.113.99, for=""'], None),
        ([b""], None),
        ([], None),
    ],
)
def test_forwarded(values, client):
    assert find(*values, forwarded=True) == client


def quote(text):
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


field_value = st.binary(max_size=60).filter(lambda value: not set(value) & {*range(32), 127})
tricky = st.lists(st.sampled_from([b'"', b"\\", b",", b";", b"=", b" ", b"for=", b"a", b"1.1.1.1"])).map(
    b"".join
)


@given(sent=field_value | tricky, host=field_value | tricky, address=st.ip_addresses())
def test_a_client_cannot_hide_or_change_the_address_that_its_proxy_appends(sent, host, address):
    text = str(parse_address(str(address)))
    node = b'"[%b]"' % text.encode() if ":" in text else text.encode()
    value = b"%b, for=%b;host=%b;proto=http" % (sent, node, quote(host))
    proxies = TrustedProxies.parse(["unix"], forwarded=True)
    assert proxies.find_client([(b"forwarded", value)]) == text
    proxies = TrustedProxies.parse(["unix"])
    assert proxies.find_client([(b"x-forwarded-for", b"%b, %b" % (sent, text.encode()))]) == text


@pytest.mark.parametrize("end", [b"", b"!", b",for=192.0.2.1"])
@pytest.mark.parametrize("part", [b",", b';a="', b',a="', b'a=",";', b" ", b";", b"a=1 "])
def test_the_time_for_a_long_header_is_bounded(part, end):
    value = part * (60_000 // len(part)) + end
    started = time.process_time()
    assert find(value, forwarded=True) in {None, "192.0.2.1"}
    assert find(value) is None
    assert time.process_time() - started < 0.2

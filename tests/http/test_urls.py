"""URLs and addresses in settings."""

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.http.urls import check_url, split_address


def test_the_parts_of_a_url_are_returned():
    parts = check_url("https://gate.example:9091/a/b", "--url", "--user")
    assert (parts.hostname, parts.port, parts.path) == ("gate.example", 9091, "/a/b")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gate", "--url: 'gate' is not a URL such as"),
        ("ftp://gate", "is not a URL such as"),
        ("https://", "is not a URL such as"),
        ("", "is not a URL such as"),
        ("https://gate:0", "is not a URL such as"),
        ("https://gate:99999", "--url: 'https://gate:99999' is not a URL: Port out of range"),
        ("https://u:secret@gate:99999", "Port out of range"),
        ("https://[::1", "is not a URL: Invalid IPv6"),
        ("https://user:secret@gate", "--url: the URL must not contain credentials; use --user"),
        ("https://secret@gate", "must not contain credentials"),
        ("https://gate/?x=1", "only scheme, host, port and path"),
        ("https://gate/#x", "only scheme, host, port and path"),
        ("https://g\u00e4te", "only scheme, host, port and path"),
        ("https://a b", "only scheme, host, port and path"),
        ("https://gate\nname = x", "only scheme, host, port and path"),
    ],
)
def test_other_urls_are_rejected_without_their_password(url, message):
    with pytest.raises(ConfigError) as raised:
        check_url(url, "--url", "--user")
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("gate_1.example:65535", ("gate_1.example", 65535)),
        ("[2001:db8::1]:8042", ("2001:db8::1", 8042)),
    ],
)
def test_an_address_is_split(address, parts):
    assert split_address(address, "--listen") == parts


@pytest.mark.parametrize(
    "address",
    [
        "",
        "8042",
        ":8042",
        "a:",
        "a:b",
        "a:0",
        "a:65536",
        "a:-1",
        "::1:8042",
        "[::1]",
        "a b:1",
        "a:1\n",
        "a:\u0661",
    ],
)
def test_other_texts_are_no_addresses(address):
    with pytest.raises(ConfigError, match=r"^--listen '.*' is not an address such as 127.0.0.1:8042$"):
        split_address(address, "--listen")


def test_there_are_ports_for_all_workers():
    assert split_address("a:65533", "--metrics", ports=3) == ("a", 65533)
    with pytest.raises(ConfigError, match="with a port of at most 65533"):
        split_address("a:65534", "--metrics", ports=3)

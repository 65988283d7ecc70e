"""Which URLs are those of servers, and what of them is shown."""

import pytest

from chrysaetos.client.urls import is_server_url, strip_url


@pytest.mark.parametrize("url", ["http://a", "https://user:b@[::1]:9090/c?d#e", "HTTP://a"])
def test_a_server_url(url):
    assert is_server_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a:9090/v3",
        "/v3",
        "ftp://a",
        "http://",
        "http://:80",
        "http://[::1",
        "http://a:0",
        "http://a:65536",
        5,
    ],
)
def test_no_server_url(url):
    assert not is_server_url(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://user:secret@a:1/b?query=c#d", "http://a:1/b"),
        ("https://[::1]:9090/x/", "https://[::1]:9090/x/"),
        ("http://us@er:p@a", "http://a"),
    ],
)
def test_a_url_is_stripped_of_credentials_and_query(url, expected):
    assert strip_url(url) == expected

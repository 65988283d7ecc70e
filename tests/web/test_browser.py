"""What a browser says about a request."""

import pytest

from chrysaetos.errors import BadRequest, Forbidden
from chrysaetos.web.browser import Browser

HOST = (b"host", b"metrics.example.com")
LOCAL = (b"host", b"127.0.0.1:9292")


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ([HOST], True),
        ([], True),
        ([HOST, LOCAL], True),
        ([(b"host", b"127.0.0.1.example.com")], True),
        ([(b"host", b"localhost.example.com:80")], True),
        ([(b"host", b"10.0.0.1:9292")], True),
        ([LOCAL, (b"x-forwarded-proto", b"https")], True),
        ([LOCAL, (b"x-forwarded-for", b"192.0.2.1")], True),
        ([LOCAL, (b"forwarded", b"for=192.0.2.1")], True),
        ([LOCAL, (b"via", b"1.1 proxy")], True),
        ([LOCAL], False),
        ([(b"host", b"localhost")], False),
        ([(b"host", b"LocalHost:80")], False),
        ([(b"host", b"demo.localhost:9292")], False),
        ([(b"host", b"[::1]:9292")], False),
    ],
)
def test_cookies_need_https_except_at_loopback_addresses(headers, secure):
    browser = Browser(headers)
    assert browser.secure is secure
    name, value = browser.set_cookie("chrysaetos", "v")
    assert name == b"set-cookie"
    assert value.startswith(b"__Host-chrysaetos=v; Path=/; HttpOnly" if secure else b"chrysaetos-")
    assert (b"; Secure" in value) is secure
    assert b"; SameSite=Lax" in value
    assert b"Domain" not in value


def test_all_cookies_are_for_scripts_out_of_reach():
    for browser in (Browser([HOST]), Browser([LOCAL])):
        for cross_site in (False, True):
            value = browser.set_cookie("x", "v", cross_site=cross_site)[1]
            assert b"; HttpOnly" in value
            assert (b"; SameSite=None" in value) is cross_site
            assert b"; Secure" in value or not cross_site
            assert b"; Max-Age=0" not in value
            assert b"; Max-Age=0" in browser.set_cookie("x", "", cross_site=cross_site)[1]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ([b"__Host-x=1"], "1"),
        ([b"a=b; __Host-x=1; c=d"], "1"),
        ([b"a=b;__Host-x=1"], "1"),
        ([b"a=b", b"__Host-x=1"], "1"),
        ([b"x=1"], None),
        ([b"x-80=1"], None),
        ([b"__host-x=1"], None),
        ([b"__Host-x"], ""),
        ([b"__Host-x=1; __Host-x=2"], None),
        ([b"__Host-x=1", b"__Host-x=1"], None),
        ([], None),
    ],
)
def test_a_cookie_is_found_by_its_whole_name(header, expected):
    assert Browser([HOST, *((b"cookie", value) for value in header)]).cookie("x") == expected


@pytest.mark.parametrize("others", [200, 32_000])
def test_a_limited_number_of_cookies_is_read(others):
    headers = [HOST, (b"cookie", b"a;" * others + b"__Host-x=1"), (b"cookie", b"__Host-y=2")]
    expected = ("1", "2") if others == 200 else (None, None)
    assert (Browser(headers).cookie("x"), Browser(headers).cookie("y")) == expected


def test_gateways_on_two_ports_have_cookies_of_their_own():
    first = Browser([LOCAL]).set_cookie("x", "1")[1].partition(b";")[0]
    assert Browser([LOCAL, (b"cookie", first)]).cookie("x") == "1"
    assert Browser([(b"host", b"127.0.0.1:9293"), (b"cookie", first)]).cookie("x") is None


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, (b"sec-fetch-site", b"same-origin")],
        [HOST, (b"sec-fetch-site", b"same-origin"), (b"origin", b"https://other.example.com")],
        [HOST, (b"origin", b"https://metrics.example.com")],
        [LOCAL, (b"origin", b"http://127.0.0.1:9292")],
    ],
)
def test_a_request_of_the_own_page_is_accepted(headers):
    Browser(headers).check_same_origin()


@pytest.mark.parametrize(
    "headers",
    [
        [HOST],
        [LOCAL],
        [HOST, (b"sec-fetch-site", b"same-site")],
        [HOST, (b"sec-fetch-site", b"cross-site")],
        [HOST, (b"sec-fetch-site", b"none")],
        [HOST, (b"sec-fetch-site", b"cross-site"), (b"origin", b"https://metrics.example.com")],
        [HOST, (b"origin", b"https://metrics.example.com:8443")],
        [HOST, (b"origin", b"https://example.com")],
        [HOST, (b"origin", b"null")],
        [(b"origin", b"https://")],
        [HOST, (b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"same-origin")],
        [LOCAL, (b"origin", b"http://127.0.0.1:9293")],
    ],
)
def test_a_request_of_another_page_is_refused(headers):
    with pytest.raises(Forbidden):
        Browser(headers).check_same_origin()


def test_a_page_over_plain_http_is_told_so():
    with pytest.raises(BadRequest, match="https://"):
        Browser([HOST, (b"origin", b"http://metrics.example.com")]).check_same_origin()


@pytest.mark.parametrize("origin", [b"https://metrics.example.com", b"https://Metrics.example.com:8443"])
def test_a_proxy_that_hides_the_host_is_told_so(origin):
    headers = [LOCAL, (b"sec-fetch-site", b"same-origin"), (b"origin", origin)]
    with pytest.raises(BadRequest, match="Host"):
        Browser(headers).check_same_origin()
    Browser([*headers, (b"x-forwarded-for", b"192.0.2.1")]).check_same_origin()


@pytest.mark.parametrize(
    "origin", [b"http://127.0.0.1:8000", b"http://localhost:8000", b"http://[::1]", b"null"]
)
def test_a_page_at_another_port_of_this_machine_is_its_own_if_the_browser_says_so(origin):
    Browser([LOCAL, (b"sec-fetch-site", b"same-origin"), (b"origin", origin)]).check_same_origin()


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://keystone:5000/v3", b"https://keystone:5000"),
        ("https://keystone.example.com:443/v3", b"https://keystone.example.com"),
        ("HTTPS://Keystone.Example.COM/identity/v3", b"https://keystone.example.com"),
        ("http://keystone:80/v3", b"http://keystone"),
        ("http://keystone:443/v3", b"http://keystone:443"),
        ("https://keystone:80/v3", b"https://keystone:80"),
        ("https://[2001:DB8::80]:443/v3", b"https://[2001:db8::80]"),
    ],
)
def test_an_origin_is_compared_as_browsers_write_it(url, origin):
    assert Browser([HOST, (b"origin", origin)]).comes_from(url)
    for other in (
        b"null",
        origin + b"0",
        origin + b".example.org",
        origin.replace(b"://k", b"://x.k") + b"/",
    ):
        assert not Browser([HOST, (b"origin", other)]).comes_from(url)
    assert not Browser([HOST]).comes_from(url)

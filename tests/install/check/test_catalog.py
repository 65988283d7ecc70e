"""The entry in the catalog, as far as it can be judged without a request."""

from __future__ import annotations

import socket

import pytest
from keystoneauth1.access import AccessInfoV3

from chrysaetos.findings import Status
from chrysaetos.install.check.catalog import check_catalog, server_of


@pytest.fixture
def closed_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def check(setup, *endpoints: tuple[str, str, str], running: bool = False):
    """Return the findings for endpoints of the gateway: interface, region and URL."""
    services = {"identity": [("public", "One", "http://keystone.example")], "metric-storage": endpoints}
    catalog = [
        {
            "type": kind,
            "name": kind,
            "endpoints": [
                {"id": url, "interface": interface, "region": region, "region_id": region, "url": url}
                for interface, region, url in entries
            ],
        }
        for kind, entries in services.items()
    ]
    access = AccessInfoV3(body={"token": {"catalog": catalog}})
    found = check_catalog(setup, setup.keystone, access, running=running)
    return [(each.status, each.found, each.remedy) for each in found]


def test_a_typo_in_the_region_is_found_without_an_option(make_setup):
    (status, found, remedy), *_ = check(make_setup(), ("public", "Won", "http://gateway.invalid"))
    assert status is Status.FAILED
    assert found == "metric-storage is in region Won, but not in One"
    assert "--region One metric-storage public http://gateway.invalid" in remedy


def test_a_region_other_than_that_of_keystone_may_be_right(make_setup, closed_port):
    setup = make_setup()
    setup.conf.set_override("region_name", "Two", group="keystone_authtoken")
    url = f"http://127.0.0.1:{closed_port}"
    (status, found, _), *_ = check(setup, ("public", "One", url))
    assert status is Status.WARNING
    assert found == "metric-storage is in region One, but not in Two"
    endpoints = [("public", region, url) for region in ("One", "Two")]
    assert [(status, "may not be running yet" in found) for status, found, _ in check(setup, *endpoints)] == [
        (Status.SKIPPED, True),
        (Status.SKIPPED, True),
    ]


def test_users_need_a_public_endpoint(make_setup):
    ((_, found, _),) = check(make_setup(), ("internal", "One", "http://gateway.example"))
    assert found == "metric-storage has no public endpoint"


def test_an_endpoint_that_fails_although_the_gateway_runs_is_a_warning(make_setup, closed_port):
    endpoint = ("public", "One", f"http://127.0.0.1:{closed_port}/")
    ((status, found, _),) = check(make_setup(), endpoint, running=True)
    assert status is Status.WARNING
    assert "connection refused" in found


@pytest.mark.parametrize(
    "url", ["gateway.example:8042", "ftp://gateway.example", "http://host:port/", "http://"]
)
def test_a_url_that_is_none_is_an_error(make_setup, url):
    setup = make_setup()
    assert server_of(url, setup.keystone) is None
    ((status, found, _),) = check(setup, ("public", "One", url))
    assert status is Status.FAILED
    assert found == f"{url} is not a URL of HTTP"


def test_a_token_without_a_catalog_is_not_judged(make_setup):
    setup = make_setup()
    access = AccessInfoV3(body={"token": {}})
    (finding,) = check_catalog(setup, setup.keystone, access, running=False)
    assert finding.status is Status.SKIPPED


def test_the_port_of_https_is_443(make_setup):
    server = server_of("https://gateway.example/metric-storage/", make_setup().keystone)
    assert server is not None
    assert (server.host, server.port, server.path_prefix) == ("gateway.example", 443, "/metric-storage")
    assert server.tls is not None

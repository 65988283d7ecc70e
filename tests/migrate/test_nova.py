"""Hosts and servers from Nova."""

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from tests.fakes.nova import FakeNova

from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.nova import Nova


def client_of(nova: FakeNova) -> Nova:
    return Nova(Adapter(Session(auth=Token(nova.url, "token")), service_type="compute"))


def test_hosts_are_compute_services_without_bare_metal():
    with FakeNova(["b", "a", "a"]) as nova:
        nova.bare_metal = ["metal"]
        assert client_of(nova).hosts(100) == ["a", "b"]


@pytest.mark.parametrize("largest_page", [1, 2, 3, 10])
def test_pages_are_followed_by_their_markers(largest_page):
    hosts = [f"compute-{number}" for number in range(5)]
    with FakeNova(hosts, largest_page=largest_page) as nova:
        assert client_of(nova).hosts(100) == hosts
        markers = [asked.get("marker") for _, asked in nova.requests]
    assert markers == [None, *(f"id-of-{hosts[n]}" for n in range(largest_page - 1, 4, largest_page))]


def test_the_limit_is_sent():
    with FakeNova(servers=[str(number) for number in range(20)], largest_page=4) as nova:
        assert client_of(nova).servers(6) == ["0", "1", "2", "3", "4", "5"]
        assert [asked["limit"] for _, asked in nova.requests] == ["6", "2"]
        assert nova.requests[0][1]["status"] == "ACTIVE"


def test_empty_results():
    with FakeNova() as nova:
        assert client_of(nova).hosts(10) == []
        assert client_of(nova).servers(10) == []


@pytest.mark.parametrize(
    ("status", "message"), [(403, "assign the role admin to the service"), (500, "to Nova failed")]
)
def test_errors_have_a_remedy(status, message):
    with FakeNova(["a"]) as nova:
        nova.status = status
        with pytest.raises(MigrateError, match=message):
            client_of(nova).hosts(10)

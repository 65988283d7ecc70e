from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from chrysaetos.errors import ConfigError, Forbidden, Unavailable


@pytest.fixture
def projects(make_projects, keystone):
    keystone.projects = {"D": ["a", "b", "c"], "E": ["x"]}
    return make_projects(seconds=60)


async def test_a_domains_projects_are_those_that_keystone_lists(projects, keystone):
    assert await projects.of("D") == ("a", "b", "c")
    assert await projects.of("E") == ("x",)
    assert keystone.listings == [{"domain_id": "D"}, {"domain_id": "E"}]


async def test_a_list_is_cached(projects, keystone, clock):
    first = await projects.of("D")
    keystone.projects["D"] = ["b", "d"]
    clock.now += 59
    assert await projects.of("D") is first
    clock.now += 1
    assert await projects.of("D") == ("b", "d")
    assert (projects.hits, projects.misses) == (1, 2)


async def test_many_requests_share_one_list(projects, keystone):
    keystone.hold.clear()
    tasks = [asyncio.create_task(projects.of("D")) for _ in range(50)]
    await asyncio.sleep(0.1)
    tasks[0].cancel()
    keystone.hold.set()
    assert set(await asyncio.gather(*tasks[1:])) == {("a", "b", "c")}
    assert len(keystone.listings) == 1


async def test_pages_are_followed_at_the_gateways_own_address(projects, keystone):
    keystone.page = 2
    keystone.projects["D"] = ["a", "b", "c", "d", "e"]
    assert await projects.of("D") == ("a", "b", "c", "d", "e")
    assert [listing.get("marker") for listing in keystone.listings] == [None, "b", "d"]
    assert {listing["domain_id"] for listing in keystone.listings} == {"D"}


async def test_a_domain_without_projects_is_forbidden_and_cached(projects, keystone):
    for _ in range(2):
        with pytest.raises(Forbidden, match="no projects"):
            await projects.of("empty")
    assert len(keystone.listings) == 1


async def test_a_domain_with_too_many_projects_is_forbidden_and_not_listed_completely(
    make_projects, keystone
):
    keystone.projects = {"D": [f"p{number}" for number in range(100)], "E": [f"q{n}" for n in range(10)]}
    keystone.page = 4
    projects = make_projects(most=10)
    assert len(await projects.of("E")) == 10
    keystone.listings.clear()
    for _ in range(2):
        with pytest.raises(Forbidden, match=r"more than 10 projects \(max_domain_projects\)"):
            await projects.of("D")
    assert len(keystone.listings) == 3


def _of_another_domain(body):
    body["projects"][0]["domain_id"] = "E"


def _for_ever_the_same(body):
    body["links"]["next"] = "https://public.example/v3/projects?domain_id=E"


def _cut_off(body):
    body["truncated"] = True


def _elsewhere(body):
    if "domain_id=E" not in str(body["links"]["next"]):
        body["links"]["next"] = "https://public.example/v3/projects?domain_id=E&limit=5"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_of_another_domain, "other domains"),
        (_for_ever_the_same, "nothing new"),
        (_cut_off, "list_limit"),
        (_elsewhere, "nothing new"),
        (lambda body: body["projects"].append({"id": "", "domain_id": "D"}), "empty id"),
        (lambda body: body["projects"].append({"domain_id": "D"}), "KeyError"),
        (lambda body: body.pop("projects"), "KeyError"),
    ],
)
async def test_an_incomplete_or_wrong_list_is_rejected(projects, keystone, change, words, caplog):
    keystone.changed = change
    with pytest.raises(Unavailable) as caught:
        await projects.of("D")
    assert caught.value.headers() == [(b"retry-after", b"5")]
    assert words in caplog.text
    assert {listing["domain_id"] for listing in keystone.listings} == {"D"}
    keystone.changed = lambda _: None
    assert await projects.of("D") == ("a", "b", "c")


async def test_a_keystone_that_is_down_is_503_after_the_list_expires(projects, keystone, clock):
    await projects.of("D")
    keystone.stop()
    clock.now += 59
    assert await projects.of("D") == ("a", "b", "c")
    clock.now += 1
    with pytest.raises(Unavailable):
        await projects.of("D")
    assert projects.errors == 1


async def test_a_service_user_without_permission_is_503_and_the_log_names_the_policy(
    projects, keystone, caplog
):
    keystone.may_list = False
    with pytest.raises(Unavailable):
        await projects.of("D")
    assert "[keystone_authtoken]" in caplog.text
    assert "reader on the system" in caplog.text
    keystone.may_list = True
    assert await projects.of("D") == ("a", "b", "c")


@pytest.mark.parametrize("status", [403, 500])
async def test_an_error_of_a_keystone_that_has_just_started_is_hidden(projects, keystone, status, caplog):
    keystone.failing = [status]
    assert await projects.of("D") == ("a", "b", "c")
    assert "list the projects" not in caplog.text
    assert projects.errors == 0


async def test_the_services_own_token_is_renewed(projects, keystone):
    await projects.of("D")
    keystone.tokens.clear()
    assert await projects.of("E") == ("x",)
    assert projects.errors == 0


async def test_no_secret_is_logged(projects, keystone, caplog):
    caplog.set_level(logging.DEBUG)
    await projects.of("D")
    keystone.status = 500
    with pytest.raises(Unavailable):
        await projects.of("E")
    for secret in (*keystone.tokens, "service-secret"):
        assert secret not in caplog.text


def test_invalid_credentials_fail_the_start(make_projects):
    with pytest.raises(ConfigError, match="keystone_authtoken"):
        make_projects({"auth_url": None})


async def test_close_stops_the_threads(make_projects, keystone):
    keystone.projects["D"] = ["a"]
    projects = make_projects()
    await projects.of("D")
    assert any(thread.name.startswith("domains") for thread in threading.enumerate())
    projects.close()
    assert not any(thread.name.startswith("domains") for thread in threading.enumerate())
    with pytest.raises(Unavailable):
        await projects.of("E")

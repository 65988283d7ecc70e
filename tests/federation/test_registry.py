from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.federation.registry import (
    FILE,
    FRESHNESS,
    USAGE,
    Registry,
    Remote,
    Site,
    check_location,
    check_url,
    is_clear,
    read_registry,
    render_registry,
)

if TYPE_CHECKING:
    from pathlib import Path

ALPHA = Site("alpha", 1, "https://gate.example:9091", "tokens/alpha")
FULL = Registry(
    prometheus_version="2.53.0",
    scrape_interval="30s",
    rule_interval="1m",
    sites=(
        ALPHA,
        Site(
            "Überall.2",
            7,
            "http://127.0.0.1:80/x",
            'to"ken\\s\x7f',
            ca_file="/etc/ca.pem",
            match=(USAGE,),
            simple_vm_id="aa02",
        ),
    ),
    remote_write=(Remote("https://store.example/write", token_file="t"),),
    remote_read=(Remote("https://store.example/read", username="u", password_file="p", ca_file="c"),),
)


def read(directory: Path, text: str) -> Registry:
    (directory / FILE).write_text(text)
    return read_registry(directory)


@pytest.mark.parametrize("registry", [Registry(), FULL])
def test_what_is_written_is_read(tmp_path: Path, registry: Registry) -> None:
    assert read(tmp_path, render_registry(registry)) == registry


def test_only_what_was_said_is_written() -> None:
    text = render_registry(Registry(sites=(ALPHA,)))
    assert tomllib.loads(text) == {
        "sites": [
            {
                "name": "alpha",
                "location_id": 1,
                "url": "https://gate.example:9091",
                "token_file": "tokens/alpha",
            }
        ]
    }


def test_a_site_is_asked_for_usage_and_freshness() -> None:
    assert ALPHA.match == (USAGE, FRESHNESS)


SITE = '[[sites]]\nname = "a"\nlocation_id = 1\nurl = "https://gate"\ntoken_file = "t"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('colour = "red"', "colour: not known; known are prometheus_version"),
        (SITE + 'tokenfile = "x"', r"\[\[sites\]\]: tokenfile: not known"),
        (SITE.replace("url", "# url"), "url: missing"),
        (SITE.replace("1", '"1"'), "location_id is '1', not a number"),
        (SITE.replace("1", "true"), "location_id is True, not a number"),
        (SITE.replace('"t"', "3"), "token_file is 3, not a text"),
        (SITE + 'match = "up"', "match is 'up', not a list of texts"),
        (SITE + "match = [1]", r"match is \[1\], not a list of texts"),
        (SITE + "match = []", "match is empty"),
        (SITE + "match = ['sum(up)']", "is no selector"),
        (SITE.replace('"t"', '""'), "token_file is empty"),
        (SITE.replace('"a"', '"a b"'), "'a b' is no name of a site"),
        (SITE.replace("1", "-1"), "location_id -1 is below 0"),
        (SITE + SITE.replace("1", "2"), "two sites have the same name: a"),
        (SITE + SITE.replace('"a"', '"b"'), "two sites have the same location_id: 1"),
        ('prometheus_version = "new"', "prometheus_version 'new' is not like 2.53.0"),
        ('scrape_interval = "soon"', "scrape_interval 'soon' is not a time"),
        ('rule_interval = "1d"', "rule_interval '1d' is not a time"),
        ("sites = 1", "sites.toml"),
        ("sites = [1]", "sites.toml"),
        ("a = ", "cannot be read"),
        ('[[remote_write]]\nurl = "https://x"\nusername = "u"', "username and password_file belong together"),
        (
            '[[remote_read]]\nurl = "https://x"\nusername = "u"\npassword_file = "p"\ntoken_file = "t"',
            "not both",
        ),
    ],
)
def test_what_is_wrong_is_told_with_the_file(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        read(tmp_path, text)
    assert FILE in str(error.value)


def test_a_directory_without_a_registry(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="begin with chrysaetos portal init"):
        read_registry(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        *("gate", "ftp://gate", "https://", "https://gate:99999", "https://gate:0", "https://[::1", ""),
        *("https://user:secret@gate", "https://gate/?x=1", "https://gate/#x", "https://gäte", "https://a b"),
    ],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ConfigError, match="url"):
        check_url(url, "url")


@pytest.mark.parametrize("name", ["", "-a", "a/b", "a b", "a$1", "a\n", "x" * 65, ".."])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a site"):
        check_location(name, "site")


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("http://gate.example", True),
        ("https://gate.example", False),
        ("http://127.0.0.1:1", False),
        ("http://[::1]:1", False),
    ],
)
def test_where_a_token_would_be_seen(url: str, *, clear: bool) -> None:
    assert is_clear(url) == clear


def test_sites_come_and_go() -> None:
    registry = Registry()
    assert registry.next_location_id() == 1
    registry = registry.adding(ALPHA)
    assert registry.next_location_id() == 2
    changed: dict[str, Any] = {"location_id": 5, "url": "https://b", "token_file": "b"}
    registry = registry.adding(Site("beta", **changed))
    assert registry.next_location_id() == 6
    with pytest.raises(ConfigError, match="the same name: beta"):
        registry.adding(Site("beta", **{**changed, "location_id": 9}))
    assert [site.name for site in registry.removing("alpha").sites] == ["beta"]
    with pytest.raises(ConfigError, match="there is no site gamma; there are: alpha, beta"):
        registry.removing("gamma")

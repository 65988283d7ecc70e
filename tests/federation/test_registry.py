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
    is_cleartext,
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
def test_a_registry_is_read_as_it_was_written(tmp_path: Path, registry: Registry) -> None:
    assert read(tmp_path, render_registry(registry)) == registry


def test_defaults_are_not_written() -> None:
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


def test_a_site_is_queried_for_usage_and_freshness() -> None:
    assert ALPHA.match == (USAGE, FRESHNESS)


SITE = '[[sites]]\nname = "a"\nlocation_id = 1\nurl = "https://gate"\ntoken_file = "t"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('colour = "red"', "unknown setting colour; known are prometheus_version"),
        (SITE + 'tokenfile = "x"', r"\[\[sites\]\]: unknown setting tokenfile"),
        (SITE.replace("url", "# url"), "url is missing"),
        (SITE.replace("1", '"1"'), "location_id is '1', expected an integer"),
        (SITE.replace("1", "true"), "location_id is True, expected an integer"),
        (SITE.replace('"t"', "3"), "token_file is 3, expected a string"),
        (SITE + 'match = "up"', "match is 'up', expected a list of strings"),
        (SITE + "match = [1]", r"match is \[1\], expected a list of strings"),
        (SITE + "match = []", "match is empty"),
        (SITE + "match = ['sum(up)']", "is not a valid selector"),
        (SITE.replace('"t"', '""'), "token_file is empty"),
        (SITE.replace('"a"', '"a b"'), "'a b' is not a valid site name"),
        (SITE.replace("1", "-1"), "location_id -1 is negative"),
        (SITE + SITE.replace("1", "2"), "two sites have the same name: a"),
        (SITE + SITE.replace('"a"', '"b"'), "two sites have the same location_id: 1"),
        ('prometheus_version = "new"', "prometheus_version 'new' is not a version"),
        ('scrape_interval = "soon"', "scrape_interval: 'soon' is not a duration"),
        ('rule_interval = "10m"', "rule_interval is '10m', and may be at most 4m"),
        ('scrape_interval = "1h"', "scrape_interval is '1h', and may be at most 4m"),
        ('rule_interval = "4m1ms"', "at most 4m"),
        ('scrape_interval = "0s"', "at most 4m"),
        ('scrape_interval = "9999999y"', "longer than Prometheus can store"),
        ("sites = 1", "sites.toml"),
        ("sites = [1]", "sites.toml"),
        ("a = ", "cannot be read"),
        ('[[remote_write]]\nurl = "https://x"\nusername = "u"', "give both username and password_file"),
        (
            '[[remote_read]]\nurl = "https://x"\nusername = "u"\npassword_file = "p"\ntoken_file = "t"',
            "not both",
        ),
    ],
)
def test_invalid_settings_are_reported_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        read(tmp_path, text)
    assert FILE in str(error.value)


def test_a_missing_registry_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"create it with chrysaetos portal init '.*/a b'$"):
        read_registry(tmp_path / "a b")


@pytest.mark.parametrize("name", ["", "-a", "a/b", "a b", "a$1", "a\n", "x" * 65, ".."])
def test_invalid_site_names_are_rejected(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a valid site name"):
        check_location(name, "site")


@pytest.mark.parametrize(
    ("url", "cleartext"),
    [
        ("http://gate.example", True),
        ("https://gate.example", False),
        ("http://127.0.0.1:1", False),
        ("http://[::1]:1", False),
    ],
)
def test_only_http_to_another_machine_is_cleartext(url: str, *, cleartext: bool) -> None:
    assert is_cleartext(url) == cleartext


def test_sites_are_added_and_removed() -> None:
    registry = Registry()
    assert registry.next_location_id() == 1
    registry = registry.with_site(ALPHA)
    assert registry.next_location_id() == 2
    changed: dict[str, Any] = {"location_id": 5, "url": "https://b", "token_file": "b"}
    registry = registry.with_site(Site("beta", **changed))
    assert registry.next_location_id() == 6
    with pytest.raises(ConfigError, match="the same name: beta"):
        registry.with_site(Site("beta", **{**changed, "location_id": 9}))
    assert [site.name for site in registry.without_site("alpha").sites] == ["beta"]
    with pytest.raises(ConfigError, match="there is no site gamma; known sites: alpha, beta"):
        registry.without_site("gamma")

"""What each release of Watcher accepts."""

import pytest

from chrysaetos.migrate.watcher_releases import OWN_OPTIONS, release_of
from chrysaetos.watcher import options


@pytest.mark.parametrize("number", [14, 15, 16, 17, 18])
def test_the_default_is_accepted(number):
    release = release_of(number)
    assert release.name == f"Watcher {number}"
    assert release.default is not None
    assert set(release.default) <= set(release.datasources)
    assert not {"prometheus", "aetos"} <= set(release.default)
    assert ("aetos" in release.datasources) is ("aetos_client" in release.options) is (number >= 15)
    assert release.reads_nova_section is (number >= 16)


def test_an_unknown_release_accepts_the_names_of_all():
    unknown = release_of(None)
    assert unknown.default is None
    assert all(set(release_of(number).datasources) <= set(unknown.datasources) for number in (14, 15, 16, 17))


def test_options_of_the_plugin_exist():
    assert {group: {option.dest for option in found} for group, found in options.list_opts()} == OWN_OPTIONS
    assert release_of(17).exists("aetos_client", "max_series")
    assert not release_of(17).exists("aetos_client", "endpoint_type")

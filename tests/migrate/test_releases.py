"""Which release is installed."""

import pytest

from chrysaetos.migrate import releases
from chrysaetos.migrate.releases import installed_release


def test_one_that_is_not_installed_has_none():
    assert installed_release("no-such-distribution-anywhere") is None


@pytest.mark.parametrize(("version", "release"), [("17.0.0", 17), ("15.1.0.dev3", 15), ("0+unknown", None)])
def test_the_first_number_counts(monkeypatch, version, release):
    monkeypatch.setattr(releases.metadata, "version", lambda _: version)
    assert installed_release("python-watcher") == release

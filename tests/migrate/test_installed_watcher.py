"""Datasources and options of an installed Watcher. The end-to-end tests use real ones."""

import json
import subprocess
from importlib import metadata

import pytest

from chrysaetos.migrate import installed_watcher
from chrysaetos.migrate.installed_watcher import installed_release
from chrysaetos.migrate.watcher_releases import release_of

FOUND = {"datasources": ["aetos", "tsdb"], "default": ["tsdb"], "options": {"aetos_client": ["interface"]}}


@pytest.fixture
def installed(monkeypatch):
    """Return a function that sets the installed version, and what the interpreter prints."""

    def install(version, printed=b"", error=None):
        def run(command, **_):
            if error:
                raise error
            return subprocess.CompletedProcess(command, 0, printed, b"")

        installed_watcher._read.cache_clear()
        monkeypatch.setattr(metadata, "version", lambda _: version)
        monkeypatch.setattr(subprocess, "run", run)

    yield install
    installed_watcher._read.cache_clear()


def test_the_release_is_read_from_watcher(installed):
    installed("18.0.0.dev3", b"a warning\n" + json.dumps(FOUND).encode())
    found = installed_release()
    assert found is not None
    assert (found.number, found.datasources, found.default) == (18, ("aetos", "tsdb"), ("tsdb",))
    assert found.options["aetos_client"] == {"interface"}
    assert found.options["prometheus_client"] == frozenset()


@pytest.mark.parametrize(
    ("printed", "error"),
    [
        (b"", None),
        (b"{}\n", None),
        (b"no JSON\n", None),
        (b"", OSError("no fork")),
        (b"", subprocess.TimeoutExpired("python", 60)),
        (b"", subprocess.CalledProcessError(1, "python")),
    ],
)
def test_a_watcher_that_cannot_be_imported_has_what_its_major_version_has(installed, printed, error):
    installed("15.0.0", printed, error)
    assert installed_release() == release_of(15)


def test_no_watcher_is_installed(monkeypatch, installed):
    installed("unknown")
    assert installed_release() is None

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert installed_release() is None

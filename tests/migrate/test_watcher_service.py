"""Watcher as a service to migrate: its checks and endpoints."""

from argparse import Namespace
from importlib import metadata

import pytest

from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.layers import Layers
from chrysaetos.migrate.services import Loaded
from chrysaetos.migrate.watcher_service import WatcherService


def layers(text):
    return Layers([ConfFile("f", text.encode())], {})


def preflight(release, installed, monkeypatch):
    def version(name):
        assert name == "python-watcher"
        if installed is None:
            raise metadata.PackageNotFoundError
        return installed

    monkeypatch.setattr(metadata, "version", version)
    arguments = Namespace(release=release, offline=True)
    now = layers("[watcher_datasources]\ndatasources=aetos\n")
    service = WatcherService()
    found = service.preflight(Loaded(now, {}), service.plan(now, arguments), arguments)
    return next(finding for finding in found if finding.check == "release")


@pytest.mark.parametrize(
    ("release", "installed", "status"),
    [
        (None, "17.0.0", "ok"),
        (None, "15.1.0.dev3", "ok"),
        (None, "14.0.0", "failed"),
        (None, "0+unknown", "warning"),
        (15, None, "ok"),
        (14, "17.0.0", "failed"),
        (None, None, "warning"),
    ],
)
def test_the_release_is_given_or_that_of_the_installed_package(release, installed, status, monkeypatch):
    found = preflight(release, installed, monkeypatch)
    assert found.status == status
    assert bool(found.remedy) is (status != "ok")


def verified(text, release):
    found = layers(text)
    arguments = Namespace(release=release, audit=False)
    return [(f.check, f.status) for f in WatcherService().verify(Loaded(found, {}), arguments)]


@pytest.mark.parametrize(
    ("release", "names"), [(17, "gnocchi,monasca,grafana,aetos"), (16, "Aetos"), (14, "aetos")]
)
def test_verify_fails_if_the_release_does_not_accept_the_list(release, names):
    text = f"[watcher_datasources]\ndatasources = {names}\n"
    assert verified(text, release) == [("datasources", "failed")]

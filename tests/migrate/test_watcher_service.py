"""Watcher as a service to migrate: its checks and endpoints."""

from argparse import Namespace
from importlib import metadata

import pytest
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token

from chrysaetos.migrate import watcher_service
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


@pytest.mark.parametrize(
    ("text", "interface", "region"),
    [
        ("[a]\n", "public", None),
        ("[nova_client]\nendpoint_type = internalURL\nregion_name = two\n", "internalURL", "two"),
        ("[nova]\nvalid_interfaces = admin,public\nregion_name = one\n", "admin", "one"),
        (
            "[nova]\nvalid_interfaces = admin\n[nova_client]\nendpoint_type = public\nregion_name = two\n",
            "admin",
            "two",
        ),
    ],
)
def test_the_endpoint_of_nova_is_that_of_watcher(text, interface, region):
    nova = watcher_service._nova(Session(auth=Token("http://127.0.0.1:1", "t")), layers(text))
    assert nova._filter == {"service_type": "compute", "interface": interface, "region_name": region}

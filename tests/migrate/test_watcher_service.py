"""Watcher for the command: what it looks at, and with which endpoint."""

from argparse import Namespace

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
    monkeypatch.setattr(
        watcher_service, "installed_release", lambda name: {"python-watcher": installed}[name]
    )
    arguments = Namespace(release=release, offline=True)
    now = layers("[watcher_datasources]\ndatasources=aetos\n")
    service = WatcherService()
    found = service.preflight(Loaded(now, {}), service.plan(now, arguments), arguments)
    return next(finding for finding in found if finding.check == "release")


@pytest.mark.parametrize(
    ("release", "installed", "status"),
    [(None, 17, "ok"), (None, 14, "failed"), (15, None, "ok"), (14, 17, "failed"), (None, None, "warning")],
)
def test_the_release_is_the_one_given_or_installed(release, installed, status, monkeypatch):
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
def test_nova_is_found_as_watcher_finds_it(text, interface, region):
    nova = watcher_service._nova(Session(auth=Token("http://127.0.0.1:1", "t")), layers(text))
    assert nova._filter == {"service_type": "compute", "interface": interface, "region_name": region}

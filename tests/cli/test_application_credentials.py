from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from tests.fakes.json_server import JsonHandler, JsonServer

from chrysaetos.cli.application_credentials import ApplicationCredentials, Credential, least_first

if TYPE_CHECKING:
    import pytest


def test_roles_of_the_cloud_s_own_come_between_reader_and_member():
    roles = ["admin", "member", "metrics-reader", "service", "reader", "manager"]
    assert least_first(roles) == ["reader", "metrics-reader", "member", "manager", "service", "admin"]


def test_the_secret_is_not_shown():
    assert "hidden" not in repr(Credential("id", "hidden"))


class Creating(JsonHandler):
    """Keystone, which creates application credentials."""

    def do_POST(self) -> None:  # noqa: N802  # the base class' name
        self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(201, {"application_credential": {"id": "id", "secret": "hidden"}})


def test_the_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with JsonServer(Creating) as keystone:
        session = Session(auth=Token(f"{keystone.root_url}/v3", "token"))
        with contextlib.closing(session.session):
            created = ApplicationCredentials(session, "u").create("grafana", "reader")
    assert created == Credential("id", "hidden")
    assert "POST /v3/users/u/application_credentials" in caplog.text
    assert "hidden" not in caplog.text

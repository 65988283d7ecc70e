"""What needs no Keystone; ``tests/e2e/test_grafana_command.py`` has the rest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chrysaetos.cli.application_credentials import Credential
from chrysaetos.cli.errors import CommandFailed
from chrysaetos.cli.grafana_login import Login


def login(*, verify: Any = True, **access: Any) -> Login:
    """A login of openstackclient, whose client manager has a session."""
    known = {"project_id": "p", "project_name": "web", "user_id": "u", "username": "alice"}
    auth_ref = SimpleNamespace(**{**known, "role_names": ["member", "reader"], **access})
    session = SimpleNamespace(verify=verify, cert=None, auth=None)
    return Login(
        SimpleNamespace(auth_ref=auth_ref, session=session), "http://127.0.0.1:1", all_projects=False
    )


def test_a_token_without_a_project():
    with pytest.raises(CommandFailed, match="set OS_PROJECT_NAME"):
        login(project_id=None)
    with pytest.raises(CommandFailed, match="set OS_PROJECT_NAME"):
        Login(SimpleNamespace(auth_ref=None), "http://127.0.0.1:1", all_projects=False)


def test_the_announcement_names_the_least_role_first():
    assert login().announcement.endswith("the first of these roles that is sufficient: reader, member")


def test_the_certificates_of_the_login(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("PEM")
    assert (login(verify=str(file)).ca, login(verify=str(file)).verify) == ("PEM", True)
    assert (login().ca, login().verify) == (None, True)
    assert (login(verify=False).ca, login(verify=False).verify) == (None, False)
    with pytest.raises(CommandFailed, match="cannot be read"):
        _ = login(verify=str(tmp_path / "missing")).ca


class Undeletable:
    """Application credentials that Keystone creates and does not delete."""

    def create(self, *_: str) -> Credential:
        return Credential("id-1", "hidden")

    def delete(self, credential: Credential) -> None:
        raise CommandFailed(f"Keystone does not delete {credential.id}")


def test_a_credential_that_cannot_be_deleted_is_named_after_the_cause():
    mine: Any = login()
    mine._credentials = Undeletable()
    mine._gives_access = lambda _: True
    with (
        pytest.raises(CommandFailed, match=r"^the disk is full\nKeystone does not delete id-1$"),
        mine.provided(None),
    ):
        raise OSError("the disk is full")


def test_a_known_credential_is_kept_if_a_step_fails():
    mine: Any = login()
    mine._credentials = Undeletable()
    known = Credential("id-2", "hidden")
    with pytest.raises(OSError, match="id-2"), mine.provided(known) as credential:
        raise OSError(credential.id)

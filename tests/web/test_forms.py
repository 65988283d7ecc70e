"""What the page sends."""

from typing import Any

import pytest

from chrysaetos.errors import BadRequest
from chrysaetos.identity.login import Login
from chrysaetos.web.forms import new_credential, project_id, read_login, websso_token

PASSWORD: dict[str, Any] = {"method": "password", "user": "alice", "domain": "Default", "password": "s3cret"}
CREDENTIAL: dict[str, Any] = {"method": "application_credential", "id": "0a1b", "secret": "s3cret"}


def test_a_login_is_read():
    assert read_login(PASSWORD) == Login(user=("alice", "Default"), secret="s3cret")
    scoped = Login(user=("alice", "Default"), secret="s3cret", project=("demo", "Default"))
    assert read_login(PASSWORD | {"project": {"name": "demo", "domain": "Default"}}) == scoped
    assert read_login(PASSWORD | {"project": None}) == read_login(PASSWORD)
    assert read_login(CREDENTIAL) == Login(credential_id="0a1b", secret="s3cret")
    for login in (read_login(PASSWORD), read_login(CREDENTIAL)):
        assert "s3cret" not in repr(login)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"method": "token"},
        {"method": ["password"]},
        *(
            PASSWORD | {name: value}
            for name in ("user", "domain", "password")
            for value in ("", None, 1, "x" * 1025)
        ),
        PASSWORD | {"user": "\ud800"},
        PASSWORD | {"project": "demo"},
        PASSWORD | {"project": {"name": "demo"}},
        CREDENTIAL | {"id": "a/b"},
        CREDENTIAL | {"id": None},
        CREDENTIAL | {"secret": 5},
    ],
)
def test_an_invalid_login_is_refused(body):
    with pytest.raises(BadRequest) as caught:
        read_login(body)
    assert "s3cret" not in str(caught.value)


def test_a_project_is_an_id():
    assert project_id({"id": "0a1b"}) == "0a1b"
    for value in (None, "", "a b", "../x", 1, "x" * 65):
        with pytest.raises(BadRequest):
            project_id({"id": value})


def test_a_new_credential_has_a_name_and_perhaps_an_expiry():
    assert new_credential({"name": "grafana"}) == ("grafana", None)
    assert new_credential({"name": "g", "expires_at": 0}) == ("g", "1970-01-01T00:00:00.000000")
    times: tuple[Any, ...] = ("soon", 1e300, [], {})
    for each in times:
        with pytest.raises(BadRequest, match="expires_at"):
            new_credential({"name": "g", "expires_at": each})
    for name in ("", "x" * 256):
        with pytest.raises(BadRequest, match="name"):
            new_credential({"name": name})


def test_the_token_of_a_websso_form_is_read():
    assert websso_token(b"token=gAAAA-x") == "gAAAA-x"
    for form in (
        b"",
        b"token=",
        b"token=a&token=b",
        b"token=a%20b",
        b"token=%0d%0a",
        b"other=a",
        b"a=b&" * 20,
    ):
        with pytest.raises(BadRequest):
            websso_token(form)

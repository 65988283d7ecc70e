"""Sealed cookies."""

import base64
from typing import Any

import pytest
from cryptography.fernet import Fernet

from chrysaetos.errors import ConfigError, Forbidden
from chrysaetos.web.sessions import MAX_SEALED, Named, Sealer, Session, new_id, new_key, read_keys

NOW = 1_000_000.0


def session(**changes):
    values: dict[str, Any] = {
        "token": "gAAAA-token",
        "expires_at": NOW + 60,
        "kind": "password",
        "user": Named("u1", "alice", "Default"),
        "project": Named("p1", "demo", "Default"),
        "domains": (("default", "Default"), ("default", "Default")),
        "roles": ("member", "reader"),
        "id": new_id(),
    }
    return Session(**(values | changes))


def test_a_sealed_session_is_opened_until_its_token_expires():
    sealer, made = Sealer([new_key()]), session()
    sealed = sealer.seal_session(made)
    assert sealer.open_session(sealed, NOW) == made
    assert sealer.open_session(sealed, NOW + 60) is None


def test_the_page_gets_neither_the_token_nor_the_id():
    made = session()
    shown = str(made.public())
    assert made.token not in shown
    assert made.id not in shown
    assert made.token not in repr(made)
    assert made.id not in repr(made)


def test_an_altered_cookie_is_not_opened():
    sealer = Sealer([new_key()])
    sealed = sealer.seal_session(session())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    raw = base64.urlsafe_b64decode(sealed)
    for index in range(len(sealed)):
        for other in {alphabet[(alphabet.find(sealed[index]) + step) % 64] for step in (1, 32)} - {
            sealed[index]
        }:
            altered = sealed[:index] + other + sealed[index + 1 :]
            # The last character has bits that mean nothing.
            if base64.urlsafe_b64decode(altered + "=" * (-len(altered) % 4)) != raw:
                assert sealer.open_session(altered, NOW) is None
    for length in range(0, len(sealed), 7):
        assert sealer.open_session(sealed[:length], NOW) is None
    for other in ("", "é", "gAAAAA==", "\ud800", sealed * 20):
        assert sealer.open_session(other, NOW) is None


def test_a_cookie_for_another_purpose_is_not_a_session():
    sealer = Sealer([new_key()])
    assert sealer.open_session(sealer.seal("browser", new_id()), NOW) is None
    assert sealer.open("browser", sealer.seal_session(session())) is None
    assert sealer.open("browser", sealer.seal("browser", "x")) == "x"


def test_keys_are_rotated_without_logging_anybody_out():
    old, new, made = new_key(), new_key(), session()
    sealer = Sealer([old])
    sealed, csrf = sealer.seal_session(made), sealer.csrf_token(made.id)
    sealer.replace_keys([new, old])
    assert sealer.open_session(sealed, NOW) == made
    assert sealer.is_csrf_token(made.id, csrf)
    assert sealer.csrf_token(made.id) != csrf
    sealer.replace_keys([new])
    assert sealer.open_session(sealed, NOW) is None
    assert not sealer.is_csrf_token(made.id, csrf)


def test_a_csrf_token_belongs_to_one_id():
    sealer, made = Sealer([new_key()]), session()
    token = sealer.csrf_token(made.id)
    assert sealer.is_csrf_token(made.id, token)
    for other in ("", token[:-1], f"{token} ", "é", sealer.csrf_token(new_id())):
        assert not sealer.is_csrf_token(made.id, other)


def test_a_session_that_is_too_large_for_a_cookie_is_refused():
    sealer = Sealer([new_key()])
    assert len(sealer.seal_session(session(token="t" * 2000))) <= MAX_SEALED
    with pytest.raises(Forbidden, match="too large for a browser's cookie"):
        sealer.seal_session(session(token="t" * 3000))


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def test_keys_are_read_from_a_file(tmp_path):
    first, second = base64.b64encode(b"\xff" * 32).decode(), Fernet.generate_key().decode()
    keys = read_keys(write(tmp_path / "keys", f"# new\n{first}\n\n  {second} \n"))
    assert keys == (b"\xff" * 32, base64.urlsafe_b64decode(second))


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ("", 0o600, "there is no key in"),
        ("# nothing\n", 0o600, "there is no key in"),
        ("hello\n", 0o600, "line 1 of .* is not a key: write one with openssl rand -base64 32"),
        (f"{'A' * 43}=\nAAAA\n", 0o600, "line 2 of .* is not a key"),
        ("é\n", 0o600, "cannot be read"),
        (f"{'A' * 43}=\n", 0o604, "everybody may access .*: chmod o= "),
    ],
)
def test_an_invalid_key_file_is_an_error_that_says_what_to_do(tmp_path, text, mode, expected):
    with pytest.raises(ConfigError, match=rf"\[web\] session_key_file: .*{expected}|{expected}"):
        read_keys(write(tmp_path / "keys", text, mode))


def test_a_missing_key_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"\[web\] session_key_file"):
        read_keys(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"\[web\] session_key_file"):
        read_keys(tmp_path)

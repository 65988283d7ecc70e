"""``chrysaetos federate token``."""

import json
import stat

import pytest
from tests.support.commands import call_main

from chrysaetos.cli.main import main
from chrysaetos.errors import ConfigError
from chrysaetos.federation import token_command
from chrysaetos.federation.token_command import parse_lifetime
from chrysaetos.portals.tokens import hash_token, read_tokens

NOW = 1_700_000_000.0
ALLOW = '{job="project_usages"}'


class Commands:
    """Runs the command at a time that the test sets."""

    def __init__(self, file, capsys, monkeypatch):
        self.file = file
        self.now = NOW
        self._capsys = capsys
        monkeypatch.setattr(token_command, "time", self)

    def time(self):
        return self.now

    def __call__(self, *arguments, status=0):
        """Run the command and return its output."""
        done = call_main(main, ["federate", "token", *arguments, "--tokens", str(self.file)], self._capsys)
        assert done.status == status, done.err
        return done

    def new(self, name="portal", expires="90d", allow=(ALLOW,)):
        words = [word for selector in allow for word in ("--allow", selector)]
        return self("new", name, *words, "--expires", expires).out.strip()

    @property
    def tokens(self):
        return read_tokens(self.file)


@pytest.fixture
def token(tmp_path, capsys, monkeypatch):
    return Commands(tmp_path / "tokens.json", capsys, monkeypatch)


def test_the_directory_of_the_first_token_is_created(token, tmp_path):
    token.file = tmp_path / "etc" / "chrysaetos" / "tokens.json"
    assert (
        f"created the directory {token.file.parent}"
        in token("new", "a", "--allow", ALLOW, "--expires", "1d").err
    )
    assert "created" not in token("new", "b", "--allow", ALLOW, "--expires", "1d").err
    assert [kept.name for kept in token.tokens] == ["a", "b"]
    (tmp_path / "file").touch()
    token.file = tmp_path / "file" / "etc" / "tokens.json"
    assert "cannot be created" in token("new", "a", "--allow", ALLOW, "--expires", "1d", status=1).err
    token.file = tmp_path / "none" / "tokens.json"
    assert "cannot be written" in token("revoke", "a", status=1).err
    assert not token.file.parent.exists()


def test_a_directory_that_cannot_be_created_is_an_error(token, tmp_path):
    # Unlike a directory without permissions, this is an error for root as well.
    token.file = tmp_path / ("x" * 300) / "tokens.json"
    done = token("new", "portal", "--allow", ALLOW, "--expires", "90d", status=1)
    assert "cannot be created: File name too long" in done.err


def test_a_new_token_is_printed_once_and_stored_as_a_hash(token):
    shown = token("new", "portal", "--allow", ALLOW, "--allow", "up", "--expires", "90d")
    secret = shown.out.strip()
    assert shown.out == f"{secret}\n"
    assert secret not in shown.err
    assert "expires 2024-02-12T22:13:20Z" in shown.err
    (kept,) = token.tokens
    assert (kept.name, kept.sha256) == ("portal", hash_token(secret.encode()))
    assert (kept.created, kept.expires) == (NOW, NOW + 90 * 86400)
    assert kept.policy.selectors == (ALLOW, "up")
    assert secret not in token.file.read_text()
    assert stat.S_IMODE(token.file.stat().st_mode) == 0o600


def test_a_name_is_rejected_while_its_token_is_valid(token):
    token.new(expires="1h")
    assert (
        "a token portal already exists"
        in token("new", "portal", "--allow", "up", "--expires", "1h", status=1).err
    )
    token.new("other", expires="never")
    token.now += 3600
    token.new()
    assert [stored.name for stored in token.tokens] == ["portal", "other", "portal"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a b", "--allow", "up", "--expires", "1d"), "not a valid token name"),
        (("a", "--allow", "sum(up)", "--expires", "1d"), "policy is invalid"),
        (("a", "--allow", "{}", "--expires", "1d"), "selects every series"),
        (("a", "--allow", "up", "--expires", "soon"), "not a duration"),
        (("a", "--allow", "up", "--expires", "0d"), "not a duration"),
    ],
)
def test_an_invalid_argument_generates_no_token(token, arguments, message):
    shown = token("new", *arguments, status=1)
    assert message in shown.err
    assert shown.err.startswith("chrysaetos federate token: ")
    assert shown.printed == ""
    assert not token.file.exists()


@pytest.mark.parametrize("arguments", [("new", "a", "--expires", "1d"), ("new", "a", "--allow", "up"), ()])
def test_allow_and_expires_are_required(token, arguments):
    assert "usage: " in token(*arguments, status=2).err


def test_the_list_contains_everything_but_secrets(token):
    secret = token.new("a", "1h")
    token.new("b", "never", ("up", "down"))
    token.now += 3600
    shown = token("list").out
    assert shown == (
        f"expired a  expires 2023-11-14T23:13:20Z  {ALLOW}\nvalid   b  does not expire  up  down\n"
    )
    listed = json.loads(token("list", "--json").out)
    assert listed[1] == {
        "name": "b",
        "allow": ["up", "down"],
        "created": "2023-11-14T22:13:20Z",
        "expires": None,
        "valid": True,
    }
    assert [entry["valid"] for entry in listed] == [False, True]
    assert hash_token(secret.encode()) not in json.dumps(listed)


def test_revoke_removes_all_tokens_of_a_name(token):
    token.new("a")
    token.new("b")
    token("rotate", "a")
    assert token("revoke", "a").err == "revoked: 2 valid tokens of a\n"
    assert [stored.name for stored in token.tokens] == ["b"]
    assert token("revoke", "b").err == "revoked: 1 valid token of b\n"
    assert token.tokens == ()
    assert "there is no token a" in token("revoke", "a", status=1).err


def test_a_rotated_token_stays_valid_during_the_grace_period(token):
    old = token.new(expires="90d", allow=(ALLOW, "up"))
    token.now += 80 * 86400
    new = token("rotate", "portal").out.strip()
    before, after = token.tokens
    assert (before.sha256, after.sha256) == (hash_token(old.encode()), hash_token(new.encode()))
    assert before.expires == token.now + 86400
    assert after.expires == token.now + 90 * 86400
    assert after.policy.selectors == (ALLOW, "up")


@pytest.mark.parametrize(
    ("arguments", "old", "new"),
    [
        (("--grace", "1h"), 3600, None),
        (("--grace", "1h", "--expires", "2w"), 3600, 14 * 86400),
        (("--grace", "never"), None, None),
        (("--expires", "never"), 86400, None),
    ],
)
def test_rotate_takes_grace_and_expires(token, arguments, old, new):
    token.new(expires="never")
    token("rotate", "portal", *arguments)
    lifetimes = [None if stored.expires is None else stored.expires - NOW for stored in token.tokens]
    assert lifetimes == [old, new]


def test_the_grace_period_does_not_prolong_a_token(token):
    token.new(expires="1h")
    token("rotate", "portal", "--grace", "1d")
    assert token.tokens[0].expires == NOW + 3600


def test_rotate_removes_expired_tokens_and_requires_a_token(token):
    token.new(expires="1h")
    token.now += 7200
    token("rotate", "portal")
    assert [stored.expires for stored in token.tokens] == [token.now + 3600]
    assert "there is no token other" in token("rotate", "other", status=1).err


@pytest.mark.parametrize("arguments", [("list",), ("revoke", "a"), ("rotate", "a")])
def test_a_missing_file_is_an_error(token, arguments):
    assert "cannot be read" in token(*arguments, status=1).err


def test_a_file_with_unsafe_permissions_is_not_changed(token):
    token.new()
    token.file.chmod(0o644)
    before = token.file.read_bytes()
    assert "has unsafe permissions" in token("revoke", "portal", status=1).err
    assert token.file.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("12h", 43200),
        ("90d", 7776000),
        ("2w", 1209600),
        ("1y", 31536000),
        ("1d12h", 129600),
    ],
)
def test_lifetimes_are_durations(text, seconds):
    assert parse_lifetime(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "1", "-1d", "1.5d", "1 d", "1D", "\u0661d", "9999999d"])
def test_invalid_lifetimes_are_rejected(text):
    with pytest.raises(ConfigError):
        parse_lifetime(text)


def test_never_is_no_lifetime():
    assert parse_lifetime("never") is None

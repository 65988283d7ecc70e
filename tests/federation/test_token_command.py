"""``chrysaetos federate token``."""

import json
import stat

import pytest
from tests.support.commands import call_main

from chrysaetos.cli.main import main
from chrysaetos.errors import ConfigError
from chrysaetos.federation import token_command
from chrysaetos.federation.token_command import parse_span
from chrysaetos.portals.tokens import digest, read_tokens

NOW = 1_700_000_000.0
ALLOW = '{job="project_usages"}'


class Commands:
    """The command, at a time that a test says."""

    def __init__(self, file, capsys, monkeypatch):
        self.file = file
        self.now = NOW
        self._capsys = capsys
        monkeypatch.setattr(token_command, "time", self)

    def time(self):
        return self.now

    def __call__(self, *arguments, status=0):
        """What it prints, to the output and to the errors."""
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


def test_a_new_token_is_shown_once_and_kept_as_a_hash(token):
    shown = token("new", "portal", "--allow", ALLOW, "--allow", "up", "--expires", "90d")
    secret = shown.out.strip()
    assert shown.out == f"{secret}\n"
    assert secret not in shown.err
    assert "until 2024-02-12T22:13:20Z" in shown.err
    (kept,) = token.tokens
    assert (kept.name, kept.sha256) == ("portal", digest(secret.encode()))
    assert (kept.created, kept.expires) == (NOW, NOW + 90 * 86400)
    assert kept.policy.selectors == (ALLOW, "up")
    assert secret not in token.file.read_text()
    assert stat.S_IMODE(token.file.stat().st_mode) == 0o600


def test_names_are_taken_while_a_token_is_valid(token):
    token.new(expires="1h")
    assert (
        "there is a token portal" in token("new", "portal", "--allow", "up", "--expires", "1h", status=1).err
    )
    token.new("other", expires="never")
    token.now += 3600
    token.new()
    assert [one.name for one in token.tokens] == ["portal", "other", "portal"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a b", "--allow", "up", "--expires", "1d"), "no name for a token"),
        (("a", "--allow", "sum(up)", "--expires", "1d"), "not a selector"),
        (("a", "--allow", "{}", "--expires", "1d"), "would be everything"),
        (("a", "--allow", "up", "--expires", "soon"), "not a span of time"),
        (("a", "--allow", "up", "--expires", "0d"), "not a span of time"),
    ],
)
def test_a_mistake_makes_no_token(token, arguments, message):
    shown = token("new", *arguments, status=1)
    assert message in shown.err
    assert shown.err.startswith("chrysaetos federate token: ")
    assert shown.printed == ""
    assert not token.file.exists()


@pytest.mark.parametrize("arguments", [("new", "a", "--expires", "1d"), ("new", "a", "--allow", "up"), ()])
def test_what_a_token_may_see_and_how_long_has_to_be_said(token, arguments):
    assert "usage: " in token(*arguments, status=2).err


def test_the_list_shows_everything_but_secrets(token):
    secret = token.new("a", "1h")
    token.new("b", "never", ("up", "down"))
    token.now += 3600
    shown = token("list").out
    assert shown == (f"ended  a  until 2023-11-14T23:13:20Z  {ALLOW}\nvalid  b  without an end  up  down\n")
    listed = json.loads(token("list", "--json").out)
    assert listed[1] == {
        "name": "b",
        "allow": ["up", "down"],
        "created": "2023-11-14T22:13:20Z",
        "expires": None,
        "valid": True,
    }
    assert [one["valid"] for one in listed] == [False, True]
    assert digest(secret.encode()) not in json.dumps(listed)


def test_a_name_is_revoked_with_all_its_tokens(token):
    token.new("a")
    token.new("b")
    token("rotate", "a")
    assert token("revoke", "a").err == "revoked: 2 valid tokens of a\n"
    assert [one.name for one in token.tokens] == ["b"]
    assert token("revoke", "b").err == "revoked: 1 valid token of b\n"
    assert token.tokens == ()
    assert "there is no token a" in token("revoke", "a", status=1).err


def test_a_rotated_token_stays_for_a_while_beside_the_new_one(token):
    old = token.new(expires="90d", allow=(ALLOW, "up"))
    token.now += 80 * 86400
    new = token("rotate", "portal").out.strip()
    before, after = token.tokens
    assert (before.sha256, after.sha256) == (digest(old.encode()), digest(new.encode()))
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
def test_how_long_both_are_good_can_be_said(token, arguments, old, new):
    token.new(expires="never")
    token("rotate", "portal", *arguments)
    ends = [None if one.expires is None else one.expires - NOW for one in token.tokens]
    assert ends == [old, new]


def test_a_token_that_ends_sooner_is_not_made_to_last(token):
    token.new(expires="1h")
    token("rotate", "portal", "--grace", "1d")
    assert token.tokens[0].expires == NOW + 3600


def test_rotating_drops_what_is_over_and_needs_something_to_rotate(token):
    token.new(expires="1h")
    token.now += 7200
    token("rotate", "portal")
    assert [one.expires for one in token.tokens] == [token.now + 3600]
    assert "there is no token other" in token("rotate", "other", status=1).err


@pytest.mark.parametrize("arguments", [("list",), ("revoke", "a"), ("rotate", "a")])
def test_without_a_file_there_is_nothing_to_do(token, arguments):
    assert "cannot be read" in token(*arguments, status=1).err


def test_a_file_that_is_open_to_others_is_not_changed(token):
    token.new()
    token.file.chmod(0o644)
    before = token.file.read_bytes()
    assert "is open to others" in token("revoke", "portal", status=1).err
    assert token.file.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("12h", 43200), ("90d", 7776000), ("2w", 1209600), ("1y", 31536000)],
)
def test_spans(text, seconds):
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "1", "-1d", "1.5d", "1 d", "1D", "\u0661d", "9999999d"])
def test_other_texts_are_no_spans(text):
    with pytest.raises(ConfigError):
        parse_span(text)


def test_never_is_no_span():
    assert parse_span("never") is None

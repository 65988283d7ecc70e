"""Tokens: how they are made, kept, found, and read again."""

import hashlib
import hmac
import json
import logging
import math
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.portals import tokens as tokens_module
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import (
    PREFIX,
    Token,
    TokenFile,
    changing,
    digest,
    new_token,
    read_tokens,
    write_tokens,
)

POLICY = Policy(('{job="x"}',))


class Clock:
    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


def made(name="portal", *, now=0.0, expires=None):
    return new_token(name, POLICY, now=now, expires=expires)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tokens.json"


def test_a_token_is_random_and_only_its_hash_is_kept(file):
    secret, token = made()
    assert secret.startswith(PREFIX)
    assert len(secret) == len(PREFIX) + 43  # 256 bits
    assert secret != made()[0]
    assert token.sha256 == hashlib.sha256(secret.encode()).hexdigest() == digest(secret.encode())
    write_tokens(file, [token])
    assert secret not in file.read_text()
    assert secret.removeprefix(PREFIX) not in repr(token)


def test_what_is_written_is_read(file):
    tokens = (made("a", now=1.0)[1], made("b-1.x_y", now=2.5, expires=99.5)[1])
    write_tokens(file, tokens)
    read = read_tokens(file)
    assert [(one.name, one.sha256, one.created, one.expires) for one in read] == [
        (one.name, one.sha256, one.created, one.expires) for one in tokens
    ]
    assert [one.policy.selectors for one in read] == [POLICY.selectors] * 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "ü", "a" * 65, 'a"', "a\n"])
def test_a_name_is_plain(name):
    with pytest.raises(ConfigError, match="no name for a token"):
        made(name)


def test_a_token_ends():
    token = made(expires=10.0)[1]
    assert token.valid(9.9)
    assert not token.valid(10.0)
    assert made()[1].valid(math.inf)
    assert token.ending(5.0).expires == 5.0
    assert token.ending(50.0).expires == 10.0
    assert made()[1].ending(7.0).expires == 7.0


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o620, 0o660, 0o666, 0o777])
def test_a_file_that_others_may_read_or_write_is_not_used(file, mode):
    write_tokens(file, [made()[1]])
    file.chmod(mode)
    with pytest.raises(ConfigError, match=r"is open to others \(-.* chmod 0640"):
        read_tokens(file)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_file_that_its_group_may_read_is_used(file, mode):
    write_tokens(file, [made()[1]])
    file.chmod(mode)
    assert read_tokens(file)


def entry(**changes):
    known = {"name": "a", "sha256": "0" * 64, "allow": ["up"], "created": 1, "expires": None}
    return {**known, **changes}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        "{",
        b"\xff",
        "{}",
        '{"version": 1}',
        '{"version": 2, "tokens": []}',
        '{"version": 1, "tokens": {}}',
        '{"version": 1, "tokens": 5}',
        '{"version": 1, "tokens": [5]}',
        *(
            json.dumps({"version": 1, "tokens": [one]})
            for one in (
                {},
                entry(more=1),
                entry(name=""),
                entry(name=5),
                entry(sha256=""),
                entry(sha256="0" * 63),
                entry(sha256="G" * 64),
                entry(sha256=None),
                entry(allow=[]),
                entry(allow="up"),
                entry(allow=["{}"]),
                entry(allow=["a b"]),
                entry(allow=[5]),
                entry(allow=None),
                entry(created="x"),
                entry(created=None),
                entry(expires="soon"),
                entry(expires=[]),
                entry(expires=math.nan),
                entry(expires=True),
            )
        ),
    ],
)
def test_a_damaged_file_is_refused(file, content):
    file.touch(0o600)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=r"token file .*tokens\.json (is damaged|cannot be read)"):
        read_tokens(file)


def test_a_file_that_is_not_there_is_refused(file):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tokens(file)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_tokens(file / "x" / "y", [])


def test_a_file_keeps_its_mode_and_is_followed_where_it_is_linked(file, tmp_path):
    write_tokens(file, [made()[1]])
    file.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(file)
    write_tokens(link, [])
    assert link.is_symlink()
    assert read_tokens(file) == ()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "tokens.json"]


WRITER = """
import sys
from pathlib import Path
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import new_token, write_tokens
path = Path(sys.argv[1])
number = 0
print("ready", flush=True)
while True:
    number += 1
    token = new_token("t", Policy(("up",)), now=0.0, expires=None)[1]
    write_tokens(path, [token] * (number % 50 + 1))
"""


def test_a_writer_that_is_killed_leaves_a_whole_file(file):
    write_tokens(file, [made()[1]])
    for number in range(8):
        command = [sys.executable, "-c", WRITER, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.02 + number * 0.007)
            writer.send_signal(signal.SIGKILL)
        assert read_tokens(file)


def test_changes_wait_for_each_other(file):
    write_tokens(file, [])

    def add(name):
        for number in range(20):
            with changing(file):
                write_tokens(file, [*read_tokens(file), made(f"{name}{number}")[1]])

    adding = [threading.Thread(target=add, args=(name,)) for name in "abc"]
    for one in adding:
        one.start()
    for one in adding:
        one.join()
    assert len(read_tokens(file)) == 60


def test_a_change_needs_the_folder(file):
    with pytest.raises(ConfigError, match="cannot be written"), changing(file / "x" / "y"):
        pass


# those in force


def test_a_token_is_found_by_what_is_shown_alone(file):
    (first, one), (second, other) = made("a"), made("b")
    write_tokens(file, [one, other])
    known = TokenFile(file, clock=Clock())
    assert known.find(first.encode()).name == "a"
    assert known.find(second.encode()).name == "b"
    for wrong in (b"", b"cft_", first.encode()[:-1], first.encode() + b"x", one.sha256.encode(), b"\xff"):
        assert known.find(wrong) is None


def test_each_hash_is_compared_in_constant_time(file, monkeypatch):
    secrets, tokens = zip(*(made(f"t{number}") for number in range(5)), strict=True)
    write_tokens(file, tokens)
    known = TokenFile(file, clock=Clock())
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(tokens_module, "hmac", Watched)
    for shown in (secrets[0], secrets[2], secrets[4], "cft_unknown"):
        compared.clear()
        known.find(shown.encode())
        assert compared == [(token.sha256, digest(shown.encode())) for token in tokens]


def test_a_token_that_is_over_is_not_found(file):
    clock = Clock()
    secret, token = made(expires=1010.0)
    write_tokens(file, [token])
    known = TokenFile(file, clock=clock)
    assert known.find(secret.encode()) is not None
    clock.now = 1010.0
    assert known.find(secret.encode()) is None


def test_there_has_to_be_a_valid_token_at_the_start(file):
    for tokens in ([], [made(expires=999.0)[1]]):
        write_tokens(file, tokens)
        with pytest.raises(ConfigError, match="has no valid token"):
            TokenFile(file, clock=Clock())


def test_the_file_is_read_again_when_it_has_changed(file):
    clock = Clock()
    first, one = made("a")
    write_tokens(file, [one])
    known = TokenFile(file, clock=clock)
    second, other = made("b")
    write_tokens(file, [other])
    assert known.find(first.encode()) is not None  # it is not looked at more often than once a second
    clock.now += 1.0
    assert known.find(first.encode()) is None
    assert known.find(second.encode()) is not None
    write_tokens(file, [])
    clock.now += 1.0
    assert known.find(second.encode()) is None
    write_tokens(file, [one])
    clock.now += 1.0
    assert known.find(first.encode()) is not None


def test_a_clock_that_is_set_back_does_not_keep_a_revoked_token(file):
    clock = Clock(5000.0)
    secret, token = made()
    write_tokens(file, [token])
    known = TokenFile(file, clock=clock)
    write_tokens(file, [])
    clock.now = 100.0
    assert known.find(secret.encode()) is None


def damaged(file):
    file.write_text("{")


def opened(file):
    file.chmod(0o644)


def removed(file):
    file.unlink()


@pytest.mark.parametrize("break_it", [damaged, opened, removed])
def test_a_change_that_cannot_be_used_is_told_and_changes_nothing(file, caplog, break_it):
    clock = Clock()
    secret, token = made()
    write_tokens(file, [token])
    known = TokenFile(file, clock=clock)
    break_it(file)
    clock.now += 1.0
    with caplog.at_level(logging.ERROR):
        assert known.find(secret.encode()) is not None
    assert "the tokens before stay in force" in caplog.text
    assert known.current is False
    caplog.clear()
    clock.now += 1.0
    assert known.find(secret.encode()) is not None
    assert caplog.text == ""  # once is enough
    file.unlink(missing_ok=True)
    write_tokens(file, [])
    clock.now += 1.0
    assert known.find(secret.encode()) is None
    assert known.current is True


def test_it_is_read_again_at_once_where_it_is_asked_for(file):
    secret, token = made()
    write_tokens(file, [token])
    known = TokenFile(file, clock=Clock())
    before = file.stat()
    write_tokens(file, [])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    known.reload()
    assert known.find(secret.encode()) is None


def test_the_ends_of_names(file):
    tokens = [
        made("a", expires=2000.0)[1],
        made("a", expires=3000.0)[1],
        made("b")[1],
        made("c", expires=1.0)[1],
    ]
    write_tokens(file, tokens)
    assert TokenFile(file, clock=Clock()).ends() == {"a": 3000.0, "b": math.inf, "c": 1.0}


def test_a_kept_hash_is_checked():
    with pytest.raises(ConfigError, match="hash of the token a is not one"):
        Token("a", "0" * 65, POLICY, 0.0, None)

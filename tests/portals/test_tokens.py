"""Tokens: how they are generated, stored, found and reloaded."""

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
from tests.fakes.clock import Clock

from chrysaetos.errors import ConfigError
from chrysaetos.portals import tokens as tokens_module
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import (
    PREFIX,
    Token,
    TokenFile,
    hash_token,
    lock_tokens,
    new_token,
    read_tokens,
    write_tokens,
)

POLICY = Policy(('{job="x"}',))


def make_token(name="portal", *, now=0.0, expires=None):
    return new_token(name, POLICY, now=now, expires=expires)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tokens.json"


def test_tokens_are_random_and_only_hashes_are_stored(file):
    secret, token = make_token()
    assert secret.startswith(PREFIX)
    assert len(secret) == len(PREFIX) + 43  # 256 bits
    assert secret != make_token()[0]
    assert token.sha256 == hashlib.sha256(secret.encode()).hexdigest() == hash_token(secret.encode())
    write_tokens(file, [token])
    assert secret not in file.read_text()
    assert secret.removeprefix(PREFIX) not in repr(token)


def test_tokens_are_read_as_they_were_written(file):
    tokens = (make_token("a", now=1.0)[1], make_token("b-1.x_y", now=2.5, expires=99.5)[1])
    write_tokens(file, tokens)
    read = read_tokens(file)
    assert [(token.name, token.sha256, token.created, token.expires) for token in read] == [
        (token.name, token.sha256, token.created, token.expires) for token in tokens
    ]
    assert [token.policy.selectors for token in read] == [POLICY.selectors] * 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "ü", "a" * 65, 'a"', "a\n"])
def test_invalid_names_are_rejected(name):
    with pytest.raises(ConfigError, match="not a valid token name"):
        make_token(name)


def test_a_token_expires():
    token = make_token(expires=10.0)[1]
    assert token.is_valid(9.9)
    assert not token.is_valid(10.0)
    assert make_token()[1].is_valid(math.inf)
    assert token.expire_by(5.0).expires == 5.0
    assert token.expire_by(50.0).expires == 10.0
    assert make_token()[1].expire_by(7.0).expires == 7.0


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o620, 0o660, 0o666, 0o777])
def test_a_file_with_unsafe_permissions_is_rejected(file, mode):
    write_tokens(file, [make_token()[1]])
    file.chmod(mode)
    with pytest.raises(ConfigError, match=r"has unsafe permissions \(-.* chmod 0640"):
        read_tokens(file)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_file_readable_by_its_group_is_accepted(file, mode):
    write_tokens(file, [make_token()[1]])
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
        '{"version": 1, "tokens": [{}]}',
        *(
            json.dumps({"version": 1, "tokens": [invalid]})
            for invalid in (
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
def test_an_invalid_file_is_rejected(file, content):
    file.touch(0o600)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=r"token file .*tokens\.json (is invalid|cannot be read)"):
        read_tokens(file)


def test_a_missing_file_is_an_error(file):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tokens(file)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_tokens(file / "x" / "y", [])


def test_writing_keeps_the_mode_and_follows_symlinks(file, tmp_path):
    write_tokens(file, [make_token()[1]])
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


def test_killing_the_writer_leaves_a_complete_file(file):
    write_tokens(file, [make_token()[1]])
    for number in range(8):
        command = [sys.executable, "-c", WRITER, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.02 + number * 0.007)
            writer.send_signal(signal.SIGKILL)
        assert read_tokens(file)


def test_concurrent_changes_are_serialized(file):
    write_tokens(file, [])

    def add(name):
        for number in range(20):
            with lock_tokens(file):
                write_tokens(file, [*read_tokens(file), make_token(f"{name}{number}")[1]])

    adding = [threading.Thread(target=add, args=(name,)) for name in "abc"]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()
    assert len(read_tokens(file)) == 60


def test_locking_requires_the_directory(file):
    with pytest.raises(ConfigError, match="cannot be written"), lock_tokens(file / "x" / "y"):
        pass


# TokenFile


def test_a_token_is_found_by_its_secret(file):
    (first, first_token), (second, second_token) = make_token("a"), make_token("b")
    write_tokens(file, [first_token, second_token])
    known = TokenFile(file, clock=Clock())
    for secret, name in ((first, "a"), (second, "b")):
        found = known.find(secret.encode())
        assert found is not None
        assert found.name == name
    for wrong in (
        b"",
        b"cft_",
        first.encode()[:-1],
        first.encode() + b"x",
        first_token.sha256.encode(),
        b"\xff",
    ):
        assert known.find(wrong) is None


def test_each_hash_is_compared_in_constant_time(file, monkeypatch):
    secrets, tokens = zip(*(make_token(f"t{number}") for number in range(5)), strict=True)
    write_tokens(file, tokens)
    known = TokenFile(file, clock=Clock())
    compared = []

    def compare(stored, presented):
        compared.append((stored, presented))
        return hmac.compare_digest(stored, presented)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(tokens_module, "hmac", Watched)
    for presented in (secrets[0], secrets[2], secrets[4], "cft_unknown"):
        compared.clear()
        known.find(presented.encode())
        assert compared == [(token.sha256, hash_token(presented.encode())) for token in tokens]


def test_an_expired_token_is_not_found(file):
    clock = Clock()
    secret, token = make_token(expires=1010.0)
    write_tokens(file, [token])
    known = TokenFile(file, clock=clock)
    assert known.find(secret.encode()) is not None
    clock.now = 1010.0
    assert known.find(secret.encode()) is None


def test_a_file_without_a_valid_token_is_rejected_at_the_start(file):
    for tokens in ([], [make_token(expires=999.0)[1]]):
        write_tokens(file, tokens)
        with pytest.raises(ConfigError, match="contains no valid token"):
            TokenFile(file, clock=Clock())


def test_a_changed_file_is_reloaded(file):
    clock = Clock()
    first, first_token = make_token("a")
    write_tokens(file, [first_token])
    known = TokenFile(file, clock=clock)
    second, second_token = make_token("b")
    write_tokens(file, [second_token])
    assert known.find(first.encode()) is not None  # the file is checked at most once a second
    clock.now += 1.0
    assert known.find(first.encode()) is None
    assert known.find(second.encode()) is not None
    write_tokens(file, [])
    clock.now += 1.0
    assert known.find(second.encode()) is None
    write_tokens(file, [first_token])
    clock.now += 1.0
    assert known.find(first.encode()) is not None


def test_setting_the_clock_back_does_not_keep_a_revoked_token(file):
    clock = Clock(5000.0)
    secret, token = make_token()
    write_tokens(file, [token])
    known = TokenFile(file, clock=clock)
    write_tokens(file, [])
    clock.now = 100.0
    assert known.find(secret.encode()) is None


def write_invalid(file):
    file.write_text("{")


def make_world_readable(file):
    file.chmod(0o644)


def remove(file):
    file.unlink()


@pytest.mark.parametrize("break_it", [write_invalid, make_world_readable, remove])
def test_an_invalid_change_is_logged_and_ignored(file, caplog, break_it):
    clock = Clock()
    secret, token = make_token()
    write_tokens(file, [token])
    known = TokenFile(file, clock=clock)
    break_it(file)
    clock.now += 1.0
    with caplog.at_level(logging.ERROR):
        assert known.find(secret.encode()) is not None
    assert "the previous tokens stay in force" in caplog.text
    assert known.is_current is False
    caplog.clear()
    clock.now += 1.0
    assert known.find(secret.encode()) is not None
    assert caplog.text == ""  # logged only once
    file.unlink(missing_ok=True)
    write_tokens(file, [])
    clock.now += 1.0
    assert known.find(secret.encode()) is None
    assert known.is_current is True


def test_reload_reads_the_file_immediately(file):
    secret, token = make_token()
    write_tokens(file, [token])
    known = TokenFile(file, clock=Clock())
    before = file.stat()
    write_tokens(file, [])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    known.reload()
    assert known.find(secret.encode()) is None


def test_expiries_returns_the_latest_of_each_name(file):
    tokens = [
        make_token("a", expires=2000.0)[1],
        make_token("a", expires=3000.0)[1],
        make_token("b")[1],
        make_token("c", expires=1.0)[1],
    ]
    write_tokens(file, tokens)
    assert TokenFile(file, clock=Clock()).expiries() == {"a": 3000.0, "b": math.inf, "c": 1.0}


def test_an_invalid_hash_is_rejected():
    with pytest.raises(ConfigError, match="hash of the token a must be 64"):
        Token("a", "0" * 65, POLICY, 0.0, None)

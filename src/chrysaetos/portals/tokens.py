"""The tokens of portals: each has a name, a policy and an expiry time. One file stores their hashes.

Tokens are long and random, so an unsalted SHA-256 hash cannot be reversed by guessing. A file that anyone can
read, or that a group can write, is rejected.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import logging
import math
import os
import re
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import ConfigError
from chrysaetos.numeric import is_number
from chrysaetos.portals.policy import Policy
from chrysaetos.regular_file import regular_file, replace_file, why_unreadable
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = [
    "PREFIX",
    "Token",
    "TokenFile",
    "hash_token",
    "lock_tokens",
    "new_token",
    "read_tokens",
    "write_tokens",
]

_LOG = logging.getLogger(__name__)

PREFIX = "cft_"
"""The first characters of every token, by which secret scanners can recognize it."""
_LENGTH = 43
_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = frozenset({"name", "sha256", "allow", "created", "expires"})
_CHECK_SECONDS = 1.0
"""The interval between two checks whether the file has changed."""


@dataclass(frozen=True, slots=True)
class Token:
    """The stored data of a token.

    Attributes:
        name: the portal's name. Several tokens may have the same name while one replaces another.
        sha256: hash of the token, in hexadecimal digits.
        policy: the series that the token may read.
        created: seconds since the epoch.
        expires: seconds since the epoch; None for never.
    """

    name: str
    sha256: str
    policy: Policy
    created: float
    expires: float | None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"{self.name!r} is not a valid token name: use up to 64 letters, digits, and . _ -"
            )
        if not _DIGEST.fullmatch(self.sha256):
            raise ConfigError(f"the hash of the token {self.name} must be 64 hexadecimal digits")

    def is_valid(self, now: float) -> bool:
        """Return whether the token has not expired at ``now``, in seconds since the epoch."""
        return self.expires is None or now < self.expires

    def expire_by(self, moment: float) -> Token:
        """Return this token with an expiry time no later than ``moment``, in seconds since the epoch."""
        return replace(self, expires=moment if self.expires is None else min(moment, self.expires))


def hash_token(secret: bytes) -> str:
    """Return the SHA-256 hash of a token, in hexadecimal digits."""
    return hashlib.sha256(secret).hexdigest()


def new_token(name: str, policy: Policy, *, now: float, expires: float | None) -> tuple[str, Token]:
    """Generate a token.

    Args:
        name: the portal's name.
        policy: the series that the token may read.
        now: seconds since the epoch.
        expires: seconds since the epoch; None for never.

    Returns:
        The token itself, which is not stored anywhere, and the data to store.

    Raises:
        ConfigError: the name is invalid.
    """
    secret = PREFIX + new_secret(_LENGTH)
    return secret, Token(name, hash_token(secret.encode()), policy, now, expires)


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Read a token file.

    Raises:
        ConfigError: the file cannot be read, has unsafe permissions, or is invalid.
    """
    try:
        with open(path, encoding="utf-8", opener=regular_file) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the token file {path} cannot be read: {why_unreadable(error)}") from error
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise ConfigError(
            f"the token file {path} has unsafe permissions ({stat.filemode(mode)}): chmod 0640 {path}"
        )
    try:
        return _tokens(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError, ConfigError) as error:
        reason = error if isinstance(error, ConfigError) else repr(error)
        raise ConfigError(f"the token file {path} is invalid: {reason}") from error


def _tokens(document: dict[str, Any]) -> tuple[Token, ...]:
    if document["version"] != _VERSION:
        raise ConfigError(f"its version is {document['version']!r}, expected {_VERSION}")
    return tuple(map(_token, _list(document["tokens"])))


def _token(entry: dict[str, Any]) -> Token:
    if set(entry) != _FIELDS:
        raise ConfigError(
            f"an entry has the fields {', '.join(sorted(entry))}, expected {', '.join(sorted(_FIELDS))}"
        )
    return Token(
        entry["name"],
        entry["sha256"],
        Policy(tuple(_list(entry["allow"]))),
        _moment(entry["created"]),
        None if entry["expires"] is None else _moment(entry["expires"]),
    )


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"expected a list, found {type(value).__name__}")
    return value


def _moment(value: object) -> float:
    if not is_number(value):
        raise ConfigError(f"{value!r} is not a time in seconds")
    return float(value)


def write_tokens(path: Path, tokens: Sequence[Token]) -> None:
    """Replace a token file atomically, keeping the owner and mode of an existing file.

    Raises:
        ConfigError: the file cannot be written.
    """
    entries = [
        {
            "name": token.name,
            "sha256": token.sha256,
            "allow": list(token.policy.selectors),
            "created": token.created,
            "expires": token.expires,
        }
        for token in tokens
    ]
    text = json.dumps({"version": _VERSION, "tokens": entries}, indent=2) + "\n"
    try:
        replace_file(path.resolve(), text)
    except OSError as error:
        raise ConfigError(f"the token file {path} cannot be written: {error.strerror}") from error


@contextmanager
def lock_tokens(path: Path) -> Iterator[None]:
    """Lock a token file against concurrent changes while the block reads and replaces it.

    Raises:
        ConfigError: the file's directory cannot be opened.
    """
    # Writing replaces the file, so the lock is on its directory.
    try:
        directory = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"the token file {path} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


class TokenFile:
    """The tokens of a file, which is reloaded when it changes.

    If a changed file is invalid, the error is logged and the previous tokens stay in force.

    Args:
        path: the token file.
        clock: returns seconds since the epoch.

    Attributes:
        is_current: whether the last reload succeeded.

    Raises:
        ConfigError: the file is invalid or contains no valid token.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._checked = clock()
        self._version = self._file_version()
        self._tokens = read_tokens(path)
        self.is_current = True
        if not any(token.is_valid(self._checked) for token in self._tokens):
            raise ConfigError(
                f"the token file {path} contains no valid token: "
                "generate a token with chrysaetos federate token new"
            )

    def find(self, secret: bytes) -> Token | None:
        """Return the token that a request presents; None if it is unknown or expired.

        Every hash is compared, each in constant time, so the duration reveals nothing about the tokens.
        """
        now = self._clock()
        self._reload_if_changed(now)
        presented = hash_token(secret)
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.sha256, presented) and token.is_valid(now):
                found = token
        return found

    def expiries(self) -> dict[str, float]:
        """Return the latest expiry time for each name, in seconds since the epoch; infinity for never."""
        self._reload_if_changed(self._clock())
        expiries: dict[str, float] = {}
        for token in self._tokens:
            moment = math.inf if token.expires is None else token.expires
            expiries[token.name] = max(moment, expiries.get(token.name, 0.0))
        return expiries

    def reload(self) -> None:
        """Reload the file whether or not it has changed. An invalid file is logged."""
        self._version = self._file_version()
        try:
            self._tokens = read_tokens(self._path)
        except ConfigError as error:
            self.is_current = False
            _LOG.error("%s; the previous tokens stay in force", error)
        else:
            self.is_current = True
            _LOG.info("reloaded the token file: %d tokens", len(self._tokens))

    def _file_version(self) -> tuple[int, int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode

    def _reload_if_changed(self, now: float) -> None:
        # A difference below 0 means that the clock was set back.
        if 0 <= now - self._checked < _CHECK_SECONDS:
            return
        self._checked = now
        if self._file_version() != self._version:
            self.reload()

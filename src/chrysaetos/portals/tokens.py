"""The tokens of portals: named, with a policy and an end, kept as hashes in one file.

The tokens are random and long, so a plain hash says nothing of them, and comparing hashes takes the same time
for each. A file that everybody may read, or others may write, is not used.
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
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import ConfigError
from chrysaetos.portals.policy import Policy
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["PREFIX", "Token", "TokenFile", "changing", "digest", "new_token", "read_tokens", "write_tokens"]

_log = logging.getLogger(__name__)

PREFIX = "cft_"
"""What each token begins with, so that scanners for secrets can know one."""
_LENGTH = 43
_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = frozenset({"name", "sha256", "allow", "created", "expires"})
_LOOK_SECONDS = 1.0
"""How often it is looked at whether the file has changed."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token.

    Attributes:
        name: whose it is; several may have one name, while one takes another's place.
        sha256: hash of the token, in hexadecimal digits.
        policy: what it may see.
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
                f"{self.name!r} is no name for a token: use up to 64 letters, digits, and . _ -"
            )
        if not _DIGEST.fullmatch(self.sha256):
            raise ConfigError(f"the hash of the token {self.name} is not one: 64 hexadecimal digits")

    def valid(self, now: float) -> bool:
        """Whether it is not over; `now` is in seconds since the epoch."""
        return self.expires is None or now < self.expires

    def ending(self, moment: float) -> Token:
        """The same, ending at a time at the latest, in seconds since the epoch."""
        return replace(self, expires=moment if self.expires is None else min(moment, self.expires))


def digest(secret: bytes) -> str:
    """The hash of a token, in hexadecimal digits."""
    return hashlib.sha256(secret).hexdigest()


def new_token(name: str, policy: Policy, *, now: float, expires: float | None) -> tuple[str, Token]:
    """Make a token.

    Args:
        name: whose it is.
        policy: what it may see.
        now: seconds since the epoch.
        expires: seconds since the epoch; None for never.

    Returns:
        The token itself, which is kept nowhere, and what is kept of it.

    Raises:
        ConfigError: the name cannot be one.
    """
    secret = PREFIX + new_secret(_LENGTH)
    return secret, Token(name, digest(secret.encode()), policy, now, expires)


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Read a file of tokens.

    Raises:
        ConfigError: it cannot be read, others may read or write it, or something in it is wrong.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the token file {path} cannot be read: {error}") from error
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise ConfigError(
            f"the token file {path} is open to others ({stat.filemode(mode)}): chmod 0640 {path}"
        )
    try:
        return _tokens(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError, ConfigError) as error:
        shown = error if isinstance(error, ConfigError) else repr(error)
        raise ConfigError(f"the token file {path} is damaged: {shown}") from error


def _tokens(document: dict[str, Any]) -> tuple[Token, ...]:
    if document["version"] != _VERSION:
        raise ConfigError(f"it is of another version, {document['version']!r}")
    return tuple(map(_token, _list(document["tokens"])))


def _token(entry: dict[str, Any]) -> Token:
    if set(entry) != _FIELDS:
        raise ConfigError(f"an entry has the fields {', '.join(sorted(entry))}")
    return Token(
        entry["name"],
        entry["sha256"],
        Policy(tuple(_list(entry["allow"]))),
        _moment(entry["created"]),
        None if entry["expires"] is None else _moment(entry["expires"]),
    )


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError("something in it is not a list")
    return value


def _moment(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{value!r} is no time in seconds")
    return float(value)


def write_tokens(path: Path, tokens: Sequence[Token]) -> None:
    """Write a file of tokens: wholly or not at all. Owner and mode of one that is there stay.

    Raises:
        ConfigError: it cannot be written.
    """
    entries = [
        {
            "name": one.name,
            "sha256": one.sha256,
            "allow": list(one.policy.selectors),
            "created": one.created,
            "expires": one.expires,
        }
        for one in tokens
    ]
    text = json.dumps({"version": _VERSION, "tokens": entries}, indent=2) + "\n"
    target = path.resolve()
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise ConfigError(f"the token file {path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            with suppress(FileNotFoundError):
                known = target.stat()
                os.fchmod(handle, stat.S_IMODE(known.st_mode))
                os.fchown(handle, known.st_uid, known.st_gid)
            file.write(text)
            file.flush()
            os.fsync(handle)
        Path(name).replace(target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise ConfigError(f"the token file {path} cannot be written: {error.strerror}") from error


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Keep others from changing a file of tokens: what is read in this block is what is replaced.

    Raises:
        ConfigError: its folder cannot be opened.
    """
    # The file itself is replaced, so the lock is its folder's.
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"the token file {path} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


class TokenFile:
    """The tokens that are in force: those of a file, which is read again when it has changed.

    A changed file that cannot be used is told in the log, and the tokens before it stay in force.

    Args:
        path: the file.
        clock: seconds since the epoch.

    Attributes:
        current: whether the file as it is now is what is in force.

    Raises:
        ConfigError: it cannot be used, or no token in it is valid.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._looked = clock()
        self._version = self._seen()
        self._tokens = read_tokens(path)
        self.current = True
        if not any(token.valid(self._looked) for token in self._tokens):
            raise ConfigError(
                f"the token file {path} has no valid token: make one with chrysaetos federate token new"
            )

    def find(self, secret: bytes) -> Token | None:
        """The token that somebody shows; None if it is unknown or over.

        Each hash is compared, in constant time: how long it takes says nothing.
        """
        now = self._clock()
        self._look(now)
        shown = digest(secret)
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.sha256, shown) and token.valid(now):
                found = token
        return found

    def ends(self) -> dict[str, float]:
        """Until when each name has a valid token, in seconds since the epoch; infinity for ever."""
        self._look(self._clock())
        ends: dict[str, float] = {}
        for token in self._tokens:
            moment = math.inf if token.expires is None else token.expires
            ends[token.name] = max(moment, ends.get(token.name, 0.0))
        return ends

    def reload(self) -> None:
        """Read the file again, changed or not. One that cannot be used is told in the log."""
        self._version = self._seen()
        try:
            self._tokens = read_tokens(self._path)
        except ConfigError as error:
            self.current = False
            _log.error("%s; the tokens before stay in force", error)
        else:
            self.current = True
            _log.info("the token file was read again: %d tokens", len(self._tokens))

    def _seen(self) -> tuple[int, int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode

    def _look(self, now: float) -> None:
        if 0 <= now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        if self._seen() != self._version:
            self.reload()

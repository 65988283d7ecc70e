"""A session of the web page: a Keystone token in a sealed cookie. The gateway stores nothing.

Cookies are sealed with Fernet (AES-128-CBC and HMAC-SHA256). The first key seals; all keys open, so keys can
be rotated without logging anybody out. Each sealed value has a purpose, so that a cookie for one purpose is
worthless for another.

A session's cross-site request forgery (CSRF) token is an HMAC of its random id. A new id is made at each
log-in, so an id that somebody planted before (session fixation) is of no use.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from chrysaetos.errors import ConfigError, Forbidden
from chrysaetos.regular_file import regular_file
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Named", "Sealer", "Session", "format_key", "new_id", "new_key", "read_keys"]

MAX_SEALED = 3900
"""Maximum size of a sealed value. Browsers keep cookies of 4096 bytes with their names and attributes."""

_KEY_BYTES = 32
_CSRF = b"csrf token"


class Named(NamedTuple):
    """A user or a project.

    Attributes:
        id: its id.
        name: its name.
        domain: the name of its domain.
    """

    id: str
    name: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A user who is logged in.

    Attributes:
        token: the Keystone token, scoped to the project.
        expires_at: its expiry in seconds since the epoch.
        kind: how the user logged in: ``password``, ``application_credential`` or ``websso``.
        user: the user.
        project: the project.
        domains: ids and names of the domains of user and project.
        roles: names of the roles in the project.
        id: a random id.
    """

    token: str = field(repr=False)
    expires_at: float
    kind: str
    user: Named
    project: Named
    domains: tuple[tuple[str, str], ...]
    roles: tuple[str, ...]
    id: str = field(repr=False)

    def public(self) -> dict[str, Any]:
        """Return what the page may know: neither the token nor the id."""
        return {
            "user": self.user._asdict(),
            "project": self.project._asdict(),
            "roles": list(self.roles),
            "expires_at": self.expires_at,
            "kind": self.kind,
        }


class Sealer:
    """Seals and opens the values of cookies.

    Args:
        keys: 32 bytes each; the first one seals.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.replace_keys(keys)

    def replace_keys(self, keys: Sequence[bytes]) -> None:
        """Use other keys from now on."""
        self._keys = tuple(keys)
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])

    def seal(self, purpose: str, value: object) -> str:
        """Seal a JSON value.

        Raises:
            Forbidden: it is too large for a cookie.
        """
        sealed = self._fernet.encrypt(json.dumps([purpose, value], separators=(",", ":")).encode()).decode()
        if len(sealed) > MAX_SEALED:
            raise Forbidden(
                "the token and the roles are too large for a browser's cookie: use an application credential "
                "with fewer roles"
            )
        return sealed

    def open(self, purpose: str, sealed: str) -> Any:
        """Return a sealed value; None if it was not sealed for this purpose, or was altered."""
        if len(sealed) > MAX_SEALED:
            return None
        try:
            found, value = json.loads(self._fernet.decrypt(sealed.encode("ascii")))
        except (InvalidToken, UnicodeEncodeError):
            return None
        return value if found == purpose else None

    def seal_session(self, session: Session) -> str:
        """Seal a session.

        Raises:
            Forbidden: it is too large for a cookie.
        """
        return self.seal("session", asdict(session))

    def open_session(self, sealed: str, now: float) -> Session | None:
        """Return a sealed session; None if it is not valid, or has expired at ``now``."""
        value = self.open("session", sealed)
        if value is None or value["expires_at"] <= now:
            return None
        user, project = Named(*value.pop("user")), Named(*value.pop("project"))
        roles, domains = tuple(value.pop("roles")), tuple(map(tuple, value.pop("domains")))
        return Session(user=user, project=project, roles=roles, domains=domains, **value)

    def csrf_token(self, identifier: str) -> str:
        """Return the CSRF token of a session, or of a browser before log-in, by its id."""
        return _csrf_token(self._keys[0], identifier)

    def is_csrf_token(self, identifier: str, token: str) -> bool:
        """Return whether a CSRF token belongs to an id. It stays valid when keys are rotated."""
        return any(
            hmac.compare_digest(_csrf_token(key, identifier).encode(), token.encode()) for key in self._keys
        )


def new_id() -> str:
    """Return a random id of more than 128 bits."""
    return new_secret()


def new_key() -> bytes:
    """Return a random key."""
    return secrets.token_bytes(_KEY_BYTES)


def format_key(key: bytes) -> str:
    """Return a key as in a file."""
    return base64.b64encode(key).decode("ascii")


def read_keys(path: Path) -> tuple[bytes, ...]:
    """Read a file with a key of 32 bytes in base64 in each line, as ``openssl rand -base64 32`` prints it.

    Raises:
        ConfigError: the file cannot be read, others may read it, or a line is not a key.
    """
    try:
        with open(path, opener=regular_file, encoding="ascii") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[web] session_key_file: {path} cannot be read: {error}") from error
    if mode & 0o007:
        raise ConfigError(f"[web] session_key_file: everybody may access {path}: chmod o= {path}")
    keys = []
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        try:
            key = base64.b64decode(line.translate(str.maketrans("-_", "+/")), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != _KEY_BYTES:
            raise ConfigError(
                f"[web] session_key_file: line {number} of {path} is not a key: write one with "
                "openssl rand -base64 32"
            )
        keys.append(key)
    if not keys:
        raise ConfigError(
            f"[web] session_key_file: there is no key in {path}: write one with openssl rand -base64 32"
        )
    return tuple(keys)


def _csrf_token(key: bytes, identifier: str) -> str:
    value = hmac.digest(hmac.digest(key, _CSRF, "sha256"), identifier.encode(), "sha256")
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")

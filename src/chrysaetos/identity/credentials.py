"""Find the credentials in the headers of a request.

Only ``X-Auth-Token``, ``X-Service-Token`` and ``Authorization`` are read; all other identity headers
are the client's own claims and are ignored. Keystone validates the credentials, not this module.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from chrysaetos.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BASIC", "MAX_CREDENTIAL", "TOKEN", "UNKNOWN", "Kind", "is_token", "pick"]

MAX_CREDENTIAL = 8192
"""Maximum size of a credential in bytes. Keystone's longest tokens (JWS) are smaller than 2 KiB."""

_AUTHORIZATION = b"authorization"
_SERVICE_TOKEN = b"x-service-token"
_USER_TOKEN = b"x-auth-token"
_NAMES = frozenset({_AUTHORIZATION, _SERVICE_TOKEN, _USER_TOKEN})
_TOKEN = re.compile(rb"[!-~]{1,%d}" % MAX_CREDENTIAL)


class Kind(Enum):
    """The kind of a credential."""

    TOKEN = "token"  # noqa: S105  # a kind, not a token
    BASIC = "basic"
    UNKNOWN = "unknown"
    NONE = "none"


TOKEN, BASIC, UNKNOWN = Kind.TOKEN, Kind.BASIC, Kind.UNKNOWN


def is_token(value: bytes) -> bool:
    """Return whether a value can be a Keystone token: visible ASCII, 1 to ``MAX_CREDENTIAL`` bytes."""
    return _TOKEN.fullmatch(value) is not None


def pick(headers: Sequence[tuple[bytes, bytes]]) -> tuple[Kind, bytes, bytes | None]:
    """Return the credential of a request.

    Args:
        headers: the request's headers, names in lower case.

    Returns:
        The kind; the user token, or the base64 text of Basic credentials; the service token, if any.

    Raises:
        BadRequest: the request has two credentials. A proxy in front may have checked either, so none is
            used.
    """
    found = [pair for pair in headers if pair[0] in _NAMES]
    if len(found) == 1 and found[0][0] == _USER_TOKEN:
        return TOKEN, found[0][1], None
    values = dict(found)
    if len(values) != len(found):
        raise BadRequest("X-Auth-Token, X-Service-Token and Authorization may each be sent only once")
    token = values.get(_USER_TOKEN)
    authorization = values.get(_AUTHORIZATION)
    service_token = values.get(_SERVICE_TOKEN)
    if authorization is None:
        return (Kind.NONE if token is None else Kind.TOKEN), token or b"", service_token
    kind, secret = _authorization(authorization)
    if token is not None and (kind is not Kind.TOKEN or secret != token):
        raise BadRequest("X-Auth-Token and Authorization differ: send one of them")
    return kind, secret, service_token


def _authorization(value: bytes) -> tuple[Kind, bytes]:
    """Parse an Authorization header: scheme, spaces, token68 (RFC 9110, 11.4)."""
    scheme, _, rest = value.partition(b" ")
    scheme = scheme.lower()
    if scheme == b"bearer":
        return Kind.TOKEN, rest.strip(b" ")
    if scheme == b"basic":
        return Kind.BASIC, rest.strip(b" ")
    return Kind.UNKNOWN, b""

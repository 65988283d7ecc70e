"""The gate: turn a portal's request into a request to Prometheus, or refuse it.

The gate accepts only ``GET /federate`` with ``match[]`` parameters and one bearer token. It forwards no part
of the request unchanged: it parses the selectors, combines them with the token's policy, and builds a new
URL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_plus

from chrysaetos.errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, Unauthorized, UriTooLong
from chrysaetos.tenancy.parameters import Text
from chrysaetos.tenancy.urlencoded import split_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrysaetos.portals.policy import Policy
    from chrysaetos.portals.tokens import Token, TokenFile

__all__ = [
    "PATH",
    "FederateRequest",
    "authenticate",
    "check_path",
    "combined_bytes",
    "read_selectors",
    "restrict",
]

PATH = "/federate"
_MATCH = "match[]"
_CHALLENGES = ('Bearer realm="federation"',)
_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]{1,256}=*)", re.IGNORECASE)
"""RFC 6750, 2.1; the scheme is case-insensitive (RFC 9110, 11.1)."""
_MAX_SELECTORS = 100
_MAX_QUERY_BYTES = 32 * 1024
_MAX_SENT_BYTES = 256 * 1024
"""Size of all combined selectors. Percent-encoding at most triples it, and Prometheus' HTTP server (Go's
``net/http``) accepts up to 1 MiB of request line and headers."""


class FederateRequest(NamedTuple):
    """A request to send to Prometheus.

    Attributes:
        target: path and query.
        texts: the selectors, as received and as sent.
    """

    target: bytes
    texts: tuple[Text, ...]


def authenticate(tokens: TokenFile, headers: Sequence[tuple[bytes, bytes]]) -> Token:
    """Return the token that a request presents.

    Args:
        tokens: the tokens of portals.
        headers: the request's header fields, with names in lower case.

    Raises:
        BadRequest: the request has several Authorization headers.
        Unauthorized: it has none, or no bearer token, or the token is unknown or expired.
    """
    credentials = [value for name, value in headers if name == b"authorization"]
    if not credentials:
        raise Unauthorized("send the portal's token as Authorization: Bearer", _CHALLENGES)
    if len(credentials) > 1:
        raise BadRequest("send one Authorization header")
    match = _BEARER.fullmatch(credentials[0].strip(b" \t"))
    token = tokens.find(match[1]) if match else None
    if token is None:
        raise Unauthorized("unknown or expired token", _CHALLENGES)
    return token


def read_selectors(query: bytes) -> tuple[str, ...]:
    """Return the values of ``match[]`` in a query, without parsing them.

    Args:
        query: the query of the URL, as received.

    Raises:
        UriTooLong: the query is too long.
        BadRequest: the query has a parameter other than ``match[]``, is malformed, or has too many selectors.
        Forbidden: the query has no selector.
    """
    if len(query) > _MAX_QUERY_BYTES:
        raise UriTooLong(f"the query is longer than {_MAX_QUERY_BYTES} bytes")
    if b";" in query:
        raise BadRequest("the query contains a semicolon: write it as %3B, and separate parameters with &")
    found: list[str] = []
    for name, text in split_parameters(query):
        if name != _MATCH:
            raise BadRequest(f"the parameter {name[:64]!a} is not supported: send only match[]")
        found.append(text)
    if not found:
        raise Forbidden("send at least one selector as match[]")
    if len(found) > _MAX_SELECTORS:
        raise BadRequest(f"the query has more than {_MAX_SELECTORS} selectors")
    return tuple(found)


def combined_bytes(selectors: Sequence[str], policy: Policy) -> int:
    """Return the size of a request's selectors, each combined with each of a policy.

    The time that ``restrict`` takes is proportional to it, about 1 ms for each kilobyte.
    """
    return len(policy.selectors) * _bytes(selectors) + len(selectors) * _bytes(policy.selectors)


def restrict(selectors: Sequence[str], policy: Policy) -> FederateRequest:
    """Return the request to Prometheus that selects only series that a policy allows.

    Args:
        selectors: the selectors of the portal's request.
        policy: what the portal's token may read.

    Raises:
        QueryError: a selector is invalid, has modifiers, or is too large.
        Forbidden: a selector selects no series that the token may read.
        BadRequest: the selectors combined with the policy's are too long.
    """
    if combined_bytes(selectors, policy) > _MAX_SENT_BYTES:
        raise BadRequest("the selectors combined with the token's policy are too long: send fewer at once")
    texts = [Text(text, sent) for text in selectors for sent in _conjoin(text, policy)]
    unique = dict.fromkeys(text.sent for text in texts)
    target = f"{PATH}?{'&'.join(f'match%5B%5D={quote_plus(sent)}' for sent in unique)}"
    return FederateRequest(target.encode("ascii"), tuple(texts))


def _conjoin(text: str, policy: Policy) -> list[str]:
    selectors = policy.conjoin(text)
    if not selectors:
        raise Forbidden(f"this token may read no series that {text[:200]!a} selects")
    return selectors


def _bytes(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def check_path(method: str, path: str) -> None:
    """Check that a request is ``GET /federate``. Call this before anything else reads the request.

    Raises:
        NotFound: the path is not exactly ``/federate``.
        MethodNotAllowed: the method is not GET.
    """
    if path != PATH:
        raise NotFound(f"a portal may only request {PATH}")
    if method != "GET":
        raise MethodNotAllowed("send a GET request", ("GET",))

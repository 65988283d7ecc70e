"""The gate: from a portal's request to what Prometheus is asked, or a refusal.

It answers exactly ``GET /federate`` with ``match[]`` parameters and one bearer token. None of the request's
bytes goes on as it is: the selectors are parsed, conjoined with the token's policy, and written afresh.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_plus

from chrysaetos.errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, Unauthorized, UriTooLong
from chrysaetos.promql.parser import DEFAULT_BOUNDS
from chrysaetos.tenancy.parameters import Text, split_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrysaetos.portals.tokens import Token, TokenFile
    from chrysaetos.promql.parser import Bounds

__all__ = ["PATH", "Admitted", "Gate", "check_path"]

PATH = "/federate"
_MATCH = "match[]"
_CHALLENGES = ('Bearer realm="federation"',)
_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]{1,256}=*)", re.IGNORECASE)
"""RFC 6750, 2.1, with the scheme in any case (RFC 9110, 11.1)."""
_MAX_SELECTORS = 100
_MAX_QUERY_BYTES = 32 * 1024
_MAX_SENT = 256 * 1024
"""Bytes of all conjoined selectors. Percent-encoded they take three times that at most, and Go's HTTP
server, which Prometheus is, takes 1 MiB of request line and headers."""


class Admitted(NamedTuple):
    """A request that may be sent on.

    Attributes:
        target: path and query for the upstream.
        texts: the selectors, as they came and as they are sent.
    """

    target: bytes
    texts: tuple[Text, ...]


class Gate:
    """Decides on requests.

    Args:
        tokens: who may ask, and for what.
        bounds: how large a selector may be.
    """

    def __init__(self, tokens: TokenFile, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self._tokens = tokens
        self._bounds = bounds

    def token(self, headers: Sequence[tuple[bytes, bytes]]) -> Token:
        """Whose request it is.

        Args:
            headers: names in lower case, and values, as they came.

        Raises:
            BadRequest: there are several Authorization headers.
            Unauthorized: there is none, it is no bearer token, or the token is unknown or over.
        """
        shown = [value for name, value in headers if name == b"authorization"]
        if not shown:
            raise Unauthorized("send the portal's token as Authorization: Bearer", _CHALLENGES)
        if len(shown) > 1:
            raise BadRequest("send one Authorization header")
        match = _BEARER.fullmatch(shown[0].strip(b" \t"))
        token = self._tokens.find(match[1]) if match else None
        if token is None:
            raise Unauthorized("this token is not known, or it is over", _CHALLENGES)
        return token

    def selectors(self, query: bytes) -> tuple[str, ...]:
        """What a request asks for: the values of ``match[]``, still unread.

        Args:
            query: the query of its URL, as it was sent.

        Raises:
            UriTooLong: the query is too long.
            BadRequest: there is another parameter than ``match[]``, one that is malformed, or too many.
            Forbidden: there is none.
        """
        if len(query) > _MAX_QUERY_BYTES:
            raise UriTooLong(f"the query is longer than {_MAX_QUERY_BYTES} bytes")
        if b";" in query:
            raise BadRequest("the query has a semicolon: write it as %3B, and parameters with &")
        found: list[str] = []
        for name, text in split_parameters(query):
            if name != _MATCH:
                raise BadRequest(f"the parameter {name[:64]!a} is not taken here: only match[] is")
            found.append(text)
        if not found:
            raise Forbidden("send what you ask for as match[]")
        if len(found) > _MAX_SELECTORS:
            raise BadRequest(f"there are more than {_MAX_SELECTORS} selectors")
        return tuple(found)

    def admit(self, selectors: Sequence[str], token: Token) -> Admitted:
        """What the upstream is asked for a request. All of it is refused if one selector is.

        Args:
            selectors: what the request asks for.
            token: whose it is.

        Raises:
            QueryError: one is no selector, has modifiers, or is too large.
            Forbidden: one selects nothing that the token may see.
            BadRequest: with the policy, they are too long to be sent.
        """
        allowed = token.policy.selectors
        # Each of the request's with each of the policy's: found out before any work is done.
        if len(allowed) * _bytes(selectors) + len(selectors) * _bytes(allowed) > _MAX_SENT:
            raise BadRequest("with what the token may see, the selectors are too long: send fewer at once")
        texts = [Text(text, sent) for text in selectors for sent in self._conjoined(text, token)]
        wanted = dict.fromkeys(text.sent for text in texts)
        target = f"{PATH}?{'&'.join(f'match%5B%5D={quote_plus(sent)}' for sent in wanted)}"
        return Admitted(target.encode("ascii"), tuple(texts))

    def _conjoined(self, text: str, token: Token) -> list[str]:
        selectors = token.policy.conjoin(text, self._bounds)
        if not selectors:
            raise Forbidden(f"this token may see nothing of what {text[:200]!a} selects")
        return selectors


def _bytes(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def check_path(method: str, path: str) -> None:
    """Check what is asked for, before anything else is looked at.

    Raises:
        NotFound: the path is another than ``/federate``, to the letter.
        MethodNotAllowed: the method is not GET.
    """
    if path != PATH:
        raise NotFound("this path is not served here")
    if method != "GET":
        raise MethodNotAllowed("send a GET", ("GET",))

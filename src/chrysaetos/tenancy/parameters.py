"""A request's parameters → the upstream's parameters.

Parameters are in the query of the URL and in a form body, in the same encoding (WHATWG URL,
"application/x-www-form-urlencoded"). They are split, decoded once, checked, scoped, and encoded again.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from chrysaetos.errors import BadRequest
from chrysaetos.lru import Lru
from chrysaetos.promql import units
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse, parse_selector
from chrysaetos.tenancy.endpoints import ENDPOINTS, Kind
from chrysaetos.tenancy.enforce import scope_parsed
from chrysaetos.tenancy.ranges import BOUNDARY_TIMES, check_range
from chrysaetos.tenancy.scope import check_added
from chrysaetos.tenancy.subqueries import check_subqueries, find_subqueries
from chrysaetos.tenancy.urlencoded import (
    MAX_UNCACHED_BYTES,
    PLAIN,
    count_parameters,
    decode,
    encode,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chrysaetos.promql.parser import Bounds
    from chrysaetos.tenancy.endpoints import Endpoint, Parameter
    from chrysaetos.tenancy.scope import Scope
    from chrysaetos.tenancy.subqueries import Nested

__all__ = [
    "Binder",
    "BoundParameters",
    "NotCached",
    "Scoped",
    "Text",
    "bind_anew",
]

# Go's strconv.ParseFloat without infinities and NaN; RFC 3339.
_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
_TIME = re.compile(
    rf"{_NUMBER}|{'|'.join(map(re.escape, BOUNDARY_TIMES))}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|[-+][0-9]{2}:[0-9]{2})"
)
_DURATION = re.compile(f"{_NUMBER}|{units.DURATION}")
_COUNT = re.compile(r"[0-9]{1,18}")
_FORMS = {
    Kind.TIME: (_TIME, "a time: seconds since the epoch, or RFC 3339"),
    Kind.DURATION: (_DURATION, "a duration: seconds, or such as 15s, 5m, 1h30m"),
    Kind.COUNT: (_COUNT, "a whole number, 0 or more"),
}
_CHECKS = {
    name: _FORMS[parameter.kind]
    for endpoint in ENDPOINTS
    for name, parameter in endpoint.parameters.items()
    if parameter.kind in _FORMS
}
"""By the name of the parameter: one that is checked has one kind in the whole table."""
_NAMES = {name.encode(): name for endpoint in ENDPOINTS for name in endpoint.parameters}
"""The names of the table as most clients encode them, so that they need not be decoded."""
_MAX_CACHED_BYTES = 32 * 1024 * 1024
"""Maximum size of all cached texts together."""
_NESTED_BYTES = 300
"""About the size of the description of a subquery."""
_MAX_PLAIN_VALUE = 64
"""Maximum length in characters of a time, duration or count."""


class Text(NamedTuple):
    """A PromQL text of a request.

    Attributes:
        original: the caller's text, decoded.
        sent: the text for the upstream.
    """

    original: str
    sent: str


class BoundParameters(NamedTuple):
    """Parameters for the upstream.

    Attributes:
        url: the query of the URL, percent-encoded, without a question mark.
        body: the form body; None for a request that has none.
        texts: the PromQL texts among them, for the audit.
    """

    url: bytes
    body: bytes | None
    texts: tuple[Text, ...] = ()


class NotCached(Exception):
    """A text is not among the cached ones, or there is much to decode beside them."""


class Scoped(NamedTuple):
    """A scoped text.

    Attributes:
        piece: the parameter as ``name=value``.
        text: the text.
        subqueries: the subqueries of a query.
    """

    piece: bytes
    text: Text
    subqueries: tuple[Nested, ...]


class Binder:
    """Converts a request's parameters to the upstream's.

    Scoping a text takes some hundred microseconds, and dashboards repeat their queries, so the last results
    are cached. The key is the scope and the encoded value.

    Args:
        bounds: the maximum size of a query or selector.
        size: the number of cached texts.
        reserved: names, in lower case, of parameters that the gateway itself sends for a scope. They are
            dropped from requests of unrestricted callers; for scoped callers only an endpoint's own are
            passed on.
    """

    def __init__(
        self,
        bounds: Bounds = DEFAULT_BOUNDS,
        size: int = 65_536,
        reserved: frozenset[str] = frozenset(),
    ) -> None:
        self._bounds = bounds
        self._reserved = reserved
        self._scoped: Lru[_Key, Scoped] = Lru(size, weigh=_size, max_weight=_MAX_CACHED_BYTES)

    def bind(
        self,
        endpoint: Endpoint,
        scope: Scope,
        url: bytes,
        body: bytes | None,
        *,
        cached_only: bool = False,
    ) -> BoundParameters:
        """Return the parameters to send for a request.

        Those of an unrestricted caller are passed on unchanged. Those of a scoped caller are checked and
        scoped if the endpoint has them, whether in the URL or in the body; all others are dropped.

        Args:
            endpoint: the row of the table.
            scope: the caller's scope.
            url: the encoded query of the URL.
            body: the encoded form body; None for a request without one.
            cached_only: whether to scope only texts that are cached, which is fast whatever their size, and
                only if there is little to decode beside them.

        Raises:
            BadRequest: a parameter is malformed, missing, or given twice, there are too many, a range or
                subquery has too many points, or there are too many selectors for so many tenants.
            QueryError: a query or a selector is refused.
            NotCached: a text is not cached, and only cached ones should be used.
        """
        count_parameters(url, body)
        texts: list[Text] = []
        if scope.unrestricted:
            new_url = self._rewritten(endpoint, url, texts)
            new_body = None if body is None else self._rewritten(endpoint, body, texts)
            return BoundParameters(new_url, new_body, tuple(texts))
        # The order of Go's Form: the body before the URL.
        encoded = b"%b&%b" % (body, url) if body else url
        if cached_only:
            pieces, texts = self._pieces(endpoint, scope, encoded, self._cached_piece, MAX_UNCACHED_BYTES)
        else:
            pieces, texts = self._pieces(endpoint, scope, encoded, self._scoped_piece, sys.maxsize)
        joined = b"&".join(pieces)
        url, body = (joined, None) if body is None else (b"", joined)
        return BoundParameters(url, body, tuple(texts))

    def _rewritten(self, endpoint: Endpoint, encoded: bytes, texts: list[Text]) -> bytes:
        """Return parameters unchanged, encoded again. PromQL texts are appended to the list."""
        pieces: list[bytes] = []
        for raw_name, raw in split(encoded):
            name, value = decode(raw_name), decode(raw)
            if name.lower() in self._reserved:
                continue
            pieces.append(encode(name, value))
            parameter = endpoint.parameters.get(name)
            if parameter is not None and parameter.is_promql:
                texts.append(Text(value, value))
        return b"&".join(pieces)

    def _pieces(
        self,
        endpoint: Endpoint,
        scope: Scope,
        encoded: bytes,
        scoped: Callable[[Parameter, Scope, bytes | None], Scoped],
        left: int,
    ) -> tuple[list[bytes], list[Text]]:
        """Return the encoded parameters and the texts among them.

        Args:
            endpoint: the row of the table.
            scope: the caller's scope.
            encoded: the encoded parameters.
            scoped: returns a scoped text.
            left: maximum length of all names and plain values.

        Raises:
            NotCached: they are longer.
        """
        pieces: list[bytes] = []
        texts: list[Text] = []
        seen: set[str] = set()
        plain: dict[str, str] = {}
        subqueries: tuple[Nested, ...] = ()
        added = 0
        for pair in encoded.split(b"&"):
            raw_name, _, value = pair.partition(b"=")
            left -= len(raw_name)
            if left < 0:
                raise NotCached
            name = _NAMES.get(raw_name) or decode(raw_name)
            parameter = endpoint.parameters.get(name)
            if parameter is None:
                continue
            if name in seen and not parameter.repeated:
                raise BadRequest(f'the parameter "{name}" is given more than once: send it once')
            seen.add(name)
            if parameter.is_promql:
                piece, query, nested = scoped(parameter, scope, value)
                pieces.append(piece)
                texts.append(query)
                subqueries += nested
                added += len(query.sent) - len(query.original)
                check_added(scope, added)
            elif value or parameter.required or parameter.kind is Kind.TEXT:
                left -= len(value)
                if left < 0:
                    raise NotCached
                # For Prometheus an empty value of the other kinds is a missing one.
                same = PLAIN.fullmatch(pair) is not None
                plain[name] = text = value.decode() if same else decode(value)
                _check(name, text)
                pieces.append(pair if same else encode(name, text))
        for parameter in endpoint.expected:
            if parameter.name not in seen:
                if parameter.required:
                    raise BadRequest(f'the parameter "{parameter.name}" is missing')
                piece, query, _ = scoped(parameter, scope, None)
                pieces.append(piece)
                texts.append(query)
        length = step = 0.0
        if "step" in endpoint.parameters:
            length, step = check_range(plain["start"], plain["end"], plain["step"])
        if subqueries and endpoint.evaluates:
            check_subqueries(subqueries, length, step)
        return pieces, texts

    def cached(self) -> dict[_Key, Scoped]:
        """Return all cached texts."""
        return dict(self._scoped.items())

    def keep(self, scope: Scope, texts: Mapping[_Key, Scoped]) -> None:
        """Cache texts that another binder has scoped for a scope."""
        for (_, name, value), text in texts.items():
            # Not the other process's copy of the matcher, which may be long, for each text.
            self._scoped.put((scope.matcher, name, value), text)

    def _cached_piece(self, parameter: Parameter, scope: Scope, value: bytes | None) -> Scoped:
        """Return a scoped text that is cached."""
        kept = self._scoped.get((scope.matcher, parameter.name, value))
        if kept is None:
            raise NotCached
        return kept

    def _scoped_piece(self, parameter: Parameter, scope: Scope, value: bytes | None) -> Scoped:
        """Return a scoped query or selector; for None, the selector of everything with the scope's label."""
        key = (scope.matcher, parameter.name, value)
        kept = self._scoped.get(key)
        if kept is None:
            nested: tuple[Nested, ...] = ()
            if value is None:
                original, sent = "", f"{{{scope.matcher}}}"
            else:
                original = decode(value)
                parser = parse if parameter.kind is Kind.QUERY else parse_selector
                query = parser(original, self._bounds)
                sent = scope_parsed(query, scope, parser)
                nested = find_subqueries(query)
            kept = Scoped(encode(parameter.name, sent), Text(original, sent), nested)
            self._scoped.put(key, kept)
        return kept


_Key: TypeAlias = tuple[str, str, bytes | None]
"""What a scoped parameter depends on: the scope's matcher, its name, which has one kind in the whole table,
and the encoded text, if any."""


def _size(key: _Key, scoped: Scoped) -> int:
    """Return about how many bytes a cached text takes; its matcher is that of the scope."""
    strings = (key[2], scoped.piece, *scoped.text)
    return sum(map(sys.getsizeof, strings)) + _NESTED_BYTES * (1 + len(scoped.subqueries))


def bind_anew(
    endpoint: Endpoint,
    scope: Scope,
    url: bytes,
    body: bytes | None,
    bounds: Bounds,
) -> tuple[BoundParameters, dict[_Key, Scoped]]:
    """Bind a scoped caller's request as :meth:`Binder.bind` does, in a process without a binder.

    Returns:
        The parameters for the upstream, and the texts for :meth:`Binder.keep`.
    """
    binder = Binder(bounds)
    return binder.bind(endpoint, scope, url, body), binder.cached()


def _check(name: str, text: str) -> None:
    """Check the decoded value of a parameter that is not PromQL.

    Raises:
        BadRequest: the value is not valid for its kind.
    """
    check = _CHECKS.get(name)
    if check is None:
        return
    form, description = check
    if len(text) > _MAX_PLAIN_VALUE or form.fullmatch(text) is None:
        shown = ascii(text[:_MAX_PLAIN_VALUE])
        raise BadRequest(f'invalid parameter "{name}": {shown} is not {description}')

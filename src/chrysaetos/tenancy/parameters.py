"""A request's parameters → the upstream's parameters.

Parameters are in the query of the URL and in a form body, in the same encoding (WHATWG URL,
"application/x-www-form-urlencoded"). They are split, decoded once, checked, scoped, and encoded again.
"""

from __future__ import annotations

import re
import sys
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import quote_plus, unquote_to_bytes

from chrysaetos.errors import BadRequest
from chrysaetos.lru import Lru
from chrysaetos.promql import units
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse, parse_selector
from chrysaetos.tenancy.endpoints import Kind
from chrysaetos.tenancy.enforce import scope_parsed
from chrysaetos.tenancy.ranges import BOUNDARY_TIMES, check_range
from chrysaetos.tenancy.scope import check_added
from chrysaetos.tenancy.subqueries import check_subqueries, find_subqueries

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

    from chrysaetos.promql.parser import Bounds
    from chrysaetos.tenancy.endpoints import Endpoint, Parameter
    from chrysaetos.tenancy.scope import Scope
    from chrysaetos.tenancy.subqueries import Nested

__all__ = [
    "Binder",
    "Bound",
    "NotCached",
    "Scoped",
    "Text",
    "bind_anew",
    "count_parameters",
    "split_parameters",
    "values_of",
]

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
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
_PROMQL = frozenset({Kind.QUERY, Kind.SELECTOR})
_MAX_PARAMETERS = 1000
"""Maximum number of parameters of a request; a series request may have many selectors."""
_MAX_CACHED_BYTES = 32 * 1024 * 1024
"""Maximum size of all cached texts together."""
_NESTED_BYTES = 300
"""About the size of the description of a subquery."""
_SAFE = re.compile(rb"[A-Za-z0-9_.~-]+")
"""Bytes that are the same encoded and decoded."""
_LONGEST_PLAIN_VALUE = 64
"""Maximum length in characters of a time, duration or count."""
_MAX_UNCACHED_BYTES = 16 * 1024
"""Bytes of names and plain values that are decoded together with cached texts, which takes 2 ms at most."""


class Text(NamedTuple):
    """A PromQL text of a request.

    Attributes:
        original: the caller's text, decoded.
        sent: the text for the upstream.
    """

    original: str
    sent: str


class Bound(NamedTuple):
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
        size: int = 4096,
        reserved: frozenset[str] = frozenset(),
    ) -> None:
        self._bounds = bounds
        self._reserved = reserved
        self._scoped: Lru[_Key, Scoped] = Lru(size, weigh=_size, max_weight=_MAX_CACHED_BYTES)

    @property
    def cached_bytes(self) -> int:
        """About the size of all cached texts together."""
        return self._scoped.weight

    def bind(
        self,
        endpoint: Endpoint,
        scope: Scope,
        url: bytes,
        body: bytes | None,
        *,
        cached_only: bool = False,
    ) -> Bound:
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
            return Bound(new_url, new_body, tuple(texts))
        # The order of Go's Form: the body before the URL.
        places = (body or b"", url)
        if cached_only:
            pieces, texts = self._pieces(endpoint, scope, places, self._cached_piece, _MAX_UNCACHED_BYTES)
        else:
            pieces, texts = self._pieces(endpoint, scope, places, self._scoped_piece, sys.maxsize)
        joined = b"&".join(pieces)
        return Bound(joined, None, tuple(texts)) if body is None else Bound(b"", joined, tuple(texts))

    def _rewritten(self, endpoint: Endpoint, encoded: bytes, texts: list[Text]) -> bytes:
        """Return parameters unchanged, encoded again. PromQL texts are appended to the list."""
        pieces: list[bytes] = []
        for raw_name, raw in _split(encoded):
            name, value = _decoded(raw_name), _decoded(raw)
            if name.lower() in self._reserved:
                continue
            pieces.append(_encoded(name, value))
            parameter = endpoint.parameters.get(name)
            if parameter is not None and parameter.kind in _PROMQL:
                texts.append(Text(value, value))
        return b"&".join(pieces)

    def _pieces(
        self,
        endpoint: Endpoint,
        scope: Scope,
        places: tuple[bytes, ...],
        scoped: Callable[[Parameter, Scope, bytes | None], Scoped],
        left: int,
    ) -> tuple[list[bytes], list[Text]]:
        """Return the encoded parameters and the texts among them.

        Args:
            endpoint: the row of the table.
            scope: the caller's scope.
            places: the encoded parameters.
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
        for raw_name, value in chain.from_iterable(map(_split, places)):
            left -= len(raw_name)
            if left < 0:
                raise NotCached
            name = _decoded(raw_name)
            parameter = endpoint.parameters.get(name)
            if parameter is None:
                continue
            if name in seen and not parameter.repeated:
                raise BadRequest(f'the parameter "{name}" is given more than once: send it once')
            seen.add(name)
            if parameter.kind in _PROMQL:
                piece, text, nested = scoped(parameter, scope, value)
                pieces.append(piece)
                texts.append(text)
                subqueries += nested
                added += len(texts[-1].sent) - len(texts[-1].original)
                check_added(scope, added)
            elif value or parameter.required or parameter.kind is Kind.TEXT:
                left -= len(value)
                if left < 0:
                    raise NotCached
                # For Prometheus an empty value of the other kinds is a missing one.
                plain[name] = _checked(parameter, value)
                pieces.append(_encoded_again(name, raw_name, plain[name], value))
        for parameter in _missing(endpoint, seen):
            piece, text, _ = scoped(parameter, scope, None)
            pieces.append(piece)
            texts.append(text)
        length = step = 0.0
        if "step" in endpoint.parameters:
            length, step = check_range(plain["start"], plain["end"], plain["step"])
        if endpoint.evaluates:
            check_subqueries(subqueries, length, step)
        return pieces, texts

    def cached(self) -> dict[_Key, Scoped]:
        """Return all cached texts."""
        return dict(self._scoped.items())

    def keep(self, scope: Scope, texts: Mapping[_Key, Scoped]) -> None:
        """Cache texts that another binder has scoped for a scope."""
        for (_, kind, value), text in texts.items():
            # Not the other process's copy of the matcher, which may be long, for each text.
            self._scoped.put((scope.matcher, kind, value), text)

    def _cached_piece(self, parameter: Parameter, scope: Scope, value: bytes | None) -> Scoped:
        """Return a scoped text that is cached."""
        kept = self._scoped.get((scope.matcher, parameter.kind, value))
        if kept is None:
            raise NotCached
        return kept

    def _scoped_piece(self, parameter: Parameter, scope: Scope, value: bytes | None) -> Scoped:
        """Return a scoped query or selector; for None, the selector of everything with the scope's label."""
        kind = parameter.kind
        key = (scope.matcher, kind, value)
        kept = self._scoped.get(key)
        if kept is None:
            nested: tuple[Nested, ...] = ()
            if value is None:
                original, sent = "", _whole_scope(scope)
            else:
                original = _decoded(value)
                parser = parse if kind is Kind.QUERY else parse_selector
                query = parser(original, self._bounds)
                sent = scope_parsed(query, scope, parser)
                nested = find_subqueries(query)
            kept = Scoped(_encoded(parameter.name, sent), Text(original, sent), nested)
            self._scoped.put(key, kept)
        return kept


_Key: TypeAlias = tuple[str, Kind, bytes | None]
"""What the scoped form of a text depends on: the scope's matcher, the kind and the encoded text, if any."""


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
) -> tuple[Bound, dict[_Key, Scoped]]:
    """Bind a scoped caller's request as :meth:`Binder.bind` does, in a process without a binder.

    Returns:
        The parameters for the upstream, and the texts for :meth:`Binder.keep`.
    """
    binder = Binder(bounds)
    return binder.bind(endpoint, scope, url, body), binder.cached()


def _missing(endpoint: Endpoint, given: Container[str]) -> Iterator[Parameter]:
    """Yield the selectors that are not given, and default to the scope.

    Raises:
        BadRequest: a parameter is missing.
    """
    for name, parameter in endpoint.parameters.items():
        if name not in given:
            if parameter.required:
                raise BadRequest(f'the parameter "{name}" is missing')
            if parameter.kind is Kind.SELECTOR:
                yield parameter


def _whole_scope(scope: Scope) -> str:
    """Return the selector of everything that carries the scope's label."""
    return f"{{{scope.matcher}}}"


def _checked(parameter: Parameter, value: bytes) -> str:
    """Return the decoded value of a parameter that is not PromQL.

    Raises:
        BadRequest: the value is not valid for its kind.
    """
    text = _decoded(value)
    if parameter.kind is not Kind.TEXT:
        form, description = _FORMS[parameter.kind]
        if len(text) > _LONGEST_PLAIN_VALUE or form.fullmatch(text) is None:
            shown = ascii(text[:_LONGEST_PLAIN_VALUE])
            raise BadRequest(f'invalid parameter "{parameter.name}": {shown} is not {description}')
    return text


def count_parameters(url: bytes, body: bytes | None) -> None:
    """Check the number of parameters, before any of them is decoded.

    Raises:
        BadRequest: there are too many.
    """
    count = url.count(b"&") + (body or b"").count(b"&") + 1
    if count > _MAX_PARAMETERS:
        raise BadRequest(f"the request has {count} parameters: send at most {_MAX_PARAMETERS} in one")


def split_parameters(encoded: bytes) -> Iterator[tuple[str, str]]:
    """Return the decoded names and values of a URL's query.

    Raises:
        BadRequest: a percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    """
    for name, value in _split(encoded):
        yield _decoded(name), _decoded(value)


def values_of(name: str, encoded: bytes) -> list[str]:
    """Return the decoded values of one parameter; others, which may be long, are not decoded.

    Raises:
        BadRequest: as for ``split_parameters``, or a value is too long.
    """
    longest = 3 * len(name.encode())
    values = [value for given, value in _split(encoded) if len(given) <= longest and _decoded(given) == name]
    if sum(map(len, values)) > _MAX_UNCACHED_BYTES:
        raise BadRequest(f'the parameter "{name}" is too long')
    return list(map(_decoded, values))


def _split(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the encoded names and values."""
    for pair in encoded.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            yield name, value


def _decoded(value: bytes) -> str:
    """Decode a name or a value, once.

    Raises:
        BadRequest: a percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    """
    if b"+" in value:
        value = value.replace(b"+", b" ")
    if b"%" in value:
        if _BAD_ESCAPE.search(value) is not None:
            raise BadRequest('a parameter holds a "%" that is not followed by two hexadecimal digits')
        value = unquote_to_bytes(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest("a parameter is not valid UTF-8") from None


def _encoded_again(name: str, raw_name: bytes, value: str, raw: bytes) -> bytes:
    """Return a decoded parameter encoded; ``raw_name`` and ``raw`` are its encoded forms."""
    if _SAFE.fullmatch(raw_name) is not None and _SAFE.fullmatch(raw) is not None:
        return b"%b=%b" % (raw_name, raw)
    return _encoded(name, value)


def _encoded(name: str, value: str) -> bytes:
    return f"{quote_plus(name)}={quote_plus(value)}".encode("ascii")

"""Scope remote reads: insert the matcher into each query of a ``prometheus.ReadRequest``.

The message is decoded field by field and encoded again, so the upstream reads only what was understood here.
A field, an enumeration value or a wire type that is not in the schema might widen a query, and is refused.

Source: Prometheus 3.14, ``prompb/remote.proto`` and ``prompb/types.proto``; Protocol Buffers, "Encoding".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from chrysaetos.errors import ApiError, BadRequest
from chrysaetos.promql.strings import is_legacy_name, quote, regex_quote
from chrysaetos.tenancy.labels import OPEN
from chrysaetos.tenancy.parameters import Text
from chrysaetos.tenancy.scope import check_added
from chrysaetos.tenancy.snappy import compress, decompress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chrysaetos.tenancy.scope import Scope

__all__ = ["MAX_QUERIES", "ReadRequest", "scope_read_request"]

MAX_QUERIES: Final = 100
"""Maximum number of queries of a message. Prometheus sends one; each grows by the scope's matcher."""
_MAX_MATCHERS: Final = 100
"""Maximum number of matchers of a query."""
_MAX_RESPONSE_TYPES: Final = 10

_VARINT, _BYTES = 0, 2

# ReadRequest
_QUERIES, _RESPONSE_TYPES = 1, 2
_RESPONSE_TYPE_VALUES = frozenset({0, 1})  # SAMPLES, STREAMED_XOR_CHUNKS
# Query
_TIMES = frozenset({1, 2})  # start_timestamp_ms, end_timestamp_ms
_MATCHERS, _HINTS = 3, 4
# LabelMatcher
_TYPE, _NAME, _VALUE = 1, 2, 3
_OPERATORS = {0: "=", 1: "!=", 2: "=~", 3: "!~"}  # EQ, NEQ, RE, NRE
_EQUAL, _REGEX = 0, 2
# ReadHints
_HINT_NUMBERS = frozenset({1, 3, 4, 6, 7})  # step_ms, start_ms, end_ms, by, range_ms
_HINT_TEXTS = frozenset({2, 5})  # func, grouping


class _Matcher(NamedTuple):
    """A label matcher; name and value are UTF-8."""

    kind: int
    name: bytes
    value: bytes

    def encode(self) -> bytes:
        """Return the matcher as a field of a query."""
        content = _field(_TYPE, self.kind) + _field(_NAME, self.name) + _field(_VALUE, self.value)
        return _field(_MATCHERS, content)


class ReadRequest(NamedTuple):
    """A remote read for the upstream.

    Attributes:
        body: a ``prometheus.ReadRequest``, compressed.
        texts: the matchers of each query as a selector, for the audit.
    """

    body: bytes
    texts: tuple[Text, ...]


def scope_read_request(body: bytes, scope: Scope, limit: int) -> ReadRequest:
    """Restrict a remote read to a scope.

    Args:
        body: a ``ReadRequest``, compressed.
        scope: the caller's scope.
        limit: maximum length of the decompressed message.

    Returns:
        The message with the scope's matcher in each query. For an unrestricted scope the body is returned
        unchanged and unchecked.

    Raises:
        BadRequest: the body is not such a message, or has something that is not in the schema.
        ContentTooLarge: the message is longer than the limit.
    """
    texts: list[Text] = []
    if not scope.unrestricted:
        return ReadRequest(compress(_request(decompress(body, limit), scope, texts)), tuple(texts))
    try:
        _request(decompress(body, limit), scope, texts)
    except ApiError:
        return ReadRequest(body, ())  # what it means is the upstream's to say
    return ReadRequest(body, tuple(texts))


def _scope_matchers(scope: Scope, metric: str | None) -> tuple[_Matcher, ...]:
    """Return the scope's matchers for a metric; none if the metric is open to all tenants.

    The matcher is a regular expression even for one value. Prometheus replaces an equality with one of its
    external labels by "label is missing" (``storage/remote/read_handler.go``,
    ``filterExtLabelsFromMatchers``), which would select series of no tenant.
    """
    label = scope.label_of(metric)
    if scope.unrestricted or label == OPEN:
        return ()
    value = "|".join(map(regex_quote, scope.values))
    return (_Matcher(_REGEX, label.encode(), value.encode()),)


def _request(message: bytes, scope: Scope, texts: list[Text]) -> bytes:
    """Return the scoped message. The selectors of its queries are appended to the list."""
    pieces: list[bytes] = []
    queries = added = response_types = 0
    for number, value in _fields(message):
        if number == _QUERIES and isinstance(value, bytes):
            queries += 1
            if queries > MAX_QUERIES:
                raise BadRequest(f"the message holds more than {MAX_QUERIES} queries: send several")
            pieces.append(_field(_QUERIES, _query(value, scope, texts)))
            added += len(texts[-1].sent) - len(texts[-1].original)
            check_added(scope, added)
        elif number == _RESPONSE_TYPES:
            # A repeated number may be packed or not.
            for one in _packed(value) if isinstance(value, bytes) else (value,):
                response_types += 1
                if response_types > _MAX_RESPONSE_TYPES:
                    raise BadRequest(f"the message holds more than {_MAX_RESPONSE_TYPES} response types")
                if one not in _RESPONSE_TYPE_VALUES:
                    raise _unknown("ReadRequest")
                pieces.append(_field(_RESPONSE_TYPES, one))
        else:
            raise _unknown("ReadRequest")
    return b"".join(pieces)


def _query(message: bytes, scope: Scope, texts: list[Text]) -> bytes:
    pieces: list[bytes] = []
    matchers: list[_Matcher] = []
    for number, value in _fields(message):
        if number in _TIMES and isinstance(value, int):
            pieces.append(_field(number, value))
        elif number == _MATCHERS and isinstance(value, bytes):
            if len(matchers) == _MAX_MATCHERS:
                raise BadRequest(f"a query of the message holds more than {_MAX_MATCHERS} matchers")
            matchers.append(_matcher(value))
            pieces.append(matchers[-1].encode())
        elif number == _HINTS and isinstance(value, bytes):
            pieces.append(_field(_HINTS, _hints(value)))
        else:
            raise _unknown("Query")
    names = [matcher for matcher in matchers if matcher.name == b"__name__"]
    fixed = len(names) == 1 and names[0].kind == _EQUAL
    added = _scope_matchers(scope, names[0].value.decode() if fixed else None)
    pieces += [matcher.encode() for matcher in added]
    texts.append(Text(_selector(matchers), _selector([*matchers, *added])))
    return b"".join(pieces)


def _selector(matchers: Iterable[_Matcher]) -> str:
    """Return matchers in PromQL's syntax."""
    written = []
    for kind, raw, value in matchers:
        name = raw.decode()
        shown = name if is_legacy_name(name) else quote(name)
        written.append(f"{shown}{_OPERATORS[kind]}{quote(value.decode())}")
    return f"{{{','.join(written)}}}"


def _matcher(message: bytes) -> _Matcher:
    """Decode a matcher. The last of duplicate fields applies.

    One without a name is refused. If its value is empty too, Prometheus takes it for "all series", to which
    it can only answer with an error, unless other matchers match nothing: in the whole store, not only in the
    scope (``tsdb/querier.go``, ``PostingsForMatchers``). The error would tell what other tenants have.
    """
    kind, name, text = _EQUAL, b"", b""
    for number, value in _fields(message):
        if isinstance(value, int):
            if number != _TYPE or value not in _OPERATORS:
                raise _unknown("LabelMatcher")
            kind = value
        elif number == _NAME and _is_text(value):
            name = value
        elif number == _VALUE and _is_text(value):
            text = value
        else:
            raise _unknown("LabelMatcher")
    if not name:
        raise BadRequest("a matcher of the message has no label")
    return _Matcher(kind, name, text)


def _hints(message: bytes) -> bytes:
    pieces: list[bytes] = []
    for number, value in _fields(message):
        known = (
            isinstance(value, int) if number in _HINT_NUMBERS else number in _HINT_TEXTS and _is_text(value)
        )
        if not known:
            raise _unknown("ReadHints")
        pieces.append(_field(number, value))
    return b"".join(pieces)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the numbers and values of a message's fields in their order."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        value, position = _varint(message, position)
        if wire_type == _VARINT:
            yield number, value
        elif wire_type == _BYTES:
            end = position + value
            if end > len(message):
                raise _truncated()
            yield number, message[position:end]
            position = end
        else:
            raise BadRequest(f"the message has wire type {wire_type}, which a ReadRequest does not use")


def _packed(value: bytes) -> Iterator[int]:
    position = 0
    while position < len(value):
        one, position = _varint(value, position)
        yield one


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return a number of up to 64 bits and the position after it."""
    result = 0
    for shift in range(0, 70, 7):
        if position == len(message):
            raise _truncated()
        byte = message[position]
        position += 1
        result |= (byte & 127) << shift
        if byte < 128:
            if result >= 1 << 64:
                break
            return result, position
    raise BadRequest("the message holds a number of more than 64 bits")


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _as_varint(number << 3 | _VARINT) + _as_varint(value)
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(value)) + value


def _as_varint(value: int) -> bytes:
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    result.append(value)
    return bytes(result)


def _is_text(value: int | bytes) -> bool:
    if isinstance(value, int):
        return False
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _truncated() -> BadRequest:
    return BadRequest("the message ends in the middle of a field")


def _unknown(name: str) -> BadRequest:
    return BadRequest(f"prometheus.{name} in the message has an unknown field: use remote read 0.1.0")

r"""Decode PromQL's string literals, and encode values as literals.

PromQL has Go's escapes (``util/strutil/quote.go``). Its strings are bytes: ``"\xff"`` is the single
byte 255, which is not UTF-8. Such bytes are surrogate escapes here (PEP 383).
"""

from __future__ import annotations

import re

__all__ = ["is_label_name", "is_legacy_name", "quote", "regex_quote", "unquote"]

_ESCAPE = re.compile(
    rb"\\(?:([abfnrtv\\\"'])|([0-3][0-7]{2})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"
)
_SIMPLE = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"\\": b"\\",
    b'"': b'"',
    b"'": b"'",
}
# Control characters, and U+FFFD, which Prometheus' lexer refuses unescaped.
_UNSAFE = re.compile('[\\x00-\\x1f\\x7f"\\\\\ufffd]')
_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LEGACY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def unquote(literal: str) -> str:
    """Return the value of a string literal that the lexer accepted.

    Args:
        literal: the literal with quotes.

    Returns:
        The value; bytes that are not UTF-8 as surrogate escapes.
    """
    body = literal[1:-1]
    if literal[0] == "`" or "\\" not in body:
        return body
    return _ESCAPE.sub(_unescape, body.encode()).decode("utf-8", "surrogateescape")


def _unescape(match: re.Match[bytes]) -> bytes:
    simple, octal, byte, short, long = match.groups()
    if simple:
        return _SIMPLE[simple]
    if octal or byte:
        return bytes([int(octal, 8) if octal else int(byte, 16)])
    return chr(int(short or long, 16)).encode()


def quote(value: str) -> str:
    """Return a double-quoted literal with exactly this value.

    Raises:
        UnicodeEncodeError: the value holds a surrogate.
    """
    value.encode()
    return '"' + _UNSAFE.sub(_escape, value) + '"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in '"\\':
        return "\\" + character
    if character == "\n":
        return "\\n"
    return f"\\u{ord(character):04x}"


def regex_quote(value: str) -> str:
    """Return an RE2 regular expression that matches only this value (Go, ``regexp.QuoteMeta``)."""
    return _REGEX_SPECIAL.sub(r"\\\g<0>", value)


def is_label_name(name: str) -> bool:
    """Return whether a text is a label name: not empty, valid UTF-8 (prometheus/common, ``model``)."""
    return bool(name) and _SURROGATE.search(name) is None


def is_legacy_name(name: str) -> bool:
    """Return whether a label name needs no quotes (Prometheus documentation, "Data model")."""
    return _LEGACY_NAME.fullmatch(name) is not None

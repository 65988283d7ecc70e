from __future__ import annotations

import pytest

from chrysaetos.errors import BadRequest
from chrysaetos.identity.credentials import Kind, is_token, pick

TOKEN = (b"x-auth-token", b"T")
SERVICE = (b"x-service-token", b"S")
BEARER = (b"authorization", b"Bearer T")
BASIC = (b"authorization", b"Basic eDp5")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([TOKEN], (Kind.TOKEN, b"T", None)),
        ([(b"host", b"x"), TOKEN, (b"accept", b"*/*")], (Kind.TOKEN, b"T", None)),
        ([TOKEN, SERVICE], (Kind.TOKEN, b"T", b"S")),
        ([SERVICE, BEARER], (Kind.TOKEN, b"T", b"S")),
        ([BEARER], (Kind.TOKEN, b"T", None)),
        ([(b"authorization", b"bEARER  T")], (Kind.TOKEN, b"T", None)),
        ([TOKEN, BEARER], (Kind.TOKEN, b"T", None)),
        ([BASIC], (Kind.BASIC, b"eDp5", None)),
        ([BASIC, SERVICE], (Kind.BASIC, b"eDp5", b"S")),
        ([(b"authorization", b"basic eDp5 ")], (Kind.BASIC, b"eDp5", None)),
        ([(b"authorization", b"Digest a=b")], (Kind.UNKNOWN, b"", None)),
        ([(b"authorization", b"")], (Kind.UNKNOWN, b"", None)),
        ([(b"x-auth-token", b"")], (Kind.TOKEN, b"", None)),
        ([SERVICE], (Kind.NONE, b"", b"S")),
        ([], (Kind.NONE, b"", None)),
    ],
)
def test_the_credential_is_picked(headers, expected):
    assert pick(headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [TOKEN, TOKEN],
        [TOKEN, (b"x-auth-token", b"other")],
        [BEARER, BASIC],
        [BASIC, BASIC],
        [TOKEN, SERVICE, SERVICE],
        [TOKEN, (b"authorization", b"Bearer other")],
        [TOKEN, BASIC],
        [TOKEN, (b"authorization", b"Digest a=b")],
        [(b"x-auth-token", b""), BASIC],
    ],
)
def test_two_credentials_are_rejected(headers):
    with pytest.raises(BadRequest) as caught:
        pick(headers)
    assert "other" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [b"x_auth_token", b"x-storage-token", b"x-project-id", b"x-roles", b"x-identity-status", b"cookie"],
)
def test_no_other_header_is_a_credential(name):
    assert pick([(name, b"T")])[0] is Kind.NONE


@pytest.mark.parametrize(
    "value", [b"", b" ", b"a b", b" a", b"a\n", b"a\x00", b"\xc3\xa9", b"\x7f", b"a" * 8193]
)
def test_invalid_tokens(value):
    assert not is_token(value)


@pytest.mark.parametrize("value", [b"a", b"gAAAAABl-_=", b"a" * 8192])
def test_valid_tokens(value):
    assert is_token(value)

"""Raw requests to the real gateway: malformed ones get 4xx, the connection closes, and nothing is forwarded.

Each request has valid credentials and a valid query, so only its framing decides whether it is forwarded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from tests.fakes.wire import Recorder, Wire, statuses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack import GatewayFor, People, Tokens

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.prometheus import Prometheus

GET = b"GET /api/v1/query?query=up HTTP/1.1\r\n"
POST = b"POST /api/v1/query HTTP/1.1\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
HOST = b"Host: gateway.example\r\n"
WHO = b"X-Auth-Token: TOKEN\r\n"
END = b"\r\n"
BODY = b"query=up"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"8\r\nquery=up\r\n0\r\n\r\n"
GOOD = GET + HOST + WHO + END


def get(*lines: bytes, line: bytes = GET, host: bytes = HOST) -> bytes:
    return line + host + WHO + b"".join(lines) + END


def post(*lines: bytes, body: bytes = BODY) -> bytes:
    return POST + HOST + WHO + FORM + b"".join(lines) + END + body


def chunks(body: bytes) -> bytes:
    return post(CHUNKED, body=body)


BAD: dict[str, tuple[bytes, int]] = {
    "two lengths that differ": (post(b"Content-Length: 8\r\nContent-Length: 9\r\n"), 400),
    "two lengths that agree": (post(b"Content-Length: 8\r\nContent-Length: 8\r\n"), 400),
    "a list of lengths": (post(b"Content-Length: 8, 8\r\n"), 400),
    "a length and chunks": (post(b"Content-Length: 8\r\n", CHUNKED, body=CHUNKS), 400),
    "chunks and a length": (post(CHUNKED, b"Content-Length: 8\r\n", body=CHUNKS), 400),
    "a length on GET and chunks": (get(b"Content-Length: 0\r\n", CHUNKED), 400),
    "chunked twice in a line": (post(b"Transfer-Encoding: chunked, chunked\r\n", body=CHUNKS), 400),
    "chunked in two lines": (post(CHUNKED, CHUNKED, body=CHUNKS), 400),
    "chunked and identity": (post(CHUNKED, b"Transfer-Encoding: identity\r\n", body=CHUNKS), 400),
    "identity": (post(b"Transfer-Encoding: identity\r\n"), 400),
    "xchunked": (post(b"Transfer-Encoding: xchunked\r\n", body=CHUNKS), 400),
    "gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked\r\n", body=CHUNKS), 400),
    "chunked with a parameter": (post(b"Transfer-Encoding: chunked;q=1\r\n", body=CHUNKS), 400),
    "chunked in quotes": (post(b'Transfer-Encoding: "chunked"\r\n', body=CHUNKS), 400),
    "chunked behind a vertical tab": (post(b"Transfer-Encoding: \x0bchunked\r\n", body=CHUNKS), 400),
    "an empty coding": (post(b"Transfer-Encoding:\r\n"), 400),
    "chunked on a folded line": (post(b"Transfer-Encoding:\r\n chunked\r\n", body=CHUNKS), 400),
    "chunked in HTTP/1.0": (chunks(CHUNKS).replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "a length with a plus": (post(b"Content-Length: +8\r\n"), 400),
    "a length with a minus": (post(b"Content-Length: -8\r\n"), 400),
    "a length with a space": (post(b"Content-Length: 0 8\r\n"), 400),
    "a length with an underscore": (post(b"Content-Length: 1_0\r\n"), 400),
    "a length in hexadecimal": (post(b"Content-Length: 0x8\r\n"), 400),
    "an empty length": (post(b"Content-Length:\r\n"), 400),
    "a length beyond all numbers": (post(b"Content-Length: " + b"9" * 40 + b"\r\n"), 400),
    "a length beyond the limit": (post(b"Content-Length: 999999999\r\n"), 413),
    "a chunk size that is none": (chunks(b"x\r\nquery=up\r\n0\r\n\r\n"), 400),
    "no chunk size": (chunks(b"\r\nquery=up\r\n0\r\n\r\n"), 400),
    "a negative chunk size": (chunks(b"-8\r\nquery=up\r\n0\r\n\r\n"), 400),
    "a chunk size with 0x": (chunks(b"0x8\r\nquery=up\r\n0\r\n\r\n"), 400),
    "a chunk size with a space": (chunks(b"8 \r\nquery=up\r\n0\r\n\r\n"), 400),
    "a chunk size beyond all numbers": (chunks(b"fffffffffffffffff\r\nquery=up\r\n"), 400),
    "a chunk size beyond the limit": (chunks(b"fffffff\r\nquery=up\r\n"), 413),
    "a chunk longer than its size": (chunks(b"3\r\nquery=up\r\n0\r\n\r\n"), 400),
    "a chunk size that ends with LF": (chunks(b"8\nquery=up\r\n0\r\n\r\n"), 400),
    "a chunk that ends with LF": (chunks(b"8\r\nquery=up\n0\r\n\r\n"), 400),
    "a chunk extension with LF": (chunks(b"8;a\nquery=up\r\n0\r\n\r\n"), 400),
    "a chunk extension without end": (chunks(b"8;" + b"a" * 10_000), 400),
    "a malformed second chunk": (chunks(b"8\r\nquery=up\r\nz\r\n"), 400),
    "a trailer without a name": (chunks(b"8\r\nquery=up\r\n0\r\n: x\r\n\r\n"), 400),
    "a folded trailer": (chunks(b"8\r\nquery=up\r\n0\r\nA: b\r\n c\r\n\r\n"), 400),
    "trailers without end": (chunks(b"8\r\nquery=up\r\n0\r\n" + b"A: b\r\n" * 10_000), 431),
    "malformed chunks on GET": (get(CHUNKED) + b"z\r\n", 400),
    "LF for CRLF": (GOOD.replace(b"\r\n", b"\n"), 400),
    "LF for CRLF in one line": (get(b"A: b\nC: d\r\n"), 400),
    "LF LF as the end": (GET + HOST + WHO.rstrip() + b"\n\n", 400),
    "CR for CRLF": (GOOD.replace(b"\r\n", b"\r"), 400),
    "CR in a value": (get(b"A: b\rC: d\r\n"), 400),
    "CR CR LF": (get(b"A: b\r\r\n"), 400),
    "a folded line": (get(b"A: b\r\n c\r\n"), 400),
    "a folded line with a tab": (get(b"A: b\r\n\tc\r\n"), 400),
    "a folded first line": (GET + b" A: b\r\n" + HOST + WHO + END, 400),
    "a space before the colon": (post(b"Content-Length : 8\r\n"), 400),
    "a tab before the colon": (get(b"A\t: b\r\n"), 400),
    "a space in a name": (get(b"A B: c\r\n"), 400),
    "an empty name": (get(b": b\r\n"), 400),
    "a line without a colon": (get(b"nonsense\r\n"), 400),
    "NUL in a name": (get(b"A\0: b\r\n"), 400),
    "NUL in a value": (get(b"A: b\0c\r\n"), 400),
    "NUL in the token": (GOOD.replace(b"TOKEN", b"TOKEN\0"), 400),
    "an escape in a value": (get(b"A: \x1b[0m\r\n"), 400),
    "DEL in a value": (get(b"A: \x7f\r\n"), 400),
    "a control byte in a name": (get(b"A\x01: b\r\n"), 400),
    "a high byte in a name": (get(b"\xc3\xa4: b\r\n"), 400),
    "NUL in the target": (get(line=b"GET /api/v1/query?query=up\0 HTTP/1.1\r\n"), 400),
    "a tab in the target": (get(line=b"GET /api/v1/query?query=\tup HTTP/1.1\r\n"), 400),
    "a space in the target": (get(line=b"GET /api/v1/query?query=up and up HTTP/1.1\r\n"), 400),
    "a high byte in the target": (get(line=b"GET /api/v1/query?query=\xc3\xa4 HTTP/1.1\r\n"), 400),
    "a fragment in the target": (get(line=b"GET /api/v1/query?query=up#a HTTP/1.1\r\n"), 400),
    "two spaces in the request line": (get(line=b"GET  /api/v1/query?query=up HTTP/1.1\r\n"), 400),
    "a tab in the request line": (get(line=b"GET\t/api/v1/query?query=up HTTP/1.1\r\n"), 400),
    "a space in front of the method": (get(line=b" " + GET), 400),
    "a method that is none": (get(line=b"G@T /api/v1/query?query=up HTTP/1.1\r\n"), 400),
    "a method without end": (get(line=b"G" * 100 + GET), 400),
    "an unknown method": (get(line=b"FETCH /api/v1/query?query=up HTTP/1.1\r\n"), 405),
    "no method": (get(line=b"/api/v1/query?query=up HTTP/1.1\r\n"), 400),
    "HTTP/0.9": (b"GET /api/v1/query?query=up\r\n", 400),
    "HTTP/0.9 in words": (get(line=b"GET /api/v1/query?query=up HTTP/0.9\r\n"), 400),
    "HTTP/1.2": (get(line=b"GET /api/v1/query?query=up HTTP/1.2\r\n"), 400),
    "HTTP/1.10": (get(line=b"GET /api/v1/query?query=up HTTP/1.10\r\n"), 400),
    "HTTP/2.0": (get(line=b"GET /api/v1/query?query=up HTTP/2.0\r\n"), 400),
    "http/1.1": (get(line=b"GET /api/v1/query?query=up http/1.1\r\n"), 400),
    "another protocol": (get(line=b"GET /api/v1/query?query=up ICAP/1.1\r\n"), 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), 400),
    "a URL without end": (b"GET /api/v1/query?query=" + b"u" * 200_000, 414),
    "a long URL": (get(line=b"GET /api/v1/query?query=" + b"u" * 140_000 + b" HTTP/1.1\r\n"), 414),
    "many fields": (get(b"A: b\r\n" * 200), 431),
    "long fields": (get(*(b"A%d: %b\r\n" % (number, b"b" * 4000) for number in range(20))), 431),
    "fields without end": (GET + b"A: b\r\n" * 50_000, 431),
    "no Host": (get(host=b""), 400),
    "two Hosts": (get(HOST), 400),
    "two different Hosts": (get(b"Host: other.example\r\n"), 400),
    "an empty Host": (get(host=b"Host:\r\n"), 400),
    "a Host with a path": (get(host=b"Host: a/api?x=\r\n"), 400),
    "a Host with user information": (get(host=b"Host: a@b\r\n"), 400),
    "a target with another host": (
        get(line=b"GET http://169.254.169.254/api/v1/query?query=up HTTP/1.1\r\n"),
        400,
    ),
    "a target with another scheme": (get(line=b"GET ftp://gateway.example/api/v1/query HTTP/1.1\r\n"), 400),
    "a target without a slash": (get(line=b"GET api/v1/query?query=up HTTP/1.1\r\n"), 400),
    "a target of two hosts": (get(line=b"GET http://gateway.example@evil/api/v1/query HTTP/1.1\r\n"), 400),
    "CONNECT": (get(line=b"CONNECT gateway.example:443 HTTP/1.1\r\n"), 400),
    "an asterisk for GET": (get(line=b"GET * HTTP/1.1\r\n"), 400),
    "an unknown expectation": (post(b"Content-Length: 8\r\nExpect: the-inquisition\r\n"), 417),
    "two expectations": (post(b"Content-Length: 8\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n"), 400),
    "no end of the head": (GET + HOST + WHO, 408),
    "no end of the body": (post(b"Content-Length: 9\r\n"), 408),
    "no last chunk": (chunks(b"8\r\nquery=up\r\n"), 408),
    "no end of the trailers": (chunks(b"8\r\nquery=up\r\n0\r\n"), 408),
    "two empty lines in front": (b"\r\n\r\n" + GOOD, 400),
    "the token twice": (get(WHO), 400),
    "two tokens": (get(b"X-Auth-Token: other\r\n"), 400),
    "the token with an underscore": (GET + HOST + WHO.replace(b"-", b"_") + END, 401),
}
KEPT = {"the token twice", "two tokens", "the token with an underscore", "an unknown method"}
"""The framing of these requests is valid, and the error is elsewhere: the connection may stay open."""

FINE: dict[str, tuple[bytes, ...]] = {
    "GET": (GOOD,),
    "an empty line in front": (b"\r\n" + GOOD,),
    "names in any case": (GOOD.replace(b"X-Auth-Token", b"x-AUTH-token").replace(b"Host", b"HOST"),),
    "white space around a value": (GOOD.replace(b"TOKEN", b"\t  TOKEN \t"),),
    "POST": (post(b"Content-Length: 8\r\n"),),
    "POST in pieces": (post(b"Content-Length: 8\r\n", body=b"que"), b"ry=", b"up"),
    "chunks": (chunks(CHUNKS),),
    "chunks in pieces": (chunks(b"3\r\nque\r"), b"\n5\r\nry=", b"up\r\n0\r", b"\n\r\n"),
    "chunk extensions": (chunks(b"8;a=b\r\nquery=up\r\n0;c\r\n\r\n"),),
    "trailers": (chunks(b"8\r\nquery=up\r\n0\r\nA: b\r\nContent-Length: 3\r\n\r\n"),),
    "CHUNKED": (post(b"Transfer-Encoding: CHUNKED\r\n", body=CHUNKS),),
    "a target with this host": (get(line=b"GET http://gateway.example/api/v1/query?query=up HTTP/1.1\r\n"),),
    "HTTP/1.0": (GET.replace(b"1.1", b"1.0") + WHO + END,),
    "an offer of h2c": (
        get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
    ),
    "an offer of a web socket": (
        get(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
    ),
    "hop-by-hop names of credentials": (get(b"Connection: X-Auth-Token, X-Project-Id\r\n"),),
    "a length with an underscore beside the real one": (
        post(b"Content_Length: 999\r\nContent-Length: 8\r\n"),
    ),
    "a body on GET": (get(b"Content-Length: 5\r\n") + b"hello",),
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def gateway(gateway_for: GatewayFor, upstream: Recorder) -> Gateway:
    times = {"header_timeout": "1", "body_timeout": "1"}
    return gateway_for(cast("Prometheus", upstream), gateway=times)


@pytest.fixture(scope="module")
def token(tokens: Tokens, people: People) -> bytes:
    return tokens.project(people.a).encode()


def wire(gateway: Gateway) -> Wire:
    return Wire(("127.0.0.1", gateway.port))


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_request_is_rejected_and_not_forwarded(name, gateway, upstream, token):
    raw, status = BAD[name]
    before = len(upstream.received)
    with wire(gateway) as client:
        client.send(raw.replace(b"TOKEN", token))
        answer = client.answer() if name in KEPT else client.rest()
    assert statuses(answer) == [status]
    assert len(upstream.received) == before
    if name not in KEPT:
        assert b"\r\nconnection: close\r\n" in answer


@pytest.mark.parametrize("name", [name for name in BAD if name not in KEPT and BAD[name][1] != 408])
def test_nothing_is_read_after_a_malformed_request(name, gateway, upstream, token):
    raw, status = BAD[name]
    before = len(upstream.received)
    with wire(gateway) as client:
        client.send((raw + GOOD).replace(b"TOKEN", token))
        assert statuses(client.rest()) == [status]
    assert len(upstream.received) == before


@pytest.mark.parametrize("name", FINE)
def test_a_valid_request_reaches_the_upstream(name, gateway, upstream, token):
    pieces = FINE[name]
    before = upstream.received.count(b" HTTP/1.1\r\n")
    with wire(gateway) as client:
        client.send(*(piece.replace(b"TOKEN", token) for piece in pieces), pause=0.001)
        assert statuses(client.answer()) == [200]
    assert upstream.received.count(b" HTTP/1.1\r\n") == before + 1
    assert b"hello" not in upstream.received


def test_a_valid_request_may_arrive_byte_by_byte(gateway, token):
    with wire(gateway) as client:
        client.send(*(bytes([byte]) for byte in GOOD.replace(b"TOKEN", token)), pause=0)
        assert statuses(client.answer()) == [200]


def test_a_malformed_request_after_a_valid_one_is_rejected_in_order(gateway, upstream, token):
    before = upstream.received.count(b" HTTP/1.1\r\n")
    with wire(gateway) as client:
        client.send((GOOD + GOOD + BAD["a length and chunks"][0] + GOOD).replace(b"TOKEN", token))
        assert statuses(client.rest()) == [200, 200, 400]
    assert upstream.received.count(b" HTTP/1.1\r\n") == before + 2


def test_a_client_that_waits_for_100_continue_gets_it(gateway, token):
    with wire(gateway) as client:
        client.send(post(b"Content-Length: 8\r\nExpect: 100-continue\r\n", body=b"").replace(b"TOKEN", token))
        assert statuses(client.answer()) == [100]
        client.send(BODY)
        assert statuses(client.answer()) == [200]


def test_asterisk_and_unknown_methods_are_answered_by_the_table(gateway, upstream):
    before = len(upstream.received)
    with wire(gateway) as client:
        for line, status in (
            (b"OPTIONS * HTTP/1.1\r\n", 404),
            (b"TRACE /api/v1/query HTTP/1.1\r\n", 405),
            (b"CONNECT /api/v1/query HTTP/1.1\r\n", 405),
            (b"PUT /api/v1/query HTTP/1.1\r\n", 405),
        ):
            client.send(line + HOST + END)
            assert statuses(client.answer()) == [status]
    assert len(upstream.received) == before

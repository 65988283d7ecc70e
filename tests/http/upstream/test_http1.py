from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chrysaetos.http.upstream.http1 import ProtocolError, RequestEncoder, ResponseReader

if TYPE_CHECKING:
    from collections.abc import Callable

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def reader(*, head_only: bool = False) -> ResponseReader:
    return ResponseReader(head_only=head_only)


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], ResponseReader]:
    """Return a function that returns a reader with another limit on headers."""

    def reader_of(limit: int) -> ResponseReader:
        monkeypatch.setattr("chrysaetos.http.upstream.http1._MAX_HEADER_BYTES", limit)
        return reader()

    return reader_of


def encoder(
    host: str = "prom",
    port: int | None = 9090,
    path_prefix: str = "",
    static_headers: tuple[tuple[str, str], ...] = (),
    default_headers: tuple[tuple[str, str], ...] = (),
) -> RequestEncoder:
    return RequestEncoder(
        host=host,
        port=port,
        path_prefix=path_prefix,
        user_agent="test/1",
        static_headers=static_headers,
        default_headers=default_headers,
    )


def feed(data: bytes, step: int | None = None, *, head_only: bool = False) -> tuple[ResponseReader, bytes]:
    subject = reader(head_only=head_only)
    step = step or len(data)
    return subject, b"".join(subject.feed(data[at : at + step]) for at in range(0, len(data), step))


# requests


def test_bytes_of_a_request() -> None:
    subject = encoder(path_prefix="/prom/", static_headers=(("X-Scope-OrgID", "cloud"),))
    assert subject.encode("GET", b"/api/v1/query?query=up", [(b"Accept", b"*/*")], b"") == (
        b"GET /prom/api/v1/query?query=up HTTP/1.1\r\nHost: prom:9090\r\nUser-Agent: test/1\r\n"
        b"X-Scope-OrgID: cloud\r\nAccept: */*\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("method", "body", "end"),
    [
        ("POST", b"a=1", b"\r\nContent-Length: 3\r\n\r\na=1"),
        ("POST", b"", b"\r\nContent-Length: 0\r\n\r\n"),
        ("PUT", b"", b"\r\nContent-Length: 0\r\n\r\n"),
        ("DELETE", b"x", b"\r\nContent-Length: 1\r\n\r\nx"),
        ("GET", b"", b"\r\nUser-Agent: test/1\r\n\r\n"),
    ],
)
def test_body_has_a_content_length(method: str, body: bytes, end: bytes) -> None:
    assert encoder().encode(method, b"/", [], body).endswith(end)


@pytest.mark.parametrize(
    ("host", "port", "line"),
    [
        ("prom", None, b"Host: prom\r\n"),
        ("10.0.0.1", 9090, b"Host: 10.0.0.1:9090\r\n"),
        ("::1", 9090, b"Host: [::1]:9090\r\n"),
    ],
)
def test_host(host: str, port: int | None, line: bytes) -> None:
    assert line in encoder(host, port).encode("GET", b"/", [], b"")


def test_a_static_header_replaces_the_callers() -> None:
    sent = encoder(static_headers=(("X-Scope-OrgID", "cloud"),)).encode(
        "GET", b"/", [(b"x-scope-orgid", b"another")], b""
    )
    assert sent.lower().count(b"x-scope-orgid") == 1
    assert b"another" not in sent


def test_header_of_the_caller_replaces_a_default() -> None:
    subject = encoder(static_headers=(("A", "b"),), default_headers=(("X-Scope-OrgID", "all"),))
    assert b"\r\nA: b\r\nX-Scope-OrgID: all\r\n" in subject.encode("GET", b"/", [], b"")
    sent = subject.encode("GET", b"/", [(b"x-scope-orgid", b"one")], b"")
    assert b"\r\nA: b\r\nx-scope-orgid: one\r\n" in sent
    assert b"all" not in sent


@pytest.mark.parametrize(
    "target",
    [
        b"",
        b"api",
        b"/a b",
        b"/a\r\nX: y",
        b"/a\n",
        b"/a\0",
        b"/\xc3\xa9",
        b"/a#b",
        b"/a\x7f",
        b"http://other/",
    ],
)
def test_ambiguous_target_is_rejected(target: bytes) -> None:
    with pytest.raises(ValueError, match="target"):
        encoder().encode("GET", target, [], b"")


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GET /x HTTP/1.1\r\nA: b\r\n\r\nGET", ""])
def test_unsupported_method_is_rejected(method: str) -> None:
    with pytest.raises(ValueError, match="method"):
        encoder().encode(method, b"/", [], b"")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"A", b"secret\r\nB: c"),
        (b"A", b"secret\nB: c"),
        (b"A", b"secret\r"),
        (b"A", b"secret\0"),
        (b"A\r\nB", b"secret"),
        (b"A ", b"secret"),
        (b"A:", b"secret"),
        (b"", b"secret"),
        (b"Content-Length", b"3"),
        (b"transfer-encoding", b"chunked"),
        (b"HOST", b"secret"),
        (b"Connection", b"close"),
        (b"Expect", b"100-continue"),
    ],
)
def test_header_injection_is_rejected_and_not_quoted(name: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        encoder().encode("GET", b"/", [(name, value)], b"")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["prom", "/a?b", "/a#b", "/a b", "/a\r\nb", "/\u00e9"])
def test_invalid_prefix_is_rejected(prefix: str) -> None:
    with pytest.raises(ValueError, match=r"prefix|ascii"):
        encoder(path_prefix=prefix)


@pytest.mark.parametrize("host", ["", "a b", "a\r\nX: y", "a/b", "a@b", "[::1]"])
def test_invalid_host_is_rejected(host: str) -> None:
    with pytest.raises(ValueError, match="host"):
        encoder(host)


def test_invalid_static_header_is_rejected() -> None:
    with pytest.raises(ValueError, match="header"):
        encoder(static_headers=(("A", "b\r\nc"),))
    with pytest.raises(ValueError, match="header"):
        encoder(default_headers=(("A", "b\r\nc"),))


@given(st.binary(max_size=12), st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=12)), max_size=3))
@example(b"/a", [(b"A", b"b")])
def test_accepted_input_is_exactly_one_request(tail: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    target = b"/" + tail
    try:
        sent = encoder().encode("POST", target, headers, b"GET / HTTP/1.1\r\n\r\n")
    except ValueError:
        return

    class Seen:
        url = b""
        begun = 0
        fields = 0

        def on_message_begin(self) -> None:
            self.begun += 1

        def on_url(self, url: bytes) -> None:
            self.url += url

        def on_header(self, _name: bytes, _value: bytes) -> None:
            self.fields += 1

    seen = Seen()
    httptools.HttpRequestParser(seen).feed_data(sent)
    assert (seen.begun, seen.url, seen.fields) == (1, target, len(headers) + 3)


# responses

WHOLE = {
    "length": OK + b"Content-Length: 5\r\n\r\nhello",
    "empty": OK + b"Content-Length: 0\r\n\r\n",
    "chunked": OK + CHUNKED + b'\r\n3;a="b"\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: t\r\n\r\n',
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\n"
    + OK
    + b"Content-Length: 5\r\n\r\nhello",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("step", [None, 1, 2, 7])
@pytest.mark.parametrize("name", WHOLE)
def test_response_does_not_depend_on_how_it_is_split(name: str, step: int | None) -> None:
    subject, body = feed(WHOLE[name], step)
    assert subject.complete
    assert subject.keep_alive
    assert body == (b"hello" if name in {"length", "chunked", "interim"} else b"")
    assert all(field not in {b"link", b"x-trailer"} for field, _ in subject.headers)


@pytest.mark.parametrize("name", WHOLE)
def test_truncated_response_is_incomplete(name: str) -> None:
    for end in range(1, len(WHOLE[name])):
        subject, _ = feed(WHOLE[name][:end])
        assert not subject.complete, end
        assert not subject.feed_eof(), end


@pytest.mark.parametrize(
    "excess", [b"x", b"HTTP/1.1 200 OK\r\n\r\n", b"\0", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
@pytest.mark.parametrize("name", WHOLE)
def test_bytes_after_the_end_are_rejected(name: str, excess: bytes) -> None:
    with pytest.raises(ProtocolError):
        feed(WHOLE[name] + excess)
    subject, _ = feed(WHOLE[name])
    with pytest.raises(ProtocolError, match="follow the end"):
        subject.feed(excess)


def test_hop_by_hop_headers_are_removed() -> None:
    subject, _ = feed(
        OK + b"Content-Type: a/b \t\r\nEMPTY:\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, X-Hop\r\n"
        b"x-hop: 1\r\nVary: a\r\nVary: b\r\nTrailer: X\r\nContent-Length: 0\r\n\r\n",
        1,
    )
    assert subject.headers == [
        (b"content-type", b"a/b"),
        (b"empty", b""),
        (b"vary", b"a"),
        (b"vary", b"b"),
        (b"content-length", b"0"),
    ]
    assert subject.keep_alive


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n", b"hello"),
        (OK + b"Connection: close\r\n\r\n", b"hello"),
        (OK + b"Connection: x, Close\r\n\r\n", b""),
    ],
)
def test_response_that_ends_with_the_connection(head: bytes, body: bytes) -> None:
    subject, got = feed(head + body, 1)
    assert got == body
    assert not subject.complete
    assert subject.feed_eof()
    assert not subject.keep_alive


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
        OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nx",
        OK + b"Connection: keep-alive\r\nConnection: CLOSE\r\nContent-Length: 1\r\n\r\nx",
    ],
)
def test_connection_that_will_close_is_not_reused(data: bytes) -> None:
    subject, body = feed(data)
    assert (subject.complete, subject.keep_alive, body) == (True, False, b"x")


def test_response_to_head_ends_after_its_headers() -> None:
    for data in (OK + b"Content-Length: 5\r\n\r\n", OK + CHUNKED + b"\r\n", OK + b"\r\n"):
        subject, body = feed(data, 1, head_only=True)
        assert (subject.complete, subject.keep_alive, body) == (True, False, b"")
    assert feed(OK + b"Content-Length: 5\r\n\r\n", head_only=True)[0].content_length == 5


MALFORMED = {
    "both framings": OK + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "both framings, turned": OK + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "one length twice": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": OK + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": OK + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "a hexadecimal length": OK + b"Content-Length: 0x5\r\n\r\nhello",
    "a length with a gap": OK + b"Content-Length: 5 5\r\n\r\nhello",
    "a huge length": OK + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "an empty length": OK + b"Content-Length:\r\n\r\nhello",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\nx",
    "two codings": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked, identity": OK + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "xchunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "an empty coding": OK + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "no framing": OK + b"\r\nhello",
    "no framing, kept alive": OK + b"Connection: keep-alive\r\n\r\nhello",
    "folding": OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "folding at the start": OK + b" A: b\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare LF in a field": OK + b"A: b\nContent-Length: 0\r\n\r\n",
    "bare CR": OK + b"A: b\rc\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": OK + b"A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "NUL in a name": OK + b"A\0: b\r\nContent-Length: 0\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "no colon": OK + b"Content-Length\r\n\r\n",
    "no name": OK + b": b\r\nContent-Length: 0\r\n\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x50",
    "RTSP": b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 X\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\n\r\n",
    "an empty line in front": b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "101 without an upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
}


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_headers_are_rejected(name: str, step: int | None) -> None:
    data = MALFORMED[name]
    with pytest.raises(ProtocolError):
        feed(data, step)


@pytest.mark.parametrize(
    "chunks",
    [
        b"2\r\nabc\r\n0\r\n\r\n",
        b"2\nab\n0\n\n",
        b"0x2\r\nab\r\n0\r\n\r\n",
        b"-2\r\nab\r\n0\r\n\r\n",
        b"2 \r\nab\r\n0\r\n\r\n",
        b"\r\n2\r\nab\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nab\r\n0\r\n\r\n",
        b"2\r\nab0\r\n\r\n",
        b"0\r\nA\0: b\r\n\r\n",
        b"2;\0\r\nab\r\n0\r\n\r\n",
    ],
)
def test_malformed_chunks_are_rejected(chunks: bytes) -> None:
    with pytest.raises(ProtocolError):
        feed(OK + CHUNKED + b"\r\n" + chunks)


@pytest.mark.parametrize("step", [100, 5000])
@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (OK, b"A: b\r\n"),
        (OK + b"A: ", b"b"),
        (OK, b"A"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 ", b"O"),
        (OK + CHUNKED + b"\r\n1\r\nx\r\n1;", b"e"),
        (OK + CHUNKED + b"\r\n1\r\nx\r\n0\r\n", b"A: b\r\n"),
        (OK + CHUNKED + b"\r\n1\r\nx\r\n0\r\nA: ", b"b"),
    ],
)
def test_bytes_outside_the_body_are_limited(
    limited: Callable[[int], ResponseReader], start: bytes, drip: bytes, step: int
) -> None:
    subject = limited(10_000)
    data = start + drip * (30_000 // len(drip))
    with pytest.raises(ProtocolError, match="too large"):
        deque((subject.feed(data[at : at + step]) for at in range(0, len(data), step)), maxlen=0)


def test_long_body_in_single_bytes_does_not_count_as_headers(
    limited: Callable[[int], ResponseReader],
) -> None:
    subject = limited(200)
    head = OK + CHUNKED + b"\r\n"
    body = b""
    for byte in head + b"1\r\nx\r\n" * 500 + b"0\r\n\r\n":
        body += subject.feed(bytes([byte]))
    assert subject.complete
    assert body == b"x" * 500


def test_headers_at_the_limit_are_accepted(limited: Callable[[int], ResponseReader]) -> None:
    data = OK + b"A: " + b"b" * 900 + b"\r\nContent-Length: 0\r\n\r\n"
    subject = limited(1000)
    subject.feed(data)
    assert subject.complete
    with pytest.raises(ProtocolError, match="too large"):
        limited(900).feed(data)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_body_does_not_depend_on_how_chunks_are_split(chunks: list[bytes], data: st.DataObject) -> None:
    framed = OK + CHUNKED + b"\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(framed) - 1), max_size=8)))
    subject = reader()
    edges = [0, *cuts, len(framed)]
    body = b"".join(subject.feed(framed[a:b]) for a, b in pairwise(edges))
    assert subject.complete
    assert body == b"".join(chunks)


@given(st.binary(max_size=60))
def test_any_bytes_raise_only_protocol_errors(tail: bytes) -> None:
    for data in (tail, OK + tail, OK + CHUNKED + b"\r\n" + tail):
        if data:
            subject = reader()
            try:
                subject.feed(data)
            except ProtocolError:
                continue
            subject.feed_eof()

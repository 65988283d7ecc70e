"""Responses as they are encoded."""

import pytest

from chrysaetos.http.server.limits import FramingLimits
from chrysaetos.http.server.request_reader import HeaderCache, RequestReader
from chrysaetos.http.server.response_writer import ResponseWriter, closing_response

DATE = b"date: now\r\n"


def writer_for(method="GET", version="1.1", fields=""):
    reader = RequestReader(FramingLimits(), HeaderCache())
    reader.feed(f"{method} / HTTP/{version}\r\nHost: h\r\n{fields}\r\n".encode())
    head = reader.head()
    assert head is not None
    return ResponseWriter(head)


def start(*headers, status=200):
    return lambda writer: writer.begin(status, list(headers)) or []


def body(content=b"", *, more=False):
    return lambda writer: writer.encode(content, DATE, more=more)


def written(writer, *steps):
    return b"".join(piece for step in steps for piece in step(writer))


HEAD = b"HTTP/1.1 200 OK\r\ndate: now\r\n"
LENGTH_2 = (b"content-length", b"2")


@pytest.mark.parametrize(
    ("request_", "steps", "expected"),
    [
        ({}, [start(LENGTH_2), body(b"ab")], HEAD + b"content-length: 2\r\n\r\nab"),
        ({}, [start(), body(b"ab")], HEAD + b"content-length: 2\r\n\r\nab"),
        (
            {},
            [
                start(),
                body(b"ab", more=True),
                body(b"", more=True),
                body(b"c" * 17),
            ],
            HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n11\r\n" + b"c" * 17 + b"\r\n0\r\n\r\n",
        ),
        ({}, [start(LENGTH_2), body(b"a", more=True), body(b"b")], HEAD + b"content-length: 2\r\n\r\nab"),
        ({"method": "HEAD"}, [start(LENGTH_2), body()], HEAD + b"content-length: 2\r\n\r\n"),
        ({"method": "HEAD"}, [start(), body(b"ab", more=True), body()], HEAD + b"\r\n"),
        ({}, [start(status=204), body()], b"HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n"),
        (
            {},
            [start((b"content-length", b"9"), status=304), body()],
            b"HTTP/1.1 304 Not Modified\r\ndate: now\r\ncontent-length: 9\r\n\r\n",
        ),
        ({}, [start(status=299), body()], b"HTTP/1.1 299 \r\ndate: now\r\ncontent-length: 0\r\n\r\n"),
        (
            {"version": "1.0"},
            [start(), body(b"ab", more=True), body(b"c")],
            HEAD + b"connection: close\r\n\r\nabc",
        ),
        (
            {"fields": "Connection: close\r\n"},
            [start(), body(b"ab")],
            HEAD + b"content-length: 2\r\nconnection: close\r\n\r\nab",
        ),
    ],
)
def test_framing(request_, steps, expected):
    writer = writer_for(**request_)
    assert written(writer, *steps) == expected
    assert writer.complete


def test_headers_are_written_with_the_body():
    writer = writer_for()
    assert written(writer, start()) == b""
    assert writer.begun
    assert not writer.complete


@pytest.mark.parametrize(
    "steps",
    [
        [body()],
        [start(), start()],
        [start(), body(), body()],
        [start(LENGTH_2), body(b"abc")],
        [start(LENGTH_2), body(b"abc", more=True)],
        [start(LENGTH_2), body(b"a")],
        [start((b"a", b"b\r\nc: d")), body()],
        [start((b"a\n", b"b")), body()],
        [start((b"a", b"b\0")), body()],
    ],
)
def test_invalid_responses_are_errors(steps):
    writer = writer_for()
    with pytest.raises(RuntimeError):
        written(writer, *steps)
    assert not writer.complete or len(steps) == 3


def test_a_response_of_a_server_that_stops_closes_its_connection():
    writer = writer_for()
    writer.begin(200, [])
    (head, content) = writer.encode(b"ab", DATE, closing=True)
    assert (head, content) == (HEAD + b"content-length: 2\r\nconnection: close\r\n\r\n", b"ab")


def test_incomplete_response_has_at_least_headers():
    writer = writer_for()
    written(writer, start())
    assert writer.unfinished(DATE) == [HEAD + b"transfer-encoding: chunked\r\n\r\n"]
    assert writer.unfinished(DATE) == []


def test_closing_response_is_complete_and_closes_the_connection():
    writer = closing_response((431, [(b"content-length", b"8")], b"too much"), DATE)
    assert writer == (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\ndate: now\r\n"
        b"content-length: 8\r\nconnection: close\r\n\r\ntoo much"
    )

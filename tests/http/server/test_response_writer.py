"""Answers as they are written."""

import pytest

from chrysaetos.http.server.limits import FramingLimits
from chrysaetos.http.server.request_reader import RequestReader
from chrysaetos.http.server.response_writer import Answer, closing_answer

DATE = b"date: now\r\n"


def answer_to(method="GET", version="1.1", fields=""):
    reader = RequestReader(FramingLimits())
    reader.feed(f"{method} / HTTP/{version}\r\nHost: h\r\n{fields}\r\n".encode())
    return Answer(reader.head())


def start(*headers, status=200):
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content=b"", *, more=False):
    return {"type": "http.response.body", "body": content, "more_body": more}


def written(answer, *messages):
    return b"".join(piece for message in messages for piece in answer.encode(message, DATE))


HEAD = b"HTTP/1.1 200 OK\r\ndate: now\r\n"
LENGTH_2 = (b"content-length", b"2")


@pytest.mark.parametrize(
    ("request_", "messages", "expected"),
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
def test_an_answer_is_framed(request_, messages, expected):
    answer = answer_to(**request_)
    assert written(answer, *messages) == expected
    assert answer.complete


def test_the_head_waits_for_the_body():
    answer = answer_to()
    assert written(answer, start()) == b""
    assert answer.begun
    assert not answer.complete


@pytest.mark.parametrize(
    "messages",
    [
        [body()],
        [start(), start()],
        [start(), body(), body()],
        [start(LENGTH_2), body(b"abc")],
        [start(LENGTH_2), body(b"a")],
        [start((b"a", b"b\r\nc: d")), body()],
        [start((b"a\n", b"b")), body()],
        [start((b"a", b"b\0")), body()],
    ],
)
def test_what_would_not_be_one_answer_is_an_error(messages):
    answer = answer_to()
    with pytest.raises(RuntimeError):
        written(answer, *messages)
    assert not answer.complete or len(messages) == 3


def test_an_unfinished_answer_has_at_least_a_head():
    answer = answer_to()
    written(answer, start())
    assert answer.unfinished(DATE) == [HEAD + b"transfer-encoding: chunked\r\n\r\n"]
    assert answer.unfinished(DATE) == []


def test_a_closing_answer_is_whole_and_ends_the_connection():
    answer = closing_answer((431, [(b"content-length", b"8")], b"too much"), DATE)
    assert answer == (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\ndate: now\r\n"
        b"content-length: 8\r\nconnection: close\r\n\r\ntoo much"
    )

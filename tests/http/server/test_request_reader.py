"""Parsing of requests. tests/e2e/test_framing.py has the rejections end to end."""

import asyncio
import contextlib
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.memory import MIB, kept_bytes

from chrysaetos.errors import ApiError, BadRequest, ContentTooLarge, HeadersTooLarge, UriTooLong
from chrysaetos.headers import derived
from chrysaetos.http.server.limits import FramingLimits
from chrysaetos.http.server.request_reader import HeaderCache, RequestReader
from chrysaetos.http.types import HttpRequest

GET = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n"
LENGTH = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: r\r\n\r\n"
)


def read_head(reader: RequestReader) -> HttpRequest:
    head = reader.head()
    assert head is not None
    return head


def read(pieces, **limits):
    """Return method, path, query and body of each request."""
    reader = RequestReader(FramingLimits(**limits), HeaderCache())
    found, head, body = [], None, b""
    for piece in pieces:
        reader.feed(piece)
        while True:
            if head is None:
                head = reader.head()
                if head is None:
                    break
                body = b""
            body += reader.body()
            if not reader.complete:
                break
            found.append((head.method, head.path, head.query, body))
            head = None
    assert head is None
    assert reader.waiting == 0
    return found


STREAM = [
    (GET, ("GET", b"/a", b"b=c", b"")),
    (LENGTH, ("POST", b"/a", b"", b"hello")),
    (CHUNKED, ("POST", b"/a", b"", b"hello")),
]


@given(st.lists(st.sampled_from(STREAM), max_size=4), st.data())
def test_requests_do_not_depend_on_how_they_are_split(stream, data):
    raw = b"".join(request for request, _ in stream)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=20)) | {0, len(raw)})
    pieces = [raw[start:end] for start, end in itertools.pairwise(cuts)]
    assert read(pieces) == [meaning for _, meaning in stream]


@given(st.sampled_from([request for request, _ in STREAM]), st.data())
def test_request_with_a_changed_byte_is_valid_or_rejected(raw, data):
    place = data.draw(st.integers(0, len(raw) - 1))
    other = data.draw(st.binary(min_size=1, max_size=2))
    reader = RequestReader(FramingLimits(), HeaderCache())
    reader.feed(raw[:place] + other + raw[place + 1 :])
    try:
        head = reader.head()
        if head is None:
            return
        reader.body()
    except ApiError:
        return
    assert not {b"\r", b"\n", b"\0"} & {bytes([byte]) for byte in head.path + head.query}
    for name, value in head.headers:
        assert name
        assert not {b"\r", b"\n", b"\0"} & {bytes([byte]) for byte in name + value}
    names = [name for name, _ in head.headers]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1


def test_headers_sent_byte_by_byte_are_searched_once():
    reader = RequestReader(FramingLimits(), HeaderCache())
    for byte in GET[:-1]:
        reader.feed(bytes([byte]))
        assert reader.head() is None
    reader.feed(b"\n")
    head = reader.head()
    assert head is not None
    assert head.headers == [(b"host", b"h"), (b"x-a", b"b")]


@pytest.mark.parametrize("end", [b"", b"\x01", b"a\x01", b"\x80 \x7f"])
@pytest.mark.parametrize("filling", [b" ", b"\t", b"\t ", b" a", b"a", b":", b","])
def test_no_header_takes_long(filling, end):
    reader = RequestReader(FramingLimits(), HeaderCache())
    reader.feed(b"GET / HTTP/1.1\r\nHost: h\r\nA: %b%b\r\n\r\n" % (filling * (60_000 // len(filling)), end))
    began = time.process_time()
    with contextlib.suppress(BadRequest):
        reader.head()
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("piece", "error"),
    [
        (b"GET /a HTTP/2.0\r\n", BadRequest),
        (b"GET /a\r\n", BadRequest),
        (b"GET /a HTTP/1.1\n", BadRequest),
        (b"GET /a\0", BadRequest),
        (b"GET /a\rb", BadRequest),
        (b"GET /" + b"a" * 100, UriTooLong),
        (b"GET /a HTTP/1.1\r\nA: " + b"b" * 300, HeadersTooLarge),
    ],
)
def test_malformed_headers_are_rejected_before_their_end(piece, error):
    reader = RequestReader(FramingLimits(line=64, fields=200), HeaderCache())
    reader.feed(piece)
    with pytest.raises(error):
        reader.head()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /a HTTP/1.1\r\n\r\n",
        b"GET http://other/a HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET http://h/a HTTP/1.0\r\n\r\n",
        b"POST /a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA\r\n\r\n",
    ],
)
def test_a_request_without_exactly_one_host_or_with_malformed_chunks_is_rejected(raw):
    """RFC 9112, 3.2 and 7.1."""
    reader = RequestReader(FramingLimits(), HeaderCache())
    reader.feed(raw)

    def read_all():
        reader.head()
        reader.body()

    with pytest.raises(ApiError):
        read_all()


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"Content-Length: 0x5",
        b"Content-Length: 5 5",
        b"Content-Length:",
        b"Content-Length: \xb2",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ],
)
def test_request_with_ambiguous_length_is_rejected(fields):
    """RFC 9112, 6.1 and 6.3: two parsers could find different ends of the request."""
    reader = RequestReader(FramingLimits(), HeaderCache())
    reader.feed(b"POST /a HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n\r\n0\r\n\r\n")
    with pytest.raises(ApiError):
        reader.head()


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (GET.replace(b"c", b"c" * 60), UriTooLong),
        (GET.replace(b"X-A: b", b"X-A: " + b"b" * 200), HeadersTooLarge),
        (GET.replace(b"X-A: b\r\n", b"A: b\r\n" * 10), HeadersTooLarge),
        (LENGTH.replace(b"5", b"9"), ContentTooLarge),
        (CHUNKED.replace(b"\r\n2\r\n", b"\r\n6\r\n"), ContentTooLarge),
    ],
)
def test_limits(raw, error):
    with pytest.raises(error):
        read([raw], line=64, fields=200, count=8, body=8)


def test_request_at_the_limit_is_accepted():
    line, _, rest = LENGTH.partition(b"\r\n")
    fields = rest.partition(b"\r\n\r\n")[0]
    assert read([LENGTH], line=len(line), fields=len(fields), count=2, body=5)


@pytest.mark.parametrize(("size", "number"), [(1, 900), (1, 1100), (64, 16_000), (1000, 1000)])
def test_small_chunks_are_limited(size, number):
    reader = RequestReader(FramingLimits(body=10_000_000), HeaderCache())
    reader.feed(b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    reader.head()
    reader.feed(b"%x\r\n%b\r\n" % (size, bytes(size)) * number + b"0\r\n\r\n")
    if number == 1100:
        with pytest.raises(BadRequest, match="small chunks"):
            reader.body()
    else:
        assert reader.body() == bytes(size * number)
        assert reader.complete


def test_headers_of_a_request_do_not_affect_the_next():
    reader = RequestReader(FramingLimits(), HeaderCache())
    reader.feed(GET + GET + GET.replace(b"X-A: b", b"X-A: c"))
    first, second, third = read_head(reader), read_head(reader), read_head(reader)
    assert first.headers == second.headers
    assert (b"x-a", b"c") in third.headers


def test_what_is_derived_from_headers_is_kept_for_equal_ones_of_all_connections():
    """Here all headers, so that a call is seen. Only the last byte of a token differs."""
    calls = []

    def value(headers):
        calls.append(headers)
        return dict(headers)[b"x-a"]

    kept = HeaderCache()
    reader, other = RequestReader(FramingLimits(), kept), RequestReader(FramingLimits(), kept)
    reader.feed(GET + GET + GET.replace(b"X-A: b", b"X-A: c") + GET)
    other.feed(GET)
    assert [derived(read_head(reader).headers, value) for _ in range(4)] == [b"b", b"b", b"c", b"b"]
    assert derived(read_head(other).headers, value) == b"b"
    assert len(calls) == 2


def test_kept_headers_take_a_bounded_part_of_the_memory():
    kept = HeaderCache()
    reader = RequestReader(FramingLimits(), kept)

    async def read(count: int, name: bytes) -> None:
        for number in range(count):
            reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\n%b: %d\r\n\r\n" % (name, number))
            assert read_head(reader).headers

    assert asyncio.run(kept_bytes(lambda: read(3000, b"x" * 8000))) < 16 * MIB
    assert asyncio.run(kept_bytes(lambda: read(20_000, b"x" * 200))) < 16 * MIB


@pytest.mark.parametrize(
    ("line", "fields", "kept"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: Keep-Alive, Close\r\n", False),
        (b"1.1", b"Connection: a\r\nConnection: close\r\n", False),
        (b"1.1", b"Connection: closed\r\n", True),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", False),
    ],
)
def test_keep_alive(line, fields, kept):
    reader = RequestReader(FramingLimits(), HeaderCache())
    reader.feed(b"GET / HTTP/" + line + b"\r\nHost: h\r\n" + fields + b"\r\n")
    head = read_head(reader)
    assert head.keep_alive is kept
    assert head.version == line.decode()


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/a?", b"/a", b""),
        (b"/a?b?c", b"/a", b"b?c"),
        (b"//a/../b;c%00", b"//a/../b;c%00", b""),
        (b"http://h", b"/", b""),
        (b"http://H/a?b", b"/a", b"b"),
        (b"HTTPS://h?b", b"/", b"b"),
    ],
)
def test_target_is_split_and_not_decoded(target, path, query):
    reader = RequestReader(FramingLimits(), HeaderCache())
    reader.feed(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
    head = read_head(reader)
    assert (head.path, head.query) == (path, query)


def test_headers_with_an_underscore_are_removed():
    reader = RequestReader(FramingLimits(), HeaderCache())
    reader.feed(b"GET / HTTP/1.1\r\nHost: h\r\nX_Auth_Token: t\r\nContent_Length: 9\r\n\r\n")
    assert read_head(reader).headers == [(b"host", b"h")]
    assert reader.complete


def test_a_path_has_a_limit_of_its_own():
    """Decoding 128 KiB takes 10 ms, before the client is known."""
    limits = {"line": 128 * 1024}
    (found,) = read([GET.replace(b"/a?", b"/" + b"%41" * 2700 + b"?" + b"x" * 100_000)], **limits)
    assert len(found[1]) == 8101
    with pytest.raises(UriTooLong, match="the path is longer than 8192 bytes"):
        read([GET.replace(b"/a", b"/" + b"%41" * 2800)], **limits)

"""Reading a complete body."""

import pytest
from tests.fakes.body_source import BodySource

from chrysaetos.http.upstream.response import BodyStream, BodyTooLong, UpstreamBroken, UpstreamResponse


def response(*pieces, content_length=None):
    connection = BodySource()
    stream = BodyStream(connection)
    for piece in pieces:
        stream.push(piece)
    return UpstreamResponse(200, [], content_length, None, stream), stream, connection


async def test_body_is_read_to_its_end():
    answer, stream, connection = response(b"ab")
    stream.push(b"cd")
    stream.finish()
    assert await answer.read(4) == b"abcd"
    assert not connection.aborted
    assert await UpstreamResponse(200, [], 2, b"ab", None).read(2) == b"ab"
    assert await UpstreamResponse(204, [], None, b"", None).read(0) == b""


@pytest.mark.parametrize("content_length", [None, 5])
async def test_body_that_is_too_long_is_aborted_early(content_length):
    answer, _, connection = response(b"ab" if content_length else b"abcde", content_length=content_length)
    with pytest.raises(BodyTooLong, match="longer than 4 bytes") as caught:
        await answer.read(4)
    assert caught.value.beginning == (b"ab" if content_length else b"abcde")
    assert connection.aborted


async def test_body_that_is_cut_off_is_an_error():
    answer, stream, _ = response(b"ab")
    stream.finish(UpstreamBroken("cut"))
    with pytest.raises(UpstreamBroken):
        await answer.read(4)

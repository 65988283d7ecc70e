"""The limit on the length of a response."""

import pytest
from tests.fakes.body_source import streamed_response

from chrysaetos.errors import ResponseTooLarge
from chrysaetos.gateway.proxy.capped_body import CappedBody
from chrysaetos.http.upstream.response import UpstreamBroken, UpstreamResponse


async def test_response_within_the_limit_is_unchanged():
    response, stream, connection = streamed_response(b"1234")
    body = CappedBody(response, 8)
    assert await anext(body) == b"1234"
    stream.push(b"5678")
    assert await anext(body) == b"5678"
    stream.finish()
    assert [piece async for piece in body] == []
    assert not connection.aborted


async def test_complete_response_within_the_limit():
    body = CappedBody(UpstreamResponse(200, [], 4, b"1234", None), 4)
    assert [piece async for piece in body] == [b"1234"]


async def test_content_length_over_the_limit_is_an_error():
    response, _, connection = streamed_response(content_length=9)
    with pytest.raises(ResponseTooLarge, match=r"longer than 8 bytes \(max_response_bytes\)") as raised:
        CappedBody(response, 8)
    assert (raised.value.status, raised.value.error_type) == (422, "execution")
    assert connection.aborted


async def test_complete_response_over_the_limit_is_an_error():
    with pytest.raises(ResponseTooLarge):
        CappedBody(UpstreamResponse(200, [], None, b"123456789", None), 8)


async def test_streamed_response_over_the_limit_is_aborted():
    response, stream, connection = streamed_response(b"1234")
    body = CappedBody(response, 8)
    assert await anext(body) == b"1234"
    stream.push(b"56789")
    with pytest.raises(UpstreamBroken, match="longer than 8 bytes"):
        await anext(body)
    assert connection.aborted

"""Warnings of engines about their stores. End-to-end tests have a Thanos Query of which a store is down."""

import json

import pytest
from tests.fakes.body_source import BodySource

from chrysaetos.errors import BadGateway
from chrysaetos.gateway.proxy.store_warnings import hide_stores, is_of_a_store
from chrysaetos.http.upstream.response import BodyStream, UpstreamBroken, UpstreamResponse

OF_A_STORE = (
    'fetch series for {tenant="b"} Addr: 10.0.0.7:10901 MinTime: 0 MaxTime: 9: rpc error: code = Unavailable '
    'desc = connection error: desc = "transport: Error while dialing: dial tcp 10.0.0.7:10901: refused"'
)
SHOWN = "a store has failed: data may be missing"
JSON = (b"content-type", b"application/json")


def written(data="x", **notes):
    """Return a response as Go writes it."""
    return json.dumps({"status": "success", "data": data, **notes}, separators=(",", ":")).encode()


def complete(body, *headers):
    length = (b"content-length", b"%d" % len(body))
    return UpstreamResponse(200, [JSON, length, *headers], len(body), body, None)


def streamed(body, size):
    """Return a response, its stream, and the pieces of a body to push into it."""
    stream = BodyStream(BodySource())
    return (
        UpstreamResponse(200, [JSON], None, None, stream),
        stream,
        [body[start : start + size] for start in range(0, len(body), size)],
    )


@pytest.mark.parametrize(
    ("notes", "shown"),
    [
        ({"warnings": [OF_A_STORE]}, {"warnings": [SHOWN]}),
        ({"warnings": [OF_A_STORE, OF_A_STORE + "!"]}, {"warnings": [SHOWN]}),
        (
            {"warnings": ["PromQL warning: x (1:1)", OF_A_STORE], "infos": ["PromQL info: a\nb", "10.0.0.7"]},
            {"warnings": ["PromQL warning: x (1:1)", SHOWN], "infos": ["PromQL info: a\nb", SHOWN]},
        ),
        ({"warnings": []}, {"warnings": []}),
        ({"warnings": ["results truncated due to limit", "3 more warning annotations omitted"]}, None),
        ({"warnings": ["No StoreAPIs matched for this query"]}, None),
        ({"infos": ["PromQL info: x"]}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("size", [None, 1, 7, 1000])
async def test_a_caller_is_not_told_about_stores(notes, shown, size):
    data = {"result": [{"metric": {"a": ',"warnings":[', "warnings": "x"}}]}
    body = written(data, **notes)
    if size is None:
        found = hide_stores(complete(body), "req-1")
        assert found.body is not None
        assert found.content_length == len(found.body)
        assert (b"content-length", b"%d" % len(found.body)) in found.headers
    else:
        response, stream, pieces = streamed(body, size)
        found = hide_stores(response, "req-1")
        stream.push(pieces[0])
        assert found.body is None
        assert (found.status, found.headers) == (200, [JSON])
        for piece in pieces[1:]:
            stream.push(piece)
        stream.finish()
    assert json.loads(await found.read(10_000)) == {
        "status": "success",
        "data": data,
        **(notes if shown is None else shown),
    }


async def test_a_long_response_is_streamed_up_to_its_warnings():
    source = BodySource()
    stream = BodyStream(source)
    found = hide_stores(UpstreamResponse(200, [JSON], None, None, stream), "req-1")
    stream.push(b"x" * 1000)
    assert len(await anext(found)) > 900
    stream.push(b"y" * 1000)
    assert len(await anext(found)) == 1000
    found.abort()
    assert source.aborted


@pytest.mark.parametrize("end", [b"", b"null", b"1]}", b'"a"}', b"[" * 100_000, b'"a"]}}'])
async def test_malformed_warnings_are_not_relayed(end):
    body = b'{"status":"success","data":[],"warnings":[' + end
    with pytest.raises(BadGateway, match="malformed"):
        hide_stores(complete(body), "req-1")
    response, stream, _ = streamed(b"", 1)
    found = hide_stores(response, "req-1")
    stream.push(body[:20])
    stream.push(body[20:])
    stream.finish()
    with pytest.raises(UpstreamBroken):
        await found.read(10**6)


async def test_endless_warnings_are_not_buffered():
    response, stream, _ = streamed(b"", 1)
    found = hide_stores(response, "req-1")
    stream.push(b'{"data":[],"warnings":["')
    assert await anext(found) == b'{"data":[]'
    stream.push(b"x" * 2**20)
    with pytest.raises(UpstreamBroken, match="longer than"):
        await anext(found)


def test_a_compressed_response_is_not_relayed():
    with pytest.raises(BadGateway, match="compressed"):
        hide_stores(complete(b"x", (b"content-encoding", b"gzip")), "req-1")
    assert hide_stores(complete(b"x", (b"content-encoding", b"identity")), "req-1").body == b"x"


async def test_the_operator_finds_the_warning_in_the_log(caplog):
    hide_stores(complete(written(warnings=[OF_A_STORE])), "req-1")
    assert "req-1" in caplog.text
    assert "10.0.0.7:10901" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        OF_A_STORE,
        f"expanding series: proxy Series(): {OF_A_STORE}",
        "fetch label names from store Addr: 10.0.0.7:10901 MinTime: 0 MaxTime: 9: no such host",
        'error sending request: Post "http://10.0.0.7:9090/api/v1/read": context deadline exceeded',
        "cannot fetch query results: dial tcp 10.0.0.7:8401: connect: connection refused",
        'error when fetching data from vmstorage "10.0.0.7:8401"',
    ],
)
def test_an_error_about_a_store_is_recognized(text):
    assert is_of_a_store(text)


@pytest.mark.parametrize(
    "text",
    [
        'found duplicate series for the match group {instance="a1:9100"} on the right hand-side',
        "1:5: parse error: unexpected character inside braces: '\"'",
        "query processing would load too many samples into memory in query execution",
    ],
)
def test_an_error_about_the_query_is_not_one_about_a_store(text):
    assert not is_of_a_store(text)

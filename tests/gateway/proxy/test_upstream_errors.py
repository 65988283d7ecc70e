"""Errors of the upstream: which are relayed, and which are replaced."""

import gzip
import json
import logging

import pytest
from tests.fakes.body_source import BodySource

from chrysaetos.errors import BadGateway, NotFound, UpstreamRefusal
from chrysaetos.gateway.proxy.upstream_errors import MAX_ERROR_BYTES, check_served, checked_error
from chrysaetos.http.upstream.response import BodyStream, UpstreamBroken, UpstreamResponse


def response(body, *headers, status=400):
    return UpstreamResponse(status, list(headers), len(body), body, None)


def error(text="many-to-many", **more):
    return json.dumps({"status": "error", "errorType": "execution", "error": text, **more}).encode()


GZIP = (b"content-encoding", b"gzip")


@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (error(), ()),
        (error(data={"a": [1]}, warnings=["w"]), ((b"content-encoding", b"identity"),)),
        (gzip.compress(error("ä" * 1000), mtime=0), (GZIP,)),
        (error("x" * (MAX_ERROR_BYTES - 200)), ((b"content-type", b"application/json"),)),
    ],
)
async def test_an_error_in_prometheus_format_is_relayed_unchanged(status, body, headers):
    passed = await checked_error(response(body, *headers, status=status), "req-1")
    assert (passed.status, passed.body, passed.headers) == (status, body, list(headers))
    assert passed.content_length == len(body)


async def test_an_error_that_arrives_in_pieces_is_assembled():
    stream = BodyStream(BodySource())
    body = error()
    stream.push(body[:10])
    answer = UpstreamResponse(422, [], len(body), None, stream)
    stream.push(body[10:])
    stream.finish()
    assert (await checked_error(answer, "req-1")).body == body


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'remoteAddr: "10.0.0.7:1"; requestURI: "/x"; secret', ()),
        (b"<html>secret</html>", ((b"content-type", b"application/json"),)),
        (error('fetch series for {tenant="secret"} Addr: 10.0.0.7:10901: rpc error: x'), ()),
        (error(warnings=["receive series from Addr: secret", 1]), ()),
        (b"", ()),
        (b"null", ()),
        (b"[]", ()),
        (b'"error"', ()),
        (b'{"status":"success","errorType":"a","error":"secret"}', ()),
        (b'{"status":"error","error":"secret"}', ()),
        (b'{"status":"error","errorType":"a"}', ()),
        (b'{"status":"error","errorType":1,"error":"secret"}', ()),
        (b'{"status":"error","errorType":"a","error":{"a":"secret"}}', ()),
        (error()[:-1], ()),
        (error() + b"secret", ()),
        (b"\xff" + error(), ()),
        (b"[" * 100_000, ()),
        (error(), (GZIP,)),
        (gzip.compress(error())[:-20], (GZIP,)),
        (gzip.compress(error()), ((b"content-encoding", b"br"),)),
        (gzip.compress(gzip.compress(error())), (GZIP, GZIP)),
        (gzip.compress(error("x" * MAX_ERROR_BYTES)), (GZIP,)),
        (error("x" * MAX_ERROR_BYTES), ()),
    ],
    ids=range(23),
)
async def test_any_other_error_is_replaced(body, headers):
    with pytest.raises(UpstreamRefusal) as caught:
        await checked_error(response(body, *headers, status=422), "req-1")
    assert caught.value.status == 422
    assert "secret" not in str(caught.value)
    assert "10.0.0.7" not in str(caught.value)


async def test_the_log_has_the_beginning_of_the_error_and_the_request_id(caplog):
    body = 'remoteAddr: "10.0.0.7:1"\x1b[31m\nfake line ä '.encode() + b"\xff" + b"x" * 1000
    with caplog.at_level(logging.WARNING), pytest.raises(UpstreamRefusal):
        await checked_error(response(body), "req-77")
    (record,) = caplog.records
    line = record.getMessage()
    assert line.startswith("req-77: Prometheus returned 400: 'remoteAddr:")
    assert '"10.0.0.7:1"\\x1b[31m\\nfake line \\xe4 \\ufffdxxx' in line
    assert line.isascii()
    assert line.isprintable()
    assert "x" * 400 in line
    assert len(line) < 600


async def test_a_compressed_error_is_decompressed_for_the_log(caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(UpstreamRefusal):
        await checked_error(response(gzip.compress(b"a reason", mtime=0), GZIP), "req-1")
    assert "a reason" in caplog.text


async def test_a_long_error_is_not_read_to_its_end():
    connection = BodySource()
    stream = BodyStream(connection)
    stream.push(b"x" * (MAX_ERROR_BYTES + 1))
    with pytest.raises(UpstreamRefusal):
        await checked_error(UpstreamResponse(500, [], None, None, stream), "req-1")
    assert connection.aborted


async def test_an_error_that_is_cut_off_is_replaced(caplog):
    stream = BodyStream(BodySource())
    stream.push(error())
    stream.finish(UpstreamBroken("cut at 10.0.0.7"))
    with pytest.raises(BadGateway) as caught:
        await checked_error(UpstreamResponse(500, [], None, None, stream), "req-1")
    assert "10.0.0.7" not in str(caught.value)
    assert "req-1" in caplog.text


async def nine_to_five(messages):
    return [text.replace("9", "5") for text in messages]


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_changed_message_is_sent_uncompressed_with_its_length(compressed):
    body = error("1:9: ä", warnings=["old", 1], infos=["old"], data={"n": 1.5})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    sent = gzip.compress(body, mtime=0) if compressed else body
    passed = await checked_error(
        response(sent, *headers, *([GZIP] if compressed else [])),
        "req-1",
        nine_to_five,
    )
    assert passed.body is not None
    assert json.loads(passed.body) == json.loads(
        error("1:5: ä", warnings=["old", 1], infos=["old"], data={"n": 1.5})
    )
    assert passed.headers == [headers[0], (b"content-length", b"%d" % len(passed.body))]
    assert passed.content_length == len(passed.body)


async def test_an_unchanged_message_is_relayed_byte_for_byte():
    body = gzip.compress(error("ä"))
    passed = await checked_error(response(body, GZIP), "req-1", nine_to_five)
    assert (passed.body, passed.headers) == (body, [GZIP])


async def test_positions_are_restored_only_in_errors_of_prometheus():
    with pytest.raises(UpstreamRefusal):
        await checked_error(response(b"<html>"), "req-1", lambda _: pytest.fail("restored"))


PATH = "/api/v1/query_cost"
OF_VICTORIA = b'remoteAddr: "10.0.0.7:1"; requestURI: /x; unsupported path requested: "/x"'


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (404, b"404 page not found\n", ()),
        (404, b"", ()),
        (404, gzip.compress(b"404 page not found\n", mtime=0), (GZIP,)),
        (400, OF_VICTORIA, ()),
        (400, b'unsupported path requested: "/prometheus/api/v1/query_cost"\n', ()),
    ],
)
async def test_an_endpoint_that_the_engine_lacks_is_404_with_the_engines_name(status, body, headers):
    with pytest.raises(NotFound) as caught:
        await check_served(response(body, *headers, status=status), "VictoriaMetrics", PATH)
    assert (caught.value.status, caught.value.error_type) == (404, "not_found")
    assert caught.value.message.startswith("VictoriaMetrics does not serve /api/v1/query_cost: ")
    assert "10.0.0.7" not in caught.value.message


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (404, error(), ()),
        (404, gzip.compress(error(), mtime=0), (GZIP,)),
        (400, error("unsupported path requested: "), ()),
        (400, b"cannot parse the selector", ()),
        (404, b"x" * (MAX_ERROR_BYTES + 1), ()),
        (500, b"404 page not found\n", ()),
        (200, b'{"status":"success"}', ()),
    ],
)
async def test_any_other_response_of_an_engine_is_kept(status, body, headers):
    kept = await check_served(response(body, *headers, status=status), "Thanos", PATH)
    assert (kept.status, kept.body, kept.headers) == (status, body, list(headers))


async def test_an_engines_page_that_is_cut_off_is_502(caplog):
    stream = BodyStream(BodySource())
    stream.push(b"404 page")
    stream.finish(UpstreamBroken("it ended early"))
    with pytest.raises(BadGateway):
        await check_served(UpstreamResponse(404, [], 19, None, stream), "Thanos", PATH)
    assert "was cut off" in caplog.text


@pytest.mark.parametrize(
    ("page", "raised"),
    [(gzip.compress(OF_VICTORIA, mtime=0), NotFound), (b"x" * (MAX_ERROR_BYTES + 1), UpstreamRefusal)],
)
async def test_an_engines_page_may_not_state_its_length(page, raised):
    stream = BodyStream(BodySource())
    stream.push(page)
    stream.finish()
    with pytest.raises(raised):
        await check_served(UpstreamResponse(400, [GZIP], None, None, stream), "VictoriaMetrics", PATH)

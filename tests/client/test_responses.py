"""Decoding of HTTP responses to data or errors."""

import json
import time
from email.utils import formatdate

import pytest

from chrysaetos.client import errors
from chrysaetos.client.responses import decode, retry_after
from chrysaetos.client.transport import Response

URL = "http://metrics.example/api/v1/query"
HTML = b"<html><title>Log in</title></html>"


def response(status, body=b"", **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, URL)


def prometheus(status, kind, message, **headers):
    return response(status, {"status": "error", "errorType": kind, "error": message}, **headers)


def failure(given, path="/api/v1/query", query="up"):
    with pytest.raises(errors.MetricsError) as caught:
        decode(given, path=path, query=query)
    return caught.value


def test_data_warnings_and_infos():
    found = decode(
        response(200, {"status": "success", "data": [1], "warnings": ["w"], "infos": ["i"]}), path="/x"
    )
    assert found == ([1], ["w"], ["i"], None)
    assert decode(response(200, {"status": "success"}), path="/x") == (None, [], [], None)
    assert decode(response(204), path="/x") == (None, [], [], None)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (prometheus(400, "bad_data", "1:1: parse error: x"), errors.BadQuery, "1:1: parse error: x"),
        (prometheus(400, "bad_data", "1:1: gone\nup\n^"), errors.BadQuery, "1:1: gone"),
        (prometheus(401, "unauthorized", "no token"), errors.Unauthorized, "no token"),
        (prometheus(403, "forbidden", "not yours"), errors.Forbidden, "not yours"),
        (prometheus(405, "bad_data", "use GET"), errors.NotSupported, "use GET"),
        (prometheus(422, "execution", "many-to-many matching"), errors.Unprocessable, "many-to-many"),
        (
            prometheus(422, "execution", "query processing would load too many samples"),
            errors.TooLarge,
            "too many",
        ),
        (
            prometheus(400, "bad_data", "exceeded maximum resolution of 11,000 points"),
            errors.TooLarge,
            "11,000",
        ),
        (prometheus(413, "bad_data", "too long"), errors.TooLarge, "too long"),
        (prometheus(429, "too_many_requests", "slow down"), errors.Unavailable, "slow down"),
        (prometheus(500, "internal", "broken"), errors.ServerError, "broken"),
        (prometheus(502, "bad_gateway", "upstream"), errors.Unavailable, "upstream"),
        (prometheus(503, "unavailable", "later"), errors.Unavailable, "later"),
        (prometheus(503, "timeout", "query timed out"), errors.Timeout, "query timed out"),
        (prometheus(503, "unavailable", "admin APIs disabled"), errors.NotSupported, "web.enable-admin-api"),
        (prometheus(504, "timeout", "no answer"), errors.Timeout, "no answer"),
        (prometheus(200, "execution", "expanding series"), errors.Unprocessable, "expanding series"),
        (prometheus(200, "timeout", "query timed out"), errors.Timeout, "timed out"),
        (response(400, {"error_message": "parse error: x"}), errors.BadQuery, "parse error: x"),
        (response(400, {"error_message": {"faultstring": "wrong"}}), errors.BadQuery, "wrong"),
        (response(401, {"error": {"code": 401, "message": "Log in."}}), errors.Unauthorized, "Log in."),
        (response(401, HTML), errors.Unauthorized, "does not accept the credentials .HTTP 401."),
        (response(403, b"no\n"), errors.Forbidden, "no"),
        (response(403, {}), errors.Forbidden, "does not authorize the caller .HTTP 403."),
        (response(504), errors.Timeout, "failed .HTTP 504."),
        (response(502, HTML), errors.Unavailable, "is temporarily unavailable .HTTP 502."),
        (response(500, HTML), errors.ServerError, "failed with HTTP 500"),
        (response(404, b"404 page not found\n"), errors.NotPrometheus, "there is no Prometheus API at http"),
        (response(404, HTML), errors.NotPrometheus, "there is no Prometheus API"),
        (
            response(302, b"", Location="https://b/?token=1"),
            errors.NotPrometheus,
            "redirects to https://b/;",
        ),
        (response(200, HTML, Content_Type="text/html"), errors.NotPrometheus, "HTTP 200, HTML"),
        (response(200, b"\xff\xfe"), errors.NotPrometheus, "no Content-Type"),
        (response(200, b"OK", Content_Type="text/plain; charset=utf-8"), errors.NotPrometheus, "text/plain$"),
        (response(200, ["a"]), errors.NotPrometheus, "JSON of another format"),
        (response(200, {"versions": []}), errors.NotPrometheus, "JSON of another format"),
        (response(200, b"[" * 100_000), errors.NotPrometheus, "is not a Prometheus API"),
        (
            response(400, b"Client sent an HTTP request to an HTTPS server.\n"),
            errors.NotPrometheus,
            "HTTP request to an HTTPS server",
        ),
        (response(418, b"teapot"), errors.NotPrometheus, "teapot"),
    ],
)
def test_error_responses(given, kind, message):
    error = failure(given)
    assert type(error) is kind
    with pytest.raises(kind, match=message):
        raise error
    assert (error.status, error.query, error.url) == (given.status, "up", URL)
    assert "\n" not in error.message


def test_message_and_type_of_prometheus_are_kept():
    error = failure(prometheus(422, "execution", "many-to-many"))
    assert (error.message, error.error_type) == ("many-to-many", "execution")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/v1/query_range", "this server has no range queries; Aetos does not support them"),
        ("/-/whoami", "not a Chrysaetos gateway"),
        ("/-/explain", "not a Chrysaetos gateway"),
        ("/api/v1/metadata", r"this server does not have /api/v1/metadata \(HTTP 404: Not Found\)"),
    ],
)
def test_an_endpoint_that_the_server_does_not_have(path, message):
    error = failure(response(404, {"error_message": "Not Found"}), path=path)
    assert type(error) is errors.NotSupported
    with pytest.raises(errors.NotSupported, match=message):
        raise error


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3.0), (" 0 ", 0.0), ("", None), ("soon", None), ("-1", None)]
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after(response(503, Retry_After=value)) == seconds


def test_retry_after_as_a_date():
    later = retry_after(response(503, Retry_After=formatdate(time.time() + 60, usegmt=True)))
    assert later is not None
    assert 50 < later <= 61
    assert retry_after(response(503, Retry_After=formatdate(0, usegmt=True))) == 0
    assert failure(prometheus(503, "unavailable", "x", Retry_After="7")).retry_after == 7

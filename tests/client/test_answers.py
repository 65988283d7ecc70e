"""HTTP answers → data or errors."""

import json
import time
from email.utils import formatdate

import pytest

from chrysaetos.client import errors
from chrysaetos.client.answers import content, retry_after
from chrysaetos.client.transport import Answer

URL = "http://metrics.example/api/v1/query"
HTML = b"<html><title>Log in</title></html>"


def answer(status, body=b"", **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, URL)


def prometheus(status, kind, message, **headers):
    return answer(status, {"status": "error", "errorType": kind, "error": message}, **headers)


def refusal(given, path="/api/v1/query", query="up"):
    with pytest.raises(errors.MetricsError) as caught:
        content(given, path=path, query=query)
    return caught.value


def test_data_and_notes():
    found = content(
        answer(200, {"status": "success", "data": [1], "warnings": ["w"], "infos": ["i"]}), path="/x"
    )
    assert found == ([1], ["w"], ["i"])
    assert content(answer(200, {"status": "success"}), path="/x") == (None, [], [])
    assert content(answer(204), path="/x") == (None, [], [])


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
        (answer(400, {"error_message": "parse error: x"}), errors.BadQuery, "parse error: x"),
        (answer(400, {"error_message": {"faultstring": "wrong"}}), errors.BadQuery, "wrong"),
        (answer(401, {"error": {"code": 401, "message": "Log in."}}), errors.Unauthorized, "Log in."),
        (answer(401, HTML), errors.Unauthorized, "does not accept the credentials .HTTP 401."),
        (answer(403, b"no\n"), errors.Forbidden, "no"),
        (answer(403, {}), errors.Forbidden, "does not allow this to the caller .HTTP 403."),
        (answer(504), errors.Timeout, "failed .HTTP 504."),
        (answer(502, HTML), errors.Unavailable, "cannot answer now .HTTP 502."),
        (answer(500, HTML), errors.ServerError, "failed with HTTP 500"),
        (answer(404, b"404 page not found\n"), errors.NotPrometheus, "there is no Prometheus API at http"),
        (answer(404, HTML), errors.NotPrometheus, "there is no Prometheus API"),
        (
            answer(302, b"", Location="https://b/?token=1"),
            errors.NotPrometheus,
            r"leads elsewhere \(https://b/\)",
        ),
        (answer(200, HTML, Content_Type="text/html"), errors.NotPrometheus, "HTTP 200, HTML"),
        (answer(200, b"\xff\xfe"), errors.NotPrometheus, "something without a type"),
        (answer(200, b"OK", Content_Type="text/plain; charset=utf-8"), errors.NotPrometheus, "text/plain$"),
        (answer(200, ["a"]), errors.NotPrometheus, "JSON of another form"),
        (answer(200, {"versions": []}), errors.NotPrometheus, "JSON of another form"),
        (answer(200, b"[" * 100_000), errors.NotPrometheus, "no Prometheus API"),
        (
            answer(400, b"Client sent an HTTP request to an HTTPS server.\n"),
            errors.NotPrometheus,
            "HTTP request to an HTTPS server",
        ),
        (answer(418, b"teapot"), errors.NotPrometheus, "teapot"),
    ],
)
def test_what_an_answer_means(given, kind, message):
    error = refusal(given)
    assert type(error) is kind
    with pytest.raises(kind, match=message):
        raise error
    assert (error.status, error.query, error.url) == (given.status, "up", URL)
    assert "\n" not in error.message


def test_prometheus_own_words_are_kept():
    error = refusal(prometheus(422, "execution", "many-to-many"))
    assert (error.message, error.error_type) == ("many-to-many", "execution")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/v1/query_range", "this server has no range queries: Aetos has none"),
        ("/-/whoami", "no Chrysaetos gateway"),
        ("/-/explain", "no Chrysaetos gateway"),
        ("/api/v1/metadata", r"this server has no /api/v1/metadata \(HTTP 404: Not Found\)"),
    ],
)
def test_a_call_that_the_server_does_not_have(path, message):
    error = refusal(answer(404, {"error_message": "Not Found"}), path=path)
    assert type(error) is errors.NotSupported
    with pytest.raises(errors.NotSupported, match=message):
        raise error


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3.0), (" 0 ", 0.0), ("", None), ("soon", None), ("-1", None)]
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after(answer(503, Retry_After=value)) == seconds


def test_retry_after_as_a_date():
    later = retry_after(answer(503, Retry_After=formatdate(time.time() + 60, usegmt=True)))
    assert 50 < later <= 61
    assert retry_after(answer(503, Retry_After=formatdate(0, usegmt=True))) == 0
    assert refusal(prometheus(503, "unavailable", "x", Retry_After="7")).retry_after == 7

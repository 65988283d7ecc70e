"""Errors: their places, their excerpts, and how they are rendered."""

import json
import pickle

import pytest

from chrysaetos import errors


def test_every_api_error_has_a_status_and_an_error_type():
    found = {cls.__name__: (cls.status, cls.error_type) for cls in _api_errors(errors.ApiError)}
    assert found["BadRequest"] == (400, "bad_data")
    assert found["QueryError"] == (400, "bad_data")
    assert found["Unauthorized"] == (401, "unauthorized")
    assert found["Forbidden"] == (403, "forbidden")
    assert found["NotFound"] == (404, "not_found")
    assert found["MethodNotAllowed"] == (405, "bad_data")
    assert found["RequestTimeout"] == (408, "timeout")
    assert found["ContentTooLarge"] == (413, "bad_data")
    assert found["UriTooLong"] == (414, "bad_data")
    assert found["UnsupportedMediaType"] == (415, "bad_data")
    assert found["ExpectationFailed"] == (417, "bad_data")
    assert found["HeadersTooLarge"] == (431, "bad_data")
    assert found["TooManyRequests"] == (429, "too_many_requests")
    assert found["BadGateway"] == (502, "bad_gateway")
    assert found["Unavailable"] == (503, "unavailable")
    assert found["GatewayTimeout"] == (504, "timeout")


@pytest.mark.parametrize(
    "error",
    [
        errors.BadRequest("why"),
        errors.QueryError("why", "a\nb", 2, 3),
        errors.Unauthorized("why", ("Keystone",)),
        errors.MethodNotAllowed("why", ("GET", "POST")),
        errors.TooManyRequests("why", retry_after=7),
        errors.UpstreamRefusal(418),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_can_be_copied_to_another_process(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.args) == (type(error), str(error), error.args)
    assert errors.render(copy) == errors.render(error)


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (400, "bad_data"),
        (404, "not_found"),
        (418, "bad_data"),
        (422, "execution"),
        (429, "too_many_requests"),
        (500, "internal"),
        (502, "internal"),
        (503, "unavailable"),
        (504, "timeout"),
    ],
)
def test_a_refusal_of_the_upstream_has_its_status_and_the_type_that_goes_with_it(status, error_type):
    refusal = errors.UpstreamRefusal(status)
    assert (errors.render(refusal)[0], refusal.error_type) == (status, error_type)
    assert any(name == b"retry-after" for name, _ in refusal.headers()) is (status in {429, 503})


def _api_errors(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from _api_errors(sub)


def test_an_error_is_rendered_in_the_form_of_prometheus():
    status, headers, body = errors.render(errors.Forbidden("no"))
    assert status == 403
    assert json.loads(body) == {"status": "error", "errorType": "forbidden", "error": "no"}
    assert dict(headers) == {
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"cache-control": b"no-store",
    }


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (
            errors.Unauthorized("who?", ('Keystone uri="http://k"',)),
            (b"www-authenticate", b'Keystone uri="http://k"'),
        ),
        (errors.MethodNotAllowed("no", ("GET", "POST")), (b"allow", b"GET, POST")),
        (errors.TooManyRequests("slow", 7), (b"retry-after", b"7")),
        (errors.Unavailable("down"), (b"retry-after", b"1")),
        (errors.UpstreamRefusal(429), (b"retry-after", b"1")),
        (errors.UpstreamRefusal(503), (b"retry-after", b"1")),
    ],
)
def test_an_error_carries_the_headers_that_http_asks_for(error, header):
    assert header in errors.render(error)[1]


def test_each_challenge_is_a_header_of_its_own():
    headers = errors.Unauthorized("who?", ("Keystone x", "Basic y")).headers()
    assert headers == [(b"www-authenticate", b"Keystone x"), (b"www-authenticate", b"Basic y")]


@pytest.mark.parametrize(
    ("text", "start", "end", "place", "excerpt"),
    [
        ("abc", 1, 2, (1, 2), "abc\n ^"),
        ("abc", 3, None, (1, 4), "abc\n   ^"),
        ("ab\ncdef", 4, 6, (2, 2), "cdef\n ^^"),
        ("ab\ncd", 2, None, (1, 3), "ab\n  ^"),
        ("", 0, None, (1, 1), "\n^"),
        ("a\tb", 2, 3, (1, 3), "a b\n  ^"),
        ("a\nb", 0, 3, (1, 1), "a\n^"),
    ],
)
def test_a_query_error_says_where(text, start, end, place, excerpt):
    error = errors.QueryError("wrong", text, start, end)
    assert (error.line, error.column) == place
    assert error.excerpt() == excerpt
    assert str(error) == f"{place[0]}:{place[1]}: wrong\n{excerpt}"


def test_the_excerpt_of_a_long_line_is_short_and_its_caret_is_right():
    error = errors.QueryError("wrong", "a" * 5000 + "X" + "b" * 5000, 5000)
    line, caret = error.excerpt().split("\n")
    assert len(line) == 80
    assert line[caret.index("^")] == "X"
    assert caret.count("^") == 1

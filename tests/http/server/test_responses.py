"""Complete responses."""

from chrysaetos.http.server.responses import json_response, text


def test_a_text_is_a_line_with_its_headers():
    plain = (b"content-type", b"text/plain; charset=utf-8")
    assert text(200, "OK", (b"a", b"b")) == (200, [plain, (b"a", b"b")], b"OK\n")


def test_a_json_response_has_its_length_and_is_not_cached():
    assert json_response(201, {"a": ["é"]}) == (
        201,
        [(b"content-type", b"application/json"), (b"content-length", b"17"), (b"cache-control", b"no-store")],
        b'{"a": ["\\u00e9"]}',
    )

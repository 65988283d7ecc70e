"""Start dates and weights from files and URLs."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chrysaetos.usage.records import UsageError
from chrysaetos.usage.start_and_weights import fetch_start, fetch_weights, parse_date, read_weights

SETS = [{"resource_set_timestamp": 0, "vcpus": [{"value": 1, "weight": 2}], "memory_mb": []}]


@pytest.fixture
def endpoint():
    """Returns the response that a test sets."""

    class Server(HTTPServer):
        response = (200, "")

        @property
        def url(self):
            return f"http://user:secret@127.0.0.1:{self.server_port}/"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = server.response
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_weights_from_a_url(endpoint):
    endpoint.response = (200, json.dumps(SETS))
    assert fetch_weights(endpoint.url).at(0).vcpus(1) == 2


def test_weights_from_a_file(tmp_path):
    file = tmp_path / "weights.toml"
    file.write_text(
        "[[weights]]\nresource_set_timestamp = 0\nvcpus = [{value = 1, weight = 2}]\nmemory_mb = []\n"
    )
    assert read_weights(file).at(0).vcpus(1) == 2
    file.write_text("")
    with pytest.raises(UsageError, match=r"no \[\[weights\]\]"):
        read_weights(file)


def test_the_start_date_from_a_url(endpoint):
    endpoint.response = (200, '[{"start_date": "2026-01-01"}]')
    assert fetch_start(endpoint.url) == parse_date("2026-01-01T00:00:00Z") == 1767225600


@pytest.mark.parametrize(
    "response", [(500, "[]"), (200, "[]"), (200, "{}"), (200, '[{"start_date": 5}]'), (200, "<html>")]
)
def test_other_responses_are_rejected(endpoint, response):
    endpoint.response = response
    with pytest.raises(UsageError) as caught:
        fetch_start(endpoint.url)
    assert "secret" not in str(caught.value)


def test_errors_do_not_contain_the_password_of_the_url(endpoint):
    endpoint.response = (500, "")
    with pytest.raises(UsageError) as caught:
        fetch_weights(endpoint.url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2020-07-15", 1594771200), ("2020-07-15T02:00:00+02:00", 1594771200), (" 2020-07-15 ", 1594771200)],
)
def test_valid_start_dates(text, expected):
    assert parse_date(text) == expected


def test_an_invalid_start_date_is_rejected():
    with pytest.raises(UsageError, match="is not a date such as"):
        parse_date("yesterday")


@pytest.mark.parametrize("text", ["1969-12-31", "0001-01-01", "9999-12-31T23:00:00-02:00"])
def test_a_date_that_cannot_be_shown_is_rejected(text):
    with pytest.raises(UsageError, match="is not between 1970 and 9999"):
        parse_date(text)

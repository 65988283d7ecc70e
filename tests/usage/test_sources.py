"""Weights and start dates from files and endpoints."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chrysaetos.usage.records import UsageError
from chrysaetos.usage.sources import fetched_start, fetched_weights, parsed_start, weights_of_file
from chrysaetos.usage.weights import Weights

SETS = [{"resource_set_timestamp": 0, "vcpus": [{"value": 1, "weight": 2}], "memory_mb": []}]


@pytest.fixture
def endpoint():
    """Answers what it is told to."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = self.server.answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        server.url = f"http://user:secret@127.0.0.1:{server.server_port}/"
        yield server
        server.shutdown()
        thread.join()


def test_weights_of_an_endpoint(endpoint):
    endpoint.answer = (200, json.dumps(SETS))
    assert fetched_weights(endpoint.url) == Weights.parse(SETS)


def test_weights_of_a_file(tmp_path):
    file = tmp_path / "weights.toml"
    file.write_text(
        "[[weights]]\nresource_set_timestamp = 0\nvcpus = [{value = 1, weight = 2}]\nmemory_mb = []\n"
    )
    assert weights_of_file(file) == Weights.parse(SETS)
    file.write_text("")
    with pytest.raises(UsageError, match=r"no \[\[weights\]\]"):
        weights_of_file(file)


def test_the_start_date_of_an_endpoint(endpoint):
    endpoint.answer = (200, '[{"start_date": "2026-01-01"}]')
    assert fetched_start(endpoint.url) == parsed_start("2026-01-01T00:00:00Z") == 1767225600


@pytest.mark.parametrize(
    "answer", [(500, "[]"), (200, "[]"), (200, "{}"), (200, '[{"start_date": 5}]'), (200, "<html>")]
)
def test_an_endpoint_that_answers_something_else(endpoint, answer):
    endpoint.answer = answer
    with pytest.raises(UsageError) as caught:
        fetched_start(endpoint.url)
    assert "secret" not in str(caught.value)


def test_no_secret_of_an_address_is_told(endpoint):
    endpoint.answer = (500, "")
    with pytest.raises(UsageError) as caught:
        fetched_weights(endpoint.url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2020-07-15", 1594771200), ("2020-07-15T02:00:00+02:00", 1594771200), (" 2020-07-15 ", 1594771200)],
)
def test_dates(text, expected):
    assert parsed_start(text) == expected


def test_a_date_that_is_none():
    with pytest.raises(UsageError, match="is not a date such as"):
        parsed_start("yesterday")

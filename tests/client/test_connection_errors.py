"""Each exception of requests and below, and its error. Real failures are in the tests of the transports."""

import socket
import ssl

import pytest
import requests
import urllib3.exceptions

from chrysaetos.client import errors
from chrysaetos.client.connection_errors import connection_error, short_message


def test_a_short_message_is_without_urllib3():
    error = Exception(
        "Unable to connect to http://a/v3: HTTPConnectionPool(host='a', port=80): Max retries\nx"
    )
    assert short_message(error) == "Unable to connect to http://a/v3"


def untrusted():
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return requests.exceptions.SSLError(urllib3.exceptions.SSLError(error))


def refused():
    pool = urllib3.HTTPConnectionPool("a", 1)
    below = urllib3.exceptions.NewConnectionError(urllib3.connection.HTTPConnection("a", 1), "no")
    below.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/?secret=1", below))


@pytest.mark.parametrize(
    ("error", "kind", "message", "retryable"),
    [
        (
            untrusted(),
            errors.Unreachable,
            (
                "the certificate of the server at http://a/b is not trusted: self-signed certificate; "
                "a private CA can be given with --os-cacert, OS_CACERT, or verify in Python"
            ),
            False,
        ),
        (
            requests.exceptions.SSLError("WRONG_VERSION"),
            errors.Unreachable,
            "the TLS handshake with the server",
            False,
        ),
        (
            refused(),
            errors.Unreachable,
            "at http://a/b failed: Connection refused",
            True,
        ),
        (requests.ReadTimeout("x"), errors.Timeout, "did not respond within 5 s", True),
        (TimeoutError(), errors.Timeout, "did not respond within 5 s", True),
        (
            socket.gaierror(-2, "Name or service not known"),
            errors.Unreachable,
            "Name or service not known",
            False,
        ),
        (FileNotFoundError(2, "No such file"), errors.Unreachable, "No such file", False),
        (requests.exceptions.ProxyError("x"), errors.Unreachable, "x", True),
        (
            requests.exceptions.InvalidURL("x"),
            errors.InvalidArgument,
            "cannot send a request to http://a/b: x",
            False,
        ),
        (ConnectionResetError(104, "Connection reset by peer"), errors.Unreachable, "reset by peer", True),
        (
            requests.ConnectionError(
                urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionError())
            ),
            errors.Unreachable,
            "Connection aborted",
            True,
        ),
    ],
)
def test_exceptions_are_converted(error, kind, message, retryable):
    found = connection_error(error, "http://u:p@a/b?secret=1", "the server", 5)
    assert type(found) is kind
    assert message in found.message
    assert found.url == "http://a/b"
    assert found.retryable is retryable
    assert "secret" not in str(found)


def test_a_timeout_without_a_time_limit():
    assert connection_error(requests.Timeout(), "http://a", "Keystone", None).message.endswith(
        "did not respond in time"
    )


@pytest.mark.parametrize(
    ("error", "responding"),
    [
        (requests.exceptions.ChunkedEncodingError("Connection broken: IncompleteRead"), True),
        (ConnectionResetError(104, "Connection reset by peer"), False),
        (refused(), False),
    ],
)
def test_a_response_that_was_cut_off_had_begun(error, responding):
    found = connection_error(error, "http://a", "the server", 5)
    assert isinstance(found, errors.Unreachable)
    assert found.responding is responding

"""Requests with a time limit."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time

import pytest

from chrysaetos.http.upstream.pool import UpstreamOptions
from chrysaetos.install.check import probing
from chrysaetos.install.check.probing import describe, get, remedy, within


def test_a_result_and_an_error_are_passed_on():
    assert within(sum, [1, 2], start=3) == 6
    with pytest.raises(ZeroDivisionError):
        within(divmod, 1, 0)


def test_a_call_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(probing, "SECONDS", 0.1)
    event = threading.Event()
    with pytest.raises(TimeoutError):
        within(event.wait)
    event.set()


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(monkeypatch):
    monkeypatch.setattr(probing, "SECONDS", 0.3)
    stop = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while not stop.wait(0.05):
                connection.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        before = time.monotonic()
        with pytest.raises(TimeoutError):
            get(UpstreamOptions(host="127.0.0.1", port=listener.getsockname()[1]), "/")
        assert time.monotonic() - before < 2
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("error", "text", "advice"),
    [
        (TimeoutError(), "does not answer within 5 s", "check HOST"),
        (ConnectionRefusedError(111, "x"), "cannot be reached: connection refused", "check HOST"),
        (socket.gaierror(-2, "x"), "has a name without an address", "check HOST"),
        (http.client.BadStatusLine("x"), "does not answer with HTTP", "check HOST"),
        (ssl.SSLError(1, "x"), "does not complete the TLS handshake", "the port of HOST"),
    ],
)
def test_each_failure_has_words_and_advice(error, text, advice):
    assert text in describe(error)
    assert advice in remedy(error, address="HOST", ca="CA")


@pytest.mark.parametrize(
    ("code", "advice"), [(62, "a name in the certificate"), (10, "renew"), (20, "set CA")]
)
def test_the_advice_for_a_certificate_depends_on_the_reason(code, advice):
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = code, "why"
    assert "not accepted: why" in describe(error)
    assert advice in remedy(error, address="HOST", ca="CA")

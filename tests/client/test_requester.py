"""Methods, retries and time limits, with a recording transport."""

import time

import pytest

from chrysaetos.client import errors
from chrysaetos.client.requester import Requester
from chrysaetos.client.transport import Request, Response

GOOD = Response(200, {}, b'{"status": "success", "data": 1}', "http://a")


def unavailable(status=503, **headers):
    body = b'{"status": "error", "errorType": "unavailable", "error": "later"}'
    return Response(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, body, "http://a"
    )


class Scripted:
    """A transport that returns or raises one step after the other, and repeats the last one."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.sent = []

    def endpoint(self, timeout):
        raise NotImplementedError

    def send(self, request, timeout=None):
        self.sent.append((request, timeout))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        return step

    def close(self):
        raise NotImplementedError


@pytest.fixture
def pauses(monkeypatch):
    """Record the pauses without sleeping."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def test_a_read_is_a_get():
    transport = Scripted(GOOD)
    assert Requester(transport, timeout=5, retries=0).read("/x", [("a", "b c"), ("a", "d")]).data == 1
    ((request, timeout),) = transport.sent
    assert request == Request("GET", "/x?a=b%20c&a=d")
    assert 4 < timeout <= 5


def test_no_time_limit():
    transport = Scripted(GOOD)
    Requester(transport, timeout=None, retries=0).read("/x", [])
    assert transport.sent == [(Request("GET", "/x"), None)]


def test_long_parameters_are_sent_as_a_form():
    transport = Scripted(GOOD)
    sender = Requester(transport, timeout=5, retries=0)
    sender.read("/x", [("query", "a" * 4000)], form=True)
    sender.read("/x", [("query", "a" * 4000)])
    (post, _), (get, _) = transport.sent
    assert post == Request("POST", "/x", form="query=" + "a" * 4000)
    assert (get.method, len(get.target)) == ("GET", 4009)


def test_get_is_used_after_post_was_rejected():
    transport = Scripted(Response(405, {}, b"", "http://a"), GOOD)
    sender = Requester(transport, timeout=5, retries=0)
    for _ in range(2):
        assert sender.read("/x", [("query", "a" * 4000)], form=True).data == 1
    assert [request.method for request, _ in transport.sent] == ["POST", "GET", "GET"]


@pytest.mark.parametrize("status", [400, 413, 414, 431])
def test_parameters_too_long_for_a_get(status):
    transport = Scripted(Response(405, {}, b"", "http://a"), Response(status, {}, b"<html>", "http://a"))
    with pytest.raises(errors.TooLarge, match="does not accept POST, and 4,006 characters are too long"):
        Requester(transport, timeout=5, retries=0).read("/x", [("query", "a" * 4000)], form=True, query="a")


def test_an_unavailable_server_is_retried(pauses):
    transport = Scripted(unavailable(Retry_After="3"), unavailable(429), unavailable(502), GOOD)
    assert Requester(transport, timeout=60, retries=3).read("/x", []).data == 1
    assert pauses == [3.0, 1.0, 2.0]


def test_the_last_response_is_the_error(pauses):
    transport = Scripted(unavailable(Retry_After="1"))
    with pytest.raises(errors.Unavailable, match="later") as caught:
        Requester(transport, timeout=60, retries=2).read("/x", [], query="up")
    assert (len(transport.sent), pauses, caught.value.retry_after) == (3, [1, 1], 1)
    assert caught.value.query == "up"


def test_no_pause_exceeds_the_time_limit(pauses):
    transport = Scripted(unavailable(Retry_After="30"))
    with pytest.raises(errors.Unavailable):
        Requester(transport, timeout=20, retries=5).read("/x", [])
    assert (len(transport.sent), pauses) == (1, [])


def test_a_broken_connection_is_retried(pauses):
    transport = Scripted(errors.Unreachable("gone"), errors.Unavailable("Keystone", retry_after=2), GOOD)
    assert Requester(transport, timeout=60, retries=2).read("/x", []).data == 1
    assert pauses == [0.5, 2]


@pytest.mark.parametrize(
    "step",
    [
        errors.Unreachable("not trusted", retryable=False),
        errors.Timeout("late"),
        errors.Unauthorized("who"),
        *(Response(status, {}, b"{}", "http://a") for status in (400, 401, 403, 404, 422, 500, 504)),
        Response(503, {}, b'{"status": "error", "errorType": "timeout", "error": "x"}', "http://a"),
    ],
)
def test_permanent_failures_are_not_retried(step, pauses):
    transport = Scripted(step)
    with pytest.raises(errors.MetricsError) as caught:
        Requester(transport, timeout=60, retries=5).read("/x", [], query="up")
    assert (len(transport.sent), pauses, caught.value.query) == (1, [], "up")


@pytest.mark.parametrize("step", [errors.Unreachable("gone"), unavailable(Retry_After="1")])
def test_a_write_is_sent_once(step, pauses):
    transport = Scripted(step)
    with pytest.raises(errors.MetricsError):
        Requester(transport, timeout=60, retries=5).write("/x", [("a", "b")])
    assert transport.sent[0][0] == Request("POST", "/x", form="a=b", idempotent=False)
    assert (len(transport.sent), pauses) == (1, [])


def test_no_request_is_sent_after_the_time_limit(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda _: now.__setitem__(0, 105.0))
    transport = Scripted(unavailable(Retry_After="1"))
    with pytest.raises(errors.Timeout, match="no response within 5 s"):
        Requester(transport, timeout=5, retries=5).read("/x", [])
    assert len(transport.sent) == 1


@pytest.mark.parametrize("timeout", [0, -1, True, "5", float("inf"), float("nan"), 1e10])
def test_an_invalid_time_limit_is_rejected(timeout):
    with pytest.raises(errors.InvalidArgument, match="timeout"):
        Requester(Scripted(GOOD), timeout=timeout, retries=0)


@pytest.mark.parametrize("retries", [-1, True, 1.5, None])
def test_an_invalid_number_of_retries_is_rejected(retries):
    with pytest.raises(errors.InvalidArgument, match="retries"):
        Requester(Scripted(GOOD), timeout=1, retries=retries)


def test_a_surrogate_is_rejected():
    with pytest.raises(errors.InvalidArgument, match="surrogate"):
        Requester(Scripted(GOOD), timeout=1, retries=0).read("/x", [("query", "\ud800")])


@pytest.mark.parametrize("value", [None, 5, b"up"])
def test_a_parameter_that_is_no_text_is_rejected(value):
    with pytest.raises(errors.InvalidArgument, match=r"^query must be a str, not "):
        Requester(Scripted(GOOD), timeout=1, retries=0).read("/x", [("query", value)])


def test_retries_wait():
    transport = Scripted(unavailable(Retry_After="0"), unavailable(), GOOD)
    started = time.monotonic()
    Requester(transport, timeout=5, retries=2).read("/x", [])
    assert time.monotonic() - started >= 1.0

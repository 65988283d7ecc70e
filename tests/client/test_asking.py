"""Methods, tries and time limits, against a recording transport."""

import time

import pytest

from chrysaetos.client import asking, errors
from chrysaetos.client.asking import Asker
from chrysaetos.client.transport import Answer

GOOD = Answer(200, {}, b'{"status": "success", "data": 1}', "http://a")


def busy(status=503, **headers):
    body = b'{"status": "error", "errorType": "unavailable", "error": "later"}'
    return Answer(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, body, "http://a"
    )


class Scripted:
    """A transport that gives one step after the other, the last one for ever."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.sent = []

    def endpoint(self, timeout):
        raise NotImplementedError

    def send(self, method, target, **options):
        self.sent.append((method, target, options))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        return step

    def close(self):
        raise NotImplementedError


@pytest.fixture
def pauses(monkeypatch):
    """What was slept, without sleeping."""
    found = []
    monkeypatch.setattr(asking.time, "sleep", found.append)
    return found


def test_a_read_is_a_get():
    transport = Scripted(GOOD)
    assert Asker(transport, timeout=5, retries=0).read("/x", [("a", "b c"), ("a", "d")]).data == 1
    ((method, target, options),) = transport.sent
    assert (method, target) == ("GET", "/x?a=b+c&a=d")
    assert 4 < options["timeout"] <= 5


def test_without_a_time_limit_there_is_none():
    transport = Scripted(GOOD)
    Asker(transport, timeout=None, retries=0).read("/x", [])
    assert transport.sent[0][1:] == ("/x", {"timeout": None, "identity": False})


def test_what_is_long_goes_as_a_form():
    transport = Scripted(GOOD)
    asker = Asker(transport, timeout=5, retries=0)
    asker.read("/x", [("query", "a" * 4000)], form=True)
    asker.read("/x", [("query", "a" * 4000)])
    assert [(method, len(target)) for method, target, _ in transport.sent] == [("POST", 2), ("GET", 4009)]
    assert transport.sent[0][2]["form"] == "query=" + "a" * 4000


def test_where_no_post_is_taken_it_is_a_get_from_then_on():
    transport = Scripted(Answer(405, {}, b"", "http://a"), GOOD)
    asker = Asker(transport, timeout=5, retries=0)
    for _ in range(2):
        assert asker.read("/x", [("query", "a" * 4000)], form=True).data == 1
    assert [method for method, *_ in transport.sent] == ["POST", "GET", "GET"]


@pytest.mark.parametrize("status", [400, 413, 414, 431])
def test_what_is_too_long_for_a_get(status):
    transport = Scripted(Answer(405, {}, b"", "http://a"), Answer(status, {}, b"<html>", "http://a"))
    with pytest.raises(errors.TooLarge, match="takes no POST here, and 4,006 characters are too many"):
        Asker(transport, timeout=5, retries=0).read("/x", [("query", "a" * 4000)], form=True, query="a")


def test_a_server_that_is_busy_is_asked_again(pauses):
    transport = Scripted(busy(Retry_After="3"), busy(429), busy(502), GOOD)
    assert Asker(transport, timeout=60, retries=3).read("/x", []).data == 1
    assert pauses == [3.0, 1.0, 2.0]


def test_the_last_answer_is_the_error(pauses):
    transport = Scripted(busy(Retry_After="1"))
    with pytest.raises(errors.Unavailable, match="later") as caught:
        Asker(transport, timeout=60, retries=2).read("/x", [], query="up")
    assert (len(transport.sent), pauses, caught.value.retry_after) == (3, [1, 1], 1)
    assert caught.value.query == "up"


def test_there_is_no_waiting_beyond_the_time_limit(pauses):
    transport = Scripted(busy(Retry_After="30"))
    with pytest.raises(errors.Unavailable):
        Asker(transport, timeout=20, retries=5).read("/x", [])
    assert (len(transport.sent), pauses) == (1, [])


def test_a_broken_connection_is_tried_again(pauses):
    transport = Scripted(errors.Unreachable("gone"), errors.Unavailable("Keystone", retry_after=2), GOOD)
    assert Asker(transport, timeout=60, retries=2).read("/x", []).data == 1
    assert pauses == [0.5, 2]


@pytest.mark.parametrize(
    "step",
    [
        errors.Unreachable("not trusted", retryable=False),
        errors.Timeout("late"),
        errors.Unauthorized("who"),
        *(Answer(status, {}, b"{}", "http://a") for status in (400, 401, 403, 404, 422, 500, 504)),
        Answer(503, {}, b'{"status": "error", "errorType": "timeout", "error": "x"}', "http://a"),
    ],
)
def test_what_is_of_no_use_is_not_tried_again(step, pauses):
    transport = Scripted(step)
    with pytest.raises(errors.MetricsError) as caught:
        Asker(transport, timeout=60, retries=5).read("/x", [], query="up")
    assert (len(transport.sent), pauses, caught.value.query) == (1, [], "up")


@pytest.mark.parametrize("step", [errors.Unreachable("gone"), busy(Retry_After="1")])
def test_a_post_that_changes_something_is_sent_once(step, pauses):
    transport = Scripted(step)
    with pytest.raises(errors.MetricsError):
        Asker(transport, timeout=60, retries=5).post("/x", [("a", "b")])
    assert transport.sent[0][2]["repeatable"] is False
    assert (len(transport.sent), pauses) == (1, [])


def test_when_the_time_is_up_nothing_is_sent(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(asking.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(asking.time, "sleep", lambda _: now.__setitem__(0, 105.0))
    transport = Scripted(busy(Retry_After="1"))
    with pytest.raises(errors.Timeout, match="no answer within 5 s"):
        Asker(transport, timeout=5, retries=5).read("/x", [])
    assert len(transport.sent) == 1


@pytest.mark.parametrize("timeout", [0, -1, True, "5", float("inf"), float("nan")])
def test_a_time_limit_that_is_none(timeout):
    with pytest.raises(errors.InvalidArgument, match="timeout"):
        Asker(Scripted(GOOD), timeout=timeout, retries=0)


@pytest.mark.parametrize("retries", [-1, True, 1.5, None])
def test_retries_that_are_none(retries):
    with pytest.raises(errors.InvalidArgument, match="retries"):
        Asker(Scripted(GOOD), timeout=1, retries=retries)


def test_a_surrogate_cannot_be_sent():
    with pytest.raises(errors.InvalidArgument, match="surrogate"):
        Asker(Scripted(GOOD), timeout=1, retries=0).read("/x", [("query", "\ud800")])


def test_the_pause_is_a_real_one():
    started = time.monotonic()
    Asker(Scripted(busy(Retry_After="0"), busy(), GOOD), timeout=5, retries=2).read("/x", [])
    assert time.monotonic() - started >= 1.0

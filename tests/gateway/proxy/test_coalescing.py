"""Coalescing of identical reads."""

import asyncio

import pytest
from tests.fakes.body_source import BodySource

from chrysaetos.errors import GatewayTimeout
from chrysaetos.gateway.proxy.coalescing import Coalescer, Key
from chrysaetos.http.upstream.response import BodyStream, UpstreamResponse

KEY = Key("GET", b"/api/v1/query?query=up", b"", 'project="A"', ((b"accept-encoding", b"gzip"),))
HEADERS = [(b"content-type", b"application/json")]


class Upstream:
    """Responds when the test tells it to.

    Attributes:
        asked: how many requests it got.
        cancelled: how many of them were given up.
    """

    def __init__(self):
        self.asked = 0
        self.cancelled = 0
        self.pending = []

    async def ask(self):
        self.asked += 1
        future = asyncio.get_running_loop().create_future()
        self.pending.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def answer(self, outcome):
        """Respond to the oldest request, and let all callers that wait for it continue."""
        future = self.pending.pop(0)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        await settle()


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def whole(body=b"{}"):
    return UpstreamResponse(200, list(HEADERS), len(body), body, None)


def streamed():
    return UpstreamResponse(200, HEADERS, None, None, BodyStream(BodySource()))


async def started(coalescer, upstream, number, key=KEY):
    tasks = [asyncio.create_task(coalescer.fetch(key, upstream.ask)) for _ in range(number)]
    await settle()
    return tasks


async def test_concurrent_callers_share_one_request():
    coalescer, upstream = Coalescer(), Upstream()
    tasks = await started(coalescer, upstream, 5)
    await upstream.answer(whole())
    responses = [task.result() for task in tasks]
    assert upstream.asked == 1
    assert [(r.status, r.headers, r.content_length, r.body) for r in responses] == [
        (200, HEADERS, 2, b"{}")
    ] * 5
    assert (coalescer.shared, coalescer.alone, len(coalescer)) == (4, 0, 0)


async def test_each_caller_gets_its_own_copy():
    coalescer, upstream = Coalescer(), Upstream()
    tasks = await started(coalescer, upstream, 3)
    await upstream.answer(whole())
    leader, *others = [task.result() for task in tasks]
    for response in others:
        response.headers.clear()
        assert [piece async for piece in response] == [b"{}"]
    assert leader.headers == HEADERS
    assert [piece async for piece in leader] == [b"{}"]


async def test_body_that_arrived_in_pieces_is_shared():
    coalescer, upstream = Coalescer(), Upstream()
    tasks = await started(coalescer, upstream, 2)
    stream = BodyStream(BodySource())
    stream.push(b"a")
    stream.push(b"b")
    stream.finish()
    await upstream.answer(UpstreamResponse(200, HEADERS, 2, None, stream))
    assert [task.result().body for task in tasks] == [b"ab", b"ab"]
    assert upstream.asked == 1


async def test_response_is_not_cached():
    coalescer, upstream = Coalescer(), Upstream()
    for number in (1, 2):
        (task,) = await started(coalescer, upstream, 1)
        await upstream.answer(whole(b"%d" % number))
        assert task.result().body == b"%d" % number
    assert (upstream.asked, coalescer.shared) == (2, 0)


@pytest.mark.parametrize(
    "other",
    [
        KEY._replace(method="POST"),
        KEY._replace(target=b"/api/v1/query?query=up&time=1"),
        KEY._replace(body=b"query=up"),
        KEY._replace(matcher='project="B"'),
        KEY._replace(matcher=""),
        KEY._replace(headers=()),
        KEY._replace(headers=((b"accept-encoding", b"gzip"), (b"x-scope-orgid", b"B"))),
    ],
)
async def test_different_requests_are_not_shared(other):
    coalescer, upstream = Coalescer(), Upstream()
    (one,) = await started(coalescer, upstream, 1)
    (two,) = await started(coalescer, upstream, 1, other)
    assert upstream.asked == 2
    await upstream.answer(whole(b"of one"))
    assert not two.done()
    await upstream.answer(whole(b"of two"))
    assert (one.result().body, two.result().body) == (b"of one", b"of two")
    assert coalescer.shared == 0


async def test_streamed_response_is_not_shared():
    coalescer, upstream = Coalescer(), Upstream()
    tasks = await started(coalescer, upstream, 3)
    first = streamed()
    await upstream.answer(first)
    assert tasks[0].result() is first
    assert upstream.asked == 3
    for _ in range(2):
        await upstream.answer(streamed())
    assert len({id(task.result()) for task in tasks}) == 3
    assert (coalescer.shared, coalescer.alone, len(coalescer)) == (0, 2, 0)


async def test_cancelling_the_first_caller_does_not_affect_the_others():
    coalescer, upstream = Coalescer(), Upstream()
    leader, *others = await started(coalescer, upstream, 4)
    leader.cancel()
    await settle()
    assert leader.cancelled()
    assert (upstream.asked, upstream.cancelled) == (2, 1)
    upstream.pending.pop(0)
    await upstream.answer(whole())
    assert [task.result().body for task in others] == [b"{}"] * 3
    assert (upstream.asked, len(coalescer)) == (2, 0)


async def test_cancelling_a_waiting_caller_does_not_affect_the_others():
    coalescer, upstream = Coalescer(), Upstream()
    leader, gone, stays = await started(coalescer, upstream, 3)
    gone.cancel()
    await settle()
    assert gone.cancelled()
    await upstream.answer(whole())
    assert (leader.result().body, stays.result().body) == (b"{}", b"{}")
    assert (upstream.asked, upstream.cancelled) == (1, 0)


async def test_all_callers_are_cancelled():
    coalescer, upstream = Coalescer(), Upstream()
    tasks = await started(coalescer, upstream, 3)
    for task in tasks:
        task.cancel()
    await settle()
    assert all(task.cancelled() for task in tasks)
    assert (upstream.asked, upstream.cancelled, len(coalescer)) == (1, 1, 0)


@pytest.mark.parametrize("failure", [GatewayTimeout("too slow"), KeyError("a defect")])
async def test_an_error_is_shared(failure):
    coalescer, upstream = Coalescer(), Upstream()
    tasks = await started(coalescer, upstream, 3)
    await upstream.answer(failure)
    assert [task.exception() for task in tasks] == [failure] * 3
    assert (upstream.asked, coalescer.shared, len(coalescer)) == (1, 2, 0)


async def test_old_request_is_not_joined():
    now = 100.0
    coalescer, upstream = Coalescer(max_age=1.0, clock=lambda: now), Upstream()
    (old,) = await started(coalescer, upstream, 1)
    now = 101.0
    (joined,) = await started(coalescer, upstream, 1)
    assert upstream.asked == 1
    now = 101.5
    new, follower = await started(coalescer, upstream, 2)
    assert upstream.asked == 2
    await upstream.answer(whole(b"old"))
    assert (old.result().body, joined.result().body) == (b"old", b"old")
    (late,) = await started(coalescer, upstream, 1)  # the end of the old request did not remove the new one
    await upstream.answer(whole(b"new"))
    assert [task.result().body for task in (new, follower, late)] == [b"new"] * 3
    assert upstream.asked == 2

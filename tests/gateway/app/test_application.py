"""The application around a handler."""

import asyncio

import pytest
from tests.fakes.app_client import Answer, AppClient, http_request
from tests.fakes.observer import Watcher

from chrysaetos.errors import Forbidden, TooManyRequests
from chrysaetos.gateway.app.application import Application
from chrysaetos.gateway.app.exchange import CLIENT_DISCONNECTED


class Handler:
    def __init__(self, outcome):
        self._outcome = outcome

    async def handle(self, received, exchange):
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        await self._outcome(exchange)


async def asked(outcome):
    watcher = Watcher()
    answer = await AppClient(Application(Handler(outcome), observers=[watcher])).request("GET", "/")
    (exchange,) = watcher.seen
    return answer, exchange


async def test_responses_are_counted_and_have_an_id():
    async def outcome(exchange):
        await exchange.respond((200, [(b"a", b"b")], b"body"))

    answer, exchange = await asked(outcome)
    assert (answer.status, answer.body, answer.complete) == (200, b"body", True)
    assert answer.headers == [(b"a", b"b"), (b"x-openstack-request-id", exchange.request_id.encode())]
    assert (exchange.status, exchange.sent, exchange.complete, exchange.error) == (200, 4, True, "")


async def test_an_api_error_is_rendered():
    answer, exchange = await asked(Forbidden("no"))
    assert (answer.status, answer.json["error"]) == (403, "no")
    assert (exchange.status, exchange.error) == (403, "forbidden")


async def test_a_client_that_sends_too_many_requests_waits_for_that_answer():
    app = Application(Handler(TooManyRequests("slower", 1)))
    request, answer = http_request("POST", "/", body=b"much"), Answer()
    task = asyncio.create_task(app(request, answer))
    await asyncio.sleep(0.01)
    assert (answer.status, request.body) == (0, b"")
    await task
    assert answer.status == 429


async def test_a_client_that_does_not_wait_for_its_refusal_has_disconnected():
    watcher = Watcher()
    app = Application(Handler(TooManyRequests("slower", 1)), observers=[watcher])
    task = asyncio.create_task(app(http_request("GET", "/"), Answer()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watcher.seen[0].status == CLIENT_DISCONNECTED


async def test_an_exception_is_rendered_without_details(caplog):
    answer, exchange = await asked(RuntimeError("secret"))
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert exchange.error == "internal"
    assert "secret" in caplog.text


async def test_an_exception_after_the_start_leaves_the_response_incomplete():
    async def outcome(exchange):
        exchange.begin(200, [])
        raise RuntimeError

    answer, exchange = await asked(outcome)
    assert (answer.status, answer.complete, exchange.complete) == (200, False, False)


async def test_a_cancelled_request_is_observed_and_stays_cancelled():
    watcher = Watcher()
    client = AppClient(Application(Handler(asyncio.CancelledError()), observers=[watcher]))
    with pytest.raises(asyncio.CancelledError):
        await client.request("GET", "/")
    assert watcher.seen[0].status == CLIENT_DISCONNECTED


class Part:
    def __init__(self, name, calls, *, fails=False):
        self._name = name
        self._calls = calls
        self._fails = fails

    async def start(self):
        if self._fails:
            raise OSError("taken")
        self._calls.append(f"{self._name} starts")

    async def close(self):
        self._calls.append(f"{self._name} ends")


async def test_services_stop_in_reverse_order_and_on_close_runs_after_them():
    calls: list[str] = []

    async def close():
        calls.append("closed")

    services = [Part("a", calls), Part("b", calls)]
    application = Application(Handler(None), services=services, on_close=[close])
    await application.start()
    assert calls == ["a starts", "b starts"]
    await application.close()
    assert calls[2:] == ["b ends", "a ends", "closed"]


async def test_a_service_that_cannot_start_fails_the_start():
    with pytest.raises(OSError, match="taken"):
        await Application(Handler(None), services=[Part("a", [], fails=True)]).start()

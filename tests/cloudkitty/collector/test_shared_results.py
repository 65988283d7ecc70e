from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, Event, current_thread

import pytest
from tests.cloudkitty.conftest import item
from tests.fakes.clock import Clock

from chrysaetos.cloudkitty.collector.shared_results import SharedResults

A, B = item("1", p="a"), item("2", p="b")


class Source:
    """Counts its calls."""

    def __init__(self, result: object = None) -> None:
        self.result = {"a": [A], "b": [B]} if result is None else result
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return self.result


def test_all_scopes_share_a_result():
    shared, source = SharedResults(60, 100), Source()
    assert [shared.get("k", scope, source) for scope in "abc"] == [[A], [B], []]
    assert source.calls == 1


def test_each_key_has_its_own_result():
    shared, source = SharedResults(60, 100), Source()
    shared.get("k", "a", source)
    shared.get("l", "a", source)
    assert source.calls == 2


def test_results_expire():
    clock = Clock(0.0)
    shared, source = SharedResults(60, 100, clock), Source()
    shared.get("k", "a", source)
    clock.now = 59.9
    shared.get("k", "a", source)
    assert source.calls == 1
    clock.now = 60
    shared.get("k", "a", source)
    assert source.calls == 2


def test_nothing_is_evicted_if_the_cache_is_full():
    clock = Clock(0.0)
    shared, source = SharedResults(60, 3, clock), Source()
    assert shared.get("k", "a", source) == [A]
    assert shared.get("l", "a", source) is None
    assert shared.get("k", "b", source) == [B]
    assert source.calls == 1
    clock.now = 60
    assert shared.get("l", "a", source) == [A]


def test_empty_results_occupy_space():
    shared, source = SharedResults(60, 2), Source({})
    assert [shared.get(key, "a", source) for key in "klm"] == [[], [], None]


def test_a_result_that_cannot_be_shared_is_cached():
    shared, source = SharedResults(60, 100), Source()
    source.result = None
    assert [shared.get("k", scope, source) for scope in "ab"] == [None, None]
    assert source.calls == 1


def test_errors_are_not_cached():
    shared = SharedResults(60, 100)

    def broken():
        raise ConnectionError

    for _ in range(2):
        with pytest.raises(ConnectionError):
            shared.get("k", "a", broken)
    assert shared.get("k", "a", Source()) == [A]


def test_a_query_that_fails_while_another_thread_waits_takes_no_space():
    clock, started = Clock(0.0), Event()
    threads = []

    def watched():
        # The lock is held here until the thread has the entry and waits for it.
        threads.append(current_thread())
        if len(set(threads)) > 1:
            started.set()
        return clock()

    shared, source = SharedResults(60, 3, watched), Source()
    with ThreadPoolExecutor(1) as pool:

        def broken():
            waiting.append(pool.submit(shared.get, "k", "a", source))
            assert started.wait(10)
            raise ConnectionError

        waiting: list[Future[object]] = []
        with pytest.raises(ConnectionError):
            shared.get("k", "a", broken)
        assert waiting[0].result(10) == [A]
    assert shared.get("k", "b", source) == [B]
    assert source.calls == 1
    clock.now = 60
    assert shared.get("l", "a", source) == [A]


def test_threads_wait_for_their_own_key_only():
    shared, source = SharedResults(60, 100), Source()
    together, other = Barrier(4), Event()

    def slow():
        assert other.wait(10)  # set after another key was read
        return source()

    def get(_: int):
        together.wait(10)
        return shared.get("k", "a", slow)

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(get, number) for number in range(3)]
        together.wait(10)
        assert shared.get("l", "b", source) == [B]
        other.set()
        assert [result.result(10) for result in results] == [[A]] * 3
    assert source.calls == 2

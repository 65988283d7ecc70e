from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from tests.cloudkitty.conftest import item

from chrysaetos.cloudkitty.collector.shared_answers import SharedAnswers

A, B = item("1", p="a"), item("2", p="b")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Counts how often it is asked."""

    def __init__(self, answer: object = None) -> None:
        self.answer = {"a": [A], "b": [B]} if answer is None else answer
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return self.answer


def test_all_scopes_share_one_answer():
    shared, source = SharedAnswers(60, 100), Source()
    assert [shared.share("k", scope, source) for scope in "abc"] == [[A], [B], []]
    assert source.asked == 1


def test_each_key_has_an_answer_of_its_own():
    shared, source = SharedAnswers(60, 100), Source()
    shared.share("k", "a", source)
    shared.share("l", "a", source)
    assert source.asked == 2


def test_an_answer_counts_for_a_while():
    clock = Clock()
    shared, source = SharedAnswers(60, 100, clock), Source()
    shared.share("k", "a", source)
    clock.now = 59.9
    shared.share("k", "a", source)
    assert source.asked == 1
    clock.now = 60
    shared.share("k", "a", source)
    assert source.asked == 2


def test_what_finds_no_room_is_asked_for_alone_and_nothing_is_dropped_for_it():
    clock = Clock()
    shared, source = SharedAnswers(60, 3, clock), Source()
    assert shared.share("k", "a", source) == [A]
    assert shared.share("l", "a", source) is None
    assert shared.share("k", "b", source) == [B]
    assert source.asked == 1
    clock.now = 60
    assert shared.share("l", "a", source) == [A]


def test_empty_answers_take_room():
    shared, source = SharedAnswers(60, 2), Source({})
    assert [shared.share(key, "a", source) for key in "klm"] == [[], [], None]


def test_what_cannot_be_shared_is_not_asked_for_again():
    shared, source = SharedAnswers(60, 100), Source()
    source.answer = None
    assert [shared.share("k", scope, source) for scope in "ab"] == [None, None]
    assert source.asked == 1


def test_nothing_is_kept_of_an_error():
    shared = SharedAnswers(60, 100)

    def broken():
        raise ConnectionError

    for _ in range(2):
        with pytest.raises(ConnectionError):
            shared.share("k", "a", broken)
    assert shared.share("k", "a", Source()) == [A]


def test_threads_wait_for_one_answer_and_not_for_others():
    shared, source = SharedAnswers(60, 100), Source()
    together, other = Barrier(4), Event()

    def slow():
        assert other.wait(10)  # set by the thread that asks for something else
        return source()

    def ask(_: int):
        together.wait(10)
        return shared.share("k", "a", slow)

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, number) for number in range(3)]
        together.wait(10)
        assert shared.share("l", "b", source) == [B]
        other.set()
        assert [answer.result(10) for answer in answers] == [[A]] * 3
    assert source.asked == 2

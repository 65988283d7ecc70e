"""A short run of the fuzzer; ``CHRYSAETOS_FUZZ_SECONDS`` makes it longer."""

import os
import random

import pytest
from tests.property import fuzz

from chrysaetos.errors import QueryError

SECONDS = float(os.environ.get("CHRYSAETOS_FUZZ_SECONDS", "5"))
SEED = int(os.environ.get("CHRYSAETOS_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)


def test_the_fuzzer_finds_no_fault():
    try:
        tried, scoped = fuzz.fuzz(SECONDS, SEED)
    except fuzz.Failure as failure:
        pytest.fail(f"seed {SEED}: {failure}")
    assert tried > 20 * SECONDS
    assert scoped > tried // 50


@pytest.mark.parametrize("failing", [RecursionError, AssertionError, KeyError])
def test_a_failure_is_seen(monkeypatch, failing):
    def check(text, scope):
        raise failing

    monkeypatch.setattr(fuzz, "check_scoping", check)
    with pytest.raises(fuzz.Failure, match=failing.__name__):
        fuzz.fuzz(1, 1)


def test_a_slow_input_is_seen(monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS_PER_INPUT", 0)
    with pytest.raises(fuzz.Failure, match="s for"):
        fuzz.fuzz(1, 1)


def test_a_refusal_is_no_failure(monkeypatch):
    def check(text, scope):
        raise QueryError("no", text, 0)

    monkeypatch.setattr(fuzz, "check_scoping", check)
    tried, scoped = fuzz.fuzz(0.1, 1)
    assert tried
    assert not scoped


def test_the_same_seed_makes_the_same_texts():
    corpus = [b"abc", b"def"]

    def texts():
        chance = random.Random(7)  # not for secrets
        return [fuzz.mutate(chance, b"foo{a='b'}", corpus) for _ in range(200)]

    once, again = texts(), texts()
    assert once == again
    assert len(set(once)) > 100

"""A fuzzer for scoping: bytes of known texts, mutated at random.

``python -m tests.property.fuzz --seconds 60 --seed 1`` prints statistics, and exits with status 1 at the
first input that breaks a rule: an exception other than QueryError, a selector without the matcher, a text
that was changed elsewhere, or an input that takes longer than any of 32 KiB should.
"""

import argparse
import random
import sys
import time

from tests.promql.corpus import ACCEPTED, HOSTILE, REJECTED
from tests.property.grammar import PIECES, Grammar
from tests.property.invariants import check_scoping
from tests.shared import shared

from chrysaetos.errors import QueryError
from chrysaetos.tenancy.scope import Scope

__all__ = ["Failure", "fuzz", "mutate"]

SECONDS_PER_INPUT = 2.0
"""About ten times the duration of the slowest known input of 32 KiB."""

_LIMIT = 32 * 1024
_BYTES = bytes(range(256))
_TOKENS = [piece.encode("utf-8", "surrogatepass") for piece in PIECES]


class Failure(AssertionError):
    """An input that breaks a rule."""


def fuzz(seconds, seed):
    """Try mutated texts for some seconds; return how many were tried, and how many were scoped.

    Raises:
        Failure: an input broke a rule.
    """
    chance = random.Random(seed)  # not for secrets
    corpus = [
        text.encode("utf-8", "surrogatepass")
        for text in (*ACCEPTED, *REJECTED, *(text for text, _ in HOSTILE), *shared("accept.jsonl"))
        if len(text) < 2000
    ]
    tried = scoped = 0
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        data = Grammar(chance).query().encode() if chance.random() < 0.2 else chance.choice(corpus)
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            data = mutate(chance, data, corpus)
        tried += 1
        scoped += _try(data)
    return tried, scoped


def mutate(chance, data, corpus):
    """Return a text with one change."""
    at = chance.randrange(len(data) + 1)
    to = min(len(data), at + chance.choice((1, 1, 2, 4, 16)))
    old, new = data[at:to], b""
    match chance.randrange(10):
        case 0 | 1:
            new = bytes([chance.choice(_BYTES)])
        case 2 | 3:
            new = chance.choice(_TOKENS) + old
        case 4:
            new = b" " + chance.choice(_TOKENS) + b" "
        case 5:
            new = old * chance.choice((2, 3, 50))
        case 6:
            other = chance.choice(corpus)
            start = chance.randrange(len(other) + 1)
            new = other[start : start + 20]
        case 7:
            new = old + data[to:] + chance.choice((b"+", b" or ", b",", b"\n", b"")) + chance.choice(corpus)
            to = len(data)
        case 8 if chance.random() < 0.02:
            # the maximum length of a text
            part = old or b"("
            new = part * ((_LIMIT - len(data)) // len(part))
    return data[:at] + new + data[to:]


def _try(data):
    text = data.decode("utf-8", "surrogateescape")
    start = time.thread_time()
    try:
        check_scoping(text, Scope.of("project", "\x01tenant"))
        scoped = True
    except QueryError:
        scoped = False
    except Exception as error:
        raise Failure(f"{error!r} for {text!a}") from error
    seconds = time.thread_time() - start
    if seconds > SECONDS_PER_INPUT:
        raise Failure(f"{seconds:.1f} s for {len(data)} bytes: {text[:200]!a}")
    return scoped


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        tried, scoped = fuzz(arguments.seconds, arguments.seed)
    except Failure as failure:
        sys.exit(str(failure))
    sys.stdout.write(f"{tried} texts tried, {scoped} of them scoped\n")


if __name__ == "__main__":
    main()

"""The data that is shared between checkouts: ``shared/data/promql/`` beside the checkout, or further up.

The project's own corpus is the base of the tests. These files add to it where they are at hand.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

__all__ = ["shared", "shared_hostile", "shared_or_skip"]


def _file(name: str) -> Path | None:
    """A file of the shared data; None where it is not at hand."""
    checkout = Path(__file__).parents[1]
    files = (directory / "shared" / "data" / "promql" / name for directory in checkout.parents)
    return next((file for file in files if file.is_file()), None)


def shared(name: str) -> list[str]:
    """Return the texts of a file of JSON strings, one a line; an empty list where it is not at hand."""
    file = _file(name)
    return [] if file is None else [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def shared_or_skip(name: str) -> list[str]:
    """Return the texts of a file of JSON strings, or skip the test where it is not at hand."""
    texts = shared(name)
    if not texts:
        pytest.skip(f"shared/data/promql/{name} is not beside the checkout, nor above it")
    return texts


def shared_hostile() -> list[str]:
    """Return the texts of ``hostile.tsv``; an empty list where it is not at hand."""
    file = _file("hostile.tsv")
    lines = [] if file is None else file.read_text("utf-8").splitlines()[1:]
    return [_spelled_out(line.split("\t")[0]) for line in lines]


def _spelled_out(query: str) -> str:
    """Return what a placeholder stands for."""
    if "...20000..." in query:
        return "(" * 20_000 + "cpu" + ")" * 20_000
    if "...10000 matchers" in query:
        return "cpu{" + ",".join(f'a{number}="x"' for number in range(10_000)) + "}"
    return query.replace("<NUL>", "\0").replace("<lone surrogate>", "\ud800")

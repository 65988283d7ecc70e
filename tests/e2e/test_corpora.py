"""The oracle for isolation on expressions of Prometheus' own tests, of attacks, and of real dashboards.

The last kind names its own metrics, so the stores are generated for it. ``CHRYSAETOS_REALWORLD`` is the
number of these expressions to test (500, spread over all). ``CHRYSAETOS_WAYS`` is in how many ways each
expression is sent: in one, which alternates from expression to expression, or in up to four.
"""

from __future__ import annotations

import os
import re
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING

import pytest
from tests.e2e.engines import EVERY
from tests.e2e.tailored import tailored_text
from tests.shared import shared_hostile, shared_or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.engines import Engine
    from tests.e2e.stack import Compared, StoresOf

COUNT = int(os.environ.get("CHRYSAETOS_REALWORLD", "500"))
WAYS = [(kind, method) for method in ("GET", "POST") for kind in ("instant", "range")]
WAYS_OF_EACH = int(os.environ.get("CHRYSAETOS_WAYS", "1"))


def ways(number: int) -> Iterator[tuple[str, str]]:
    """Return the kinds and methods of the requests for the expression with a number."""
    return islice(cycle(WAYS), number % len(WAYS), number % len(WAYS) + WAYS_OF_EACH)


@pytest.mark.parametrize("engine", EVERY, ids=str)
def test_expressions_of_prometheus_tests_and_of_attacks_see_only_the_own_project(
    engine: Engine, stores_of: StoresOf, compared: Compared
):
    texts = shared_or_skip("accept.jsonl")
    with compared(engine, stores_of(engine)) as oracle:
        for number, text in enumerate((*texts, *shared_hostile())):
            # They name metrics that are in no store here: use ones that both tenants have.
            named = re.sub(r"\b(http_requests\w*|metric\w*|foo|some_metric|testmetric)\b", "cpu", text)
            for kind, method in ways(number):
                getattr(oracle, kind)(named, method)


@pytest.mark.parametrize("engine", EVERY, ids=str)
def test_expressions_of_real_dashboards_see_only_the_own_project(
    engine: Engine, stores_of: StoresOf, compared: Compared
):
    texts = shared_or_skip("realworld.jsonl")
    texts = texts[:: max(1, len(texts) // COUNT)]
    stores = stores_of(engine, partial(tailored_text, texts))
    refused = with_data = 0
    with compared(engine, stores) as oracle:
        for number, text in enumerate(texts):
            for kind, method in ways(number):
                status, content = getattr(oracle, kind)(text, method)
            refused += status == 400
            with_data += status == 200 and bool(content["data"]["result"])
    for store in (stores.ab, stores.a):
        store.stop()
    assert refused <= len(texts) / 100, refused
    # Alerts that do not fire, and operands that do not match, have empty results.
    assert with_data > len(texts) / 3, with_data

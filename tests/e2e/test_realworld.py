"""The oracle for isolation on expressions of real dashboards and rules.

They name their own metrics, so the stores are generated for them. ``CHRYSAETOS_REALWORLD`` is the number of
expressions to test (500, spread over all).
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.e2e.engines import ISOLATED, VICTORIA_METRICS
from tests.e2e.oracle import Oracle
from tests.e2e.tailored import tailored_text
from tests.shared import shared_or_skip

if TYPE_CHECKING:
    from tests.e2e.engines import Engine
    from tests.e2e.stack import GatewayFor, People, StoresOf, Window

COUNT = int(os.environ.get("CHRYSAETOS_REALWORLD", "500"))


@pytest.mark.parametrize("engine", [*ISOLATED, *VICTORIA_METRICS], ids=str)
def test_expressions_of_real_dashboards_see_only_the_own_project(
    engine: Engine, stores_of: StoresOf, gateway_for: GatewayFor, people: People, window: Window
):
    texts = shared_or_skip("realworld.jsonl")
    texts = texts[:: max(1, len(texts) // COUNT)]
    stores = stores_of(engine, partial(tailored_text, texts))
    oracle = Oracle(gateway_for(stores.ab), stores.a, people, window)
    refused = with_data = 0
    for text in texts:
        for method in ("GET", "POST"):
            status, content = oracle.instant(text, method)
            oracle.range(text, method)
        refused += status == 400
        with_data += status == 200 and bool(content["data"]["result"])
    oracle.close()
    for store in (stores.ab, stores.a):
        store.stop()
    assert refused <= len(texts) / 100, refused
    # Alerts that do not fire, and operands that do not match, have empty results.
    assert with_data > len(texts) / 3, with_data

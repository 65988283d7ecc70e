"""The oracle for isolation on generated queries, over all scoped endpoints.

``CHRYSAETOS_E2E_QUERIES`` is the number of queries (300), ``CHRYSAETOS_SEED`` the seed.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.e2e.engines import EVERY
from tests.e2e.oracle import Oracle
from tests.e2e.web_browser import PageClient
from tests.property.grammar import Grammar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.engines import Engine
    from tests.e2e.stack import Compared, GatewayFor, People, Stores, StoresOf, Window

COUNT = int(os.environ.get("CHRYSAETOS_E2E_QUERIES", "300"))
SEED = int(os.environ.get("CHRYSAETOS_SEED", "20"))

# Names that the grammar generates → names in the stores.
NAMES = {
    "up": "requests_total",
    "node_load1": "shared",
    "nano": "latency_seconds_bucket",
    "inf_total": "special",
    "e1": "target_info",
    "_x": "ended",
}
KINDS = ("instant", "instant", "range", "exemplars", "series", "labels", "label", "federate")
_NAME = re.compile(rf"(?<![\w.\\\"'`])(?:{'|'.join(NAMES)})(?![\w\"'`])")


@pytest.mark.parametrize("engine", EVERY, ids=str)
def test_generated_requests_see_only_the_own_project(engine: Engine, stores_of: StoresOf, compared: Compared):
    with compared(engine, stores_of(engine)) as oracle:
        _put(oracle, modern=engine.modern)


def test_generated_requests_of_the_web_page_see_only_the_own_project(
    stores: Stores, gateway_for: GatewayFor, people: People, window: Window
):
    gateway = gateway_for(stores.ab, web={"enabled": "true"})
    page = PageClient(gateway)
    page.log_in(people.a)
    cookie = "; ".join(f"{each.name}={each.value}" for each in page.http.cookies)
    oracle = Oracle(gateway, stores.a, people, window, cookie=cookie)
    _put(oracle, modern=False, without=("federate",))
    oracle.close()


def told(text: str) -> str:
    """Return a generated text with names in the stores.

    A subquery of weeks in steps of a second or less keeps Prometheus busy for minutes despite the timeout,
    and the gateway rejects it.
    """
    text = _NAME.sub(lambda match: NAMES[match[0]], text)
    return re.sub(r"\b1ms|(?<!\w)1?\.5", "90s", text) if re.search("10w|1y", text) else text


def _put(oracle: Oracle, *, modern: bool, without: Sequence[str] = ()) -> None:
    chance = random.Random(SEED)  # the same queries each time
    grammar = Grammar(chance, modern=modern, depth=3)
    seen: Counter[tuple[str, int]] = Counter()
    with_data = 0
    for _ in range(COUNT):
        kind = chance.choice([kind for kind in KINDS if kind not in without])
        method = chance.choice(("GET", "POST"))
        if kind in {"instant", "range", "exemplars"}:
            ask = getattr(oracle, kind)
            status, content = ask(told(grammar.query()), method)
        else:
            path = {"label": "/api/v1/label/vm/values", "federate": "/federate"}.get(kind, f"/api/v1/{kind}")
            selectors = [told(grammar.selector()) for _ in range(chance.randrange(3))]
            method = "GET" if kind in {"label", "federate"} else method
            status, content = oracle.selecting(path, *selectors, method=method)
        seen[kind, status] += 1
        data = content.get("data") if isinstance(content, dict) else content
        with_data += status == 200 and bool(data.get("result") if isinstance(data, dict) else data)
    # Comparing only errors and empty results would prove nothing.
    assert sum(count for (_, status), count in seen.items() if status == 200) > COUNT / 2, seen
    assert with_data > COUNT / 4, (with_data, seen)

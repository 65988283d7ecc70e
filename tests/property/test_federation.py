"""The gate returns exactly the series that both policy and request select, for any selectors.

Thousands of generated ``match[]`` go through the gate to a real Prometheus. The expected series are computed
here from the labels of the whole store, with Python's comparisons. ``CHRYSAETOS_FEDERATION_EXAMPLES``
is their number: 400 by default, 5000 for a release.
"""

import os
import random
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.e2e.federation_stack import selected, store_text
from tests.fakes.app_client import AppClient

from chrysaetos.demo.processes import DemoError
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.federation.alone import Settings, build, upstream_options
from chrysaetos.gateway.federate.handler import GateLimits
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import new_token, write_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = int(os.environ.get("CHRYSAETOS_FEDERATION_EXAMPLES", "400"))
POLICIES = 20
"""Different policies, each for the same share of the examples."""

NAMES = ("project_vcpu_usage", "project_mb_usage", "secret_total", "up", "usage")
VALUES = {
    "job": ("project_usages", "other", "project"),
    "location": ("here", "elsewhere", "über all", 'a"b\\c', "{x=~'.*'}"),
    "project_id": ("p1", "p2", "p10", "1.5", "p|1"),
}


def store():
    """Series with some of the labels, and some that differ in only one label."""
    chosen = random.Random(5)
    series: set[frozenset[tuple[str, str]]] = set()
    while len(series) < 120:
        labels = {name: chosen.choice(values) for name, values in VALUES.items() if chosen.random() < 0.7}
        series.add(frozenset({**labels, "__name__": chosen.choice(NAMES)}.items()))
    return frozenset(series)


STORE = store()


class Generator:
    """Generates selectors, each as text and as a function of a series' labels.

    Args:
        seed: the seed of the random numbers.
    """

    def __init__(self, seed):
        self.random = random.Random(seed)

    def selector(self, fewest=0):
        pick = self.random
        matchers = [self.matcher() for _ in range(max(fewest, pick.choice((0, 1, 1, 2, 2, 3))))]
        checks = [check for _, check in matchers]
        texts = [text for text, _ in matchers]
        name = ""
        if pick.random() < 0.3 and not any(text.startswith("__name__") for text in texts):
            name = pick.choice(NAMES)
            checks.append(lambda labels: labels.get("__name__") == name)
        if not texts and name and pick.random() < 0.5:
            text = name
        else:
            comma = "," if texts and pick.random() < 0.2 else ""
            inside = ("," + self.space()).join(texts)
            text = f"{name}{self.space()}{{{self.space()}{inside}{comma}{self.space()}}}"
        return f"{self.space()}{text}{self.space()}", lambda labels: all(check(labels) for check in checks)

    def matcher(self):
        pick = self.random
        label = pick.choice(("__name__", *VALUES, "missing"))
        known = NAMES if label == "__name__" else VALUES.get(label, ("x",))
        operator = pick.choice(("=", "=", "!=", "=~", "=~", "!~"))
        if operator in ("=", "!="):
            value = pick.choice((*known, *known, "", "nowhere"))
            found: Callable[[str], object] = value.__eq__
        else:
            value = self.pattern(known)
            found = re.compile(value.replace("[[:alpha:]]", "[A-Za-z]")).fullmatch
        negated = operator.startswith("!")
        text = f"{label}{self.space()}{operator}{self.space()}{self.literal(value)}"
        return text, lambda labels: bool(found(labels.get(label, ""))) != negated

    def pattern(self, known):
        """Return a regular expression with the same meaning in Python and RE2."""
        pick = self.random
        value = re.sub(r"[!-/:-@[-^`{-~]", lambda match: "\\" + match[0], pick.choice(known))
        forms = [value, ".*", ".+", "", f"(?:{value}|nowhere)", f"{value}|other", f"(?:{value})*"]
        if value.isascii() and "\\" not in value:
            half = len(value) // 2
            forms += (f"{value[:half]}.*", f".*{value[half:]}", f"{value[:half]}.+", f"{value}?")
            forms += (f"[a-p]{value[1:]}", f"(?i){value.upper()}", "[[:alpha:]]", "[a-z_]+", "p[0-9]{1,2}")
        return pick.choice(forms)

    def literal(self, value):
        pick = self.random
        kinds = ["'", '"']
        if "`" not in value:
            kinds.append("`")
        mark = pick.choice(kinds)
        if mark == "`":
            return f"`{value}`"
        escaped = value.replace("\\", "\\\\").replace(mark, "\\" + mark)
        if pick.random() < 0.2 and "\\" not in escaped:
            escaped = re.sub("[a-z]", lambda match: f"\\x{ord(match[0]):02x}", escaped, count=1)
        return f"{mark}{escaped}{mark}"

    def space(self):
        return self.random.choice(("", "", "", " ", "\t", "\n", " # note }\n"))

    def encoded(self, text):
        """Return a parameter in one of many spellings."""
        pick = self.random
        safe = pick.choice(("", '{}=~",()|*', "abcdefghij"))
        name = pick.choice(("match%5B%5D", "match%5b%5d", "match[]", "m%61tch[]"))
        value = quote(text, safe=safe)
        return f"{name}={value.replace('%20', '+') if pick.random() < 0.3 else value}"


def sets(checks):
    """Return the series that any of the selectors selects."""
    return {labels for labels in STORE if any(check(dict(labels)) for check in checks)}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    try:
        server = Prometheus(tmp_path_factory.mktemp("whole-store"))
    except DemoError as error:
        pytest.fail(str(error), pytrace=False)
    server.backfill(store_text(dict(labels) for labels in STORE))
    with server:
        yield server


@asynccontextmanager
async def gate(directory, url, selectors):
    file = directory / f"{random.getrandbits(64)}.json"
    secret, token = new_token("portal", Policy(tuple(selectors)), now=0.0, expires=None)
    write_tokens(file, [token])
    limits = GateLimits(requests_per_second=0, requests=50)
    service = build(Settings(tokens=file, upstream=upstream_options(url), limits=limits))
    app = service.application
    await app.start()
    yield AppClient(app), (b"authorization", b"Bearer " + secret.encode())
    await app.close()


def test_the_generated_requests_cover_allowed_and_other_series():
    """Many requests select both allowed and other series."""
    overlapping = empty = 0
    for number in range(200):
        generator = Generator(number)
        shown = sets([generator.selector(fewest=1)[1]])
        asked = sets([generator.selector()[1]])
        overlapping += bool(asked & shown) and bool(asked - shown) and bool(shown - asked)
        empty += not asked & shown
    assert overlapping > 30
    assert 30 < empty < 150


@pytest.mark.parametrize("number", range(POLICIES))
async def test_the_response_has_the_series_that_policy_and_request_select(number, prometheus, tmp_path):
    generator = Generator(number)
    allowed = [generator.selector(fewest=1) for _ in range(generator.random.choice((1, 1, 2, 3)))]
    shown = sets([check for _, check in allowed])
    statuses = {200: 0, 403: 0}
    async with gate(tmp_path, prometheus.url, [text for text, _ in allowed]) as (client, credentials):
        for _ in range(EXAMPLES // POLICIES):
            asked = [generator.selector() for _ in range(generator.random.choice((1, 1, 1, 2)))]
            expected = [sets([check]) & shown for _, check in asked]
            query = "&".join(generator.encoded(text) for text, _ in asked)
            answer = await client.request("GET", f"/federate?{query}", headers=[credentials])
            texts = (allowed_texts(allowed), allowed_texts(asked))
            assert answer.status in statuses, (texts, answer.body)
            statuses[answer.status] += 1
            if answer.status == 403:
                assert not all(expected), texts
            else:
                assert selected(answer.body.decode()) == set().union(*expected), texts
    assert sum(statuses.values()) == EXAMPLES // POLICIES


def allowed_texts(pairs):
    return [text for text, _ in pairs]

"""What is scoped in the event loop, what in the other process, and what is charged."""

import asyncio
from urllib.parse import quote_plus

import pytest
from tests.fakes.remote_read import EQ, Matcher, query
from tests.support.scripted_gateway import gateway, pairs

from chrysaetos.errors import TooManyRequests
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.proxy.scoping import Scoping, restored_messages
from chrysaetos.promql.parser import DEFAULT_BOUNDS
from chrysaetos.tenancy.enforce import scoping_edits
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope
from chrysaetos.tenancy.snappy import compress

A = Scope.of("project", "A")
MANY = Scope("project", tuple(f"{number:032x}" for number in range(1000)))
QUERY, SERIES, FORMAT, LABELS = (
    find_path(f"/api/v1/{name}").endpoint for name in ("query", "series", "format_query", "labels")
)


@pytest.fixture
async def scoping():
    offload = Offload(CpuBudget(2.0, 3600), timeout=30)
    yield Scoping(GatewayOptions(), offload=offload), offload
    await offload.close()


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (QUERY, b"query=up&stats=" + b"%41" * 300_000),
        (QUERY, b"query=up&" + b"%41" * 300_000 + b"=1"),
        (FORMAT, b"query=" + b"%41" * 300_000),
        (FORMAT, b"query=" + b"+" * 900_000),
    ],
    ids=["a plain value", "a name", "a value that is not scoped", "spaces"],
)
async def test_what_takes_long_to_decode_is_decoded_elsewhere(scoping, endpoint, body):
    """It took 75 ms of the event loop, and was charged to nobody."""
    scoping, offload = scoping
    await scoping.bind(QUERY, A, "A", b"", b"query=up")
    jobs = offload.jobs
    bound = await scoping.bind(endpoint, A, "A", b"", body)
    assert offload.jobs == jobs + 1
    assert offload.budget.used("A") > 0
    assert len(bound.body) > 7


async def test_cached_texts_are_free_unless_there_are_very_many(scoping):
    scoping, offload = scoping
    few, many = (b"&".join(b"match[]=a%d" % n for n in range(count)) for count in (100, 1000))
    for body in (few, many):
        await scoping.bind(SERIES, A, "A", b"", body)
    jobs, used = offload.jobs, offload.budget.used("A")
    await scoping.bind(SERIES, A, "A", b"", few)
    assert offload.budget.used("A") <= used
    await scoping.bind(SERIES, A, "A", b"", many)
    assert offload.budget.used("A") > used
    offload.budget.charge("A", 3.0)
    await scoping.bind(SERIES, A, "A", b"", few)
    with pytest.raises(TooManyRequests):
        await scoping.bind(SERIES, A, "A", b"", many)
    assert offload.jobs == jobs


async def test_large_requests_with_cached_texts_take_turns_with_all_others(scoping):
    """Ten of them held up all other requests for 30 ms at once."""
    scoping, _ = scoping
    body = b"&".join(b"match[]=a%d" % n for n in range(1000))
    await scoping.bind(SERIES, A, "A", b"", body)
    turns, ends = 0, []

    async def ask():
        await scoping.bind(SERIES, A, "A", b"", body)
        ends.append(turns)

    asked = asyncio.gather(*(ask() for _ in range(10)))
    while not asked.done():
        turns += 1
        await asyncio.sleep(0)
    assert len(set(ends)) == 10


async def test_the_selector_of_many_projects_is_encoded_once_and_elsewhere(scoping):
    scoping, offload = scoping
    bound = await scoping.bind(LABELS, MANY, "domain D", b"", None)
    assert offload.jobs == 1
    assert await scoping.bind(LABELS, MANY, "domain D", b"", None) == bound
    assert offload.jobs == 1


async def test_an_unrestricted_remote_read_is_not_refused_for_the_sake_of_its_texts(scoping):
    """It is relayed unchanged: only its audit needs the matchers."""
    scoping, offload = scoping
    short, long = (
        compress(query([Matcher(EQ, "vm", "".join(map(str, range(end))))], 1, 2)) for end in (9, 900)
    )
    offload.budget.charge("A", 3.0)
    body, texts = await scoping.read_request(UNRESTRICTED, "A", short)
    assert (body, len(texts)) == (short, 1)
    assert await scoping.read_request(UNRESTRICTED, "A", long) == (long, ())
    assert offload.jobs == 0
    with pytest.raises(TooManyRequests):
        await scoping.read_request(A, "A", long)


async def test_a_long_query_is_scoped_elsewhere_and_again_from_the_cache():
    offload = Offload(CpuBudget(), timeout=10)
    query = "up+" * 200 + "up"
    async with gateway(offload=offload) as g:
        for _ in range(2):
            answered = await g.get(f"/api/v1/query?query={quote_plus(query)}")
            assert answered.status == 200
            [(_, sent)] = pairs(g.asked()[0].split(b" ")[1].partition(b"?")[2])
            assert sent == query.replace("up", 'up{project="A"}')
        assert offload.jobs == 1
        wrong = await g.get(f"/api/v1/query?query={quote_plus(query)}%2B")
        assert (wrong.status, offload.jobs) == (400, 2)
        assert "unexpected end" in wrong.json["error"]
        assert g.watcher.seen[-1].texts == ((f"{query}+", ""),)


async def test_a_project_that_has_used_its_cpu_time_still_gets_what_is_cached():
    offload = Offload(CpuBudget(1, 3600), timeout=10)
    async with gateway(offload=offload) as g:
        assert (await g.get("/api/v1/query?query=up")).status == 200
        offload.budget.charge("A", 2)
        refused = await g.get("/api/v1/query?query=down")
        assert (refused.status, int(refused.header(b"retry-after")) >= 3600) == (429, True)
        assert (await g.get("/api/v1/query?query=up")).status == 200
        assert (await g.get("/api/v1/query?query=down", "admin")).status == 200


def test_a_text_is_scoped_once_for_all_errors_about_it(monkeypatch):
    calls = []

    def counted(*arguments, **options):
        calls.append(arguments)
        return scoping_edits(*arguments, **options)

    monkeypatch.setattr("chrysaetos.gateway.proxy.scoping.scoping_edits", counted)
    messages = [f"PromQL warning: {number} (1:21)" for number in range(5)]
    restored = restored_messages(messages, "rate(up[5m])", A, is_selector=False, bounds=DEFAULT_BOUNDS)
    assert restored == [f"PromQL warning: {number} (1:8)" for number in range(5)]
    assert len(calls) == 1

"""Several upstreams as one."""

import pytest
from tests.fakes.body_source import BodySource
from tests.fakes.clock import Clock

from chrysaetos.errors import BadGateway, GatewayTimeout, Unavailable
from chrysaetos.http.upstream.pool import AllBusy
from chrysaetos.http.upstream.replicas import Replicas
from chrysaetos.http.upstream.response import BodyStream, UpstreamResponse


class Pool:
    """A replica that responds with its name, or raises its error after so many seconds."""

    def __init__(self, name, clock):
        self.name = name
        self.error = None
        self.status, self.kind = 200, b"application/json"
        self.seconds = 0.0
        self.asked = 0
        self.timeout = None
        self.closed = False
        self.connection = BodySource()
        self._clock = clock

    async def request(self, *_, **options):
        self.asked += 1
        self.timeout = options["timeout"]
        self._clock.now += self.seconds
        if self.error is not None:
            raise self.error
        body = BodyStream(self.connection)
        body.push(self.name.encode())
        return UpstreamResponse(self.status, [(b"content-type", self.kind)], None, None, body)

    async def close(self):
        self.closed = True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pools(clock):
    return [Pool("a", clock), Pool("b", clock), Pool("c", clock)]


@pytest.fixture
def replicas(pools, clock):
    return Replicas(pools, clock=clock)


async def ask(replicas, *, idempotent=True):
    response = await replicas.request("GET", b"/", timeout=10, idempotent=idempotent)
    return (await anext(response)).decode()


async def test_first_replica_is_used_while_it_responds(replicas, pools):
    assert [await ask(replicas) for _ in range(3)] == ["a"] * 3
    assert [pool.asked for pool in pools] == [3, 0, 0]
    assert replicas.failovers == 0


@pytest.mark.parametrize("error", [Unavailable("down"), BadGateway("nonsense")])
async def test_read_goes_to_the_next_replica_and_the_failed_one_is_tried_last(replicas, pools, clock, error):
    pools[0].error = error
    assert [await ask(replicas) for _ in range(3)] == ["b"] * 3
    assert [pool.asked for pool in pools] == [1, 3, 0]
    assert replicas.failovers == 1
    pools[0].error = None
    clock.now += 4.9
    assert await ask(replicas) == "b"
    clock.now += 0.2
    assert await ask(replicas) == "a"


async def test_if_all_fail_the_last_error_is_raised(replicas, pools):
    for pool in pools:
        pool.error = Unavailable(f"{pool.name} is down")
    for _ in range(2):
        with pytest.raises(Unavailable, match="c is down"):
            await ask(replicas)
    assert [pool.asked for pool in pools] == [2, 2, 2]


async def test_replica_that_responds_again_is_tried_first(replicas, pools):
    pools[0].error = pools[1].error = pools[2].error = Unavailable("down")
    with pytest.raises(Unavailable):
        await ask(replicas)
    pools[0].error = None
    assert await ask(replicas) == "a"
    pools[1].error = pools[2].error = None
    assert await ask(replicas) == "a"


async def test_read_that_timed_out_is_not_tried_elsewhere(replicas, pools):
    pools[0].error = GatewayTimeout("slow")
    with pytest.raises(GatewayTimeout):
        await ask(replicas)
    assert await ask(replicas) == "b"


async def test_write_goes_to_the_next_replica_only_if_the_first_was_not_reached(replicas, pools):
    pools[0].error = Unavailable("down")
    assert await ask(replicas, idempotent=False) == "b"
    pools[1].error = BadGateway("broke off")
    with pytest.raises(BadGateway):
        await ask(replicas, idempotent=False)
    assert pools[2].asked == 0


async def test_the_next_replica_gets_the_time_that_is_left(replicas, pools):
    pools[0].error, pools[0].seconds = BadGateway("nonsense"), 4.0
    assert await ask(replicas) == "b"
    assert pools[1].timeout == pytest.approx(6.0)


async def test_replica_whose_connections_are_all_busy_has_not_failed(replicas, pools):
    pools[0].error, pools[0].seconds = AllBusy("all busy"), 10.0
    with pytest.raises(AllBusy):
        await ask(replicas)
    assert pools[1].asked == 0
    pools[0].error = None
    assert await ask(replicas) == "a"


async def test_read_goes_to_the_next_replica_while_one_is_not_ready(replicas, pools):
    pools[0].status, pools[0].kind = 503, b"text/plain; charset=utf-8"
    assert [await ask(replicas), await ask(replicas)] == ["b", "b"]
    assert [pool.asked for pool in pools] == [1, 2, 0]
    assert [pool.connection.aborted for pool in pools] == [True, False, False]
    assert await ask(replicas, idempotent=False) == "b"
    for pool in pools:
        pool.status, pool.kind = 503, b"text/plain; charset=utf-8"
    assert await ask(replicas) in {"a", "b", "c"}


async def test_query_that_timed_out_in_prometheus_is_not_tried_elsewhere(replicas, pools):
    pools[0].status = 503
    assert await ask(replicas) == "a"
    assert pools[1].asked == 0


async def test_close_closes_all_replicas(replicas, pools):
    await replicas.close()
    assert all(pool.closed for pool in pools)

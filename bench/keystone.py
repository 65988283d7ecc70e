"""Measure how often gateways call Keystone, by the number of gateways and tokens.

    python -m bench.keystone [--seconds S] [--json FILE]

Up to four gateways, without and with a shared memcached, all get requests with the same tokens, each once a
second. Keystone is a fake in this process that counts. The cache times are shorter than the defaults,
so that a run takes minutes. The last lines are computed for 100 gateways with the default cache times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from bench.load import usage
from bench.scale import Step, create_gateway, issue
from tests.fakes.keystone import FakeKeystone

from chrysaetos.demo.balanced import Memcached
from chrysaetos.demo.processes import LOOPBACK, DemoError
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chrysaetos.demo.gateway import Gateway

GATEWAYS = 100
"""The number of gateways that the load on Keystone is computed for."""


@dataclass(frozen=True, slots=True)
class KeystoneLoad:
    """The calls to Keystone of gateways that all get requests with the same tokens, each once a second.

    Attributes:
        gateways, tokens: their numbers.
        shared: whether the gateways share a memcached.
        per_minute: calls per minute, measured with the cache times below.
        expected: the same, computed.
        cpu_ms: CPU milliseconds of the gateways for each second and token, requests included.
    """

    gateways: int
    tokens: int
    shared: bool
    per_minute: float
    expected: float
    cpu_ms: float


def calls_per_minute(tokens: int, gateways: int, *, local: float, shared: float | None) -> float:
    """Return how often Keystone validates tokens in a minute.

    Args:
        tokens: tokens that are in use all the time.
        gateways: gateways (their workers, if they have several) that all get requests with each token.
        local: ``token_cache_seconds``.
        shared: ``token_cache_time`` of the memcached that they share; None without one.
    """
    return tokens * 60 / max(local, shared) if shared else tokens * gateways * 60 / local


LOCAL, SHARED = 5, 20
"""Cache times in seconds, a twelfth and a fifteenth of the defaults."""
LOADS = ((1, 50), (2, 50), (4, 50), (4, 150))
"""Numbers of gateways and tokens."""


def measure_keystone(seconds: float) -> Iterator[KeystoneLoad]:
    """Start gateways without and with a memcached, and yield the load of each number of tokens."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        directory = Path(folder)
        keystone = FakeKeystone()
        stack.callback(keystone.stop)
        prometheus = stack.enter_context(Prometheus(directory / "prometheus"))
        memcached = stack.enter_context(Memcached(directory / "memcached"))
        for shared in (False, True):
            with ExitStack() as started:
                section = {"memcached_servers": memcached.address, "token_cache_time": str(SHARED)}
                options = {
                    "gateway": {"token_cache_seconds": str(LOCAL)},
                    "keystone_authtoken": section if shared else {},
                }
                gateways = [
                    started.enter_context(
                        create_gateway(directory / f"{number}-{shared}", keystone, prometheus.url, options)
                    )
                    for number in range(max(LOADS)[0])
                ]
                for used, tokens in LOADS:
                    yield _keystone_load(keystone, gateways[:used], tokens, seconds, shared=shared)


def _keystone_load(
    keystone: FakeKeystone, gateways: Sequence[Gateway], tokens: int, seconds: float, *, shared: bool
) -> KeystoneLoad:
    issued = issue(keystone, Step(tokens, tokens, 0))
    asyncio.run(_ask_all(gateways, issued, LOCAL))
    before, cpu, start = len(keystone.validations), _cpu(gateways), time.monotonic()
    asyncio.run(_ask_all(gateways, issued, seconds))
    seconds = time.monotonic() - start
    calls = len(keystone.validations) - before
    used = (_cpu(gateways) - cpu) * 1000 / (seconds * tokens * len(gateways))
    expected = calls_per_minute(tokens, len(gateways), local=LOCAL, shared=SHARED if shared else None)
    return KeystoneLoad(len(gateways), tokens, shared, calls * 60 / seconds, expected, used)


def _cpu(gateways: Sequence[Gateway]) -> float:
    return sum(usage(gateway.pid or 0)[0] for gateway in gateways)


async def _ask_all(gateways: Sequence[Gateway], tokens: Sequence[str], seconds: float) -> None:
    phases = [number / len(gateways) for number in range(len(gateways))]
    await asyncio.gather(
        *(_ask(gateway.port, tokens, seconds, phase) for gateway, phase in zip(gateways, phases, strict=True))
    )


async def _ask(port: int, tokens: Sequence[str], seconds: float, phase: float) -> None:
    """Send ``/-/whoami`` with each token once a second, spread evenly, from ``phase`` seconds on."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    start = time.monotonic() + phase
    for number in count():
        await asyncio.sleep(start + number / len(tokens) - time.monotonic())
        if time.monotonic() - start > seconds:
            break
        token = tokens[number % len(tokens)]
        writer.write(f"GET /-/whoami HTTP/1.1\r\nHost: g\r\nX-Auth-Token: {token}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head[:20]:
            raise DemoError(head.decode())
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r")[0]))
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="duration of each measurement")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    arguments = parser.parse_args()
    loads = measured_loads(arguments.seconds)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(load) for load in loads], indent=1))


def measured_loads(seconds: float) -> list[KeystoneLoad]:
    """Measure and print the load on Keystone, and that of many gateways by the formula."""
    periods = max(1, round(seconds / SHARED))
    print(f"{'gateways':>8} {'tokens':>7} {'memcached':>9}{'calls/min':>11}{'computed':>10}{'CPU ms/s':>10}")
    loads = []
    for load in measure_keystone(periods * SHARED):
        shared = "yes" if load.shared else "no"
        print(
            f"{load.gateways:8} {load.tokens:7} {shared:>9}{load.per_minute:11.0f}"
            f"{load.expected:10.0f}{load.cpu_ms:10.2f}",
            flush=True,
        )
        loads.append(load)
    print(f"\ncomputed for {GATEWAYS} gateways with the default cache times of 60 and 300 s, calls/min:")
    for tokens in (1000, 10_000, 100_000):
        alone = calls_per_minute(tokens, GATEWAYS, local=60, shared=None)
        together = calls_per_minute(tokens, GATEWAYS, local=60, shared=300)
        print(f"{tokens:7} tokens: {alone:12,.0f} without memcached, {together:8,.0f} with it")
    return loads


if __name__ == "__main__":
    main()

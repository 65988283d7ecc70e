"""Measure what one tenant's requests do to the latency of another.

    make bench-fairness      or      python -m bench.fairness [--seconds S] [attack ...]

A tenant queries ``vector(1)`` over one connection, with a pause of 10 ms after each response, first alone and
then during each attack: 20 connections of another project (slow readers: of each of five) that send the most
expensive requests known. The attackers run in a separate process. The same query is sent to Prometheus
directly at the same time, since an attack may slow it down as well. Prints p50 and p99 in milliseconds.

For the last attacks, Prometheus has 100,000 recording rules, 70,000 alerting rules, and metadata of 100,000
metrics. All rules together are longer than ``max_filtered_bytes``.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlsplit

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK, Process, free_port
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS = 20
PAUSE = 0.01


def _post(path: str, body: bytes, kind: str = "application/x-www-form-urlencoded", more: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nX-Auth-Token: %TOKEN%\r\nContent-Type: {kind}\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: gateway\r\nX-Auth-Token: %TOKEN%\r\n\r\n".encode()


def _query(text: str) -> bytes:
    return _post("/api/v1/query", b"query=" + quote_plus(text).encode())


def _long(number: int) -> bytes:
    return _query(f"{number}+" + "a@1+" * 8000 + "1")


def _longest(number: int) -> bytes:
    return _query(f"{number}+" + "a+" * 7000 + "a{" + ",".join(["a=~'b'"] * 1000) + "}")


def _short(number: int) -> bytes:
    return _query(f"{number}+" + "a@1+" * 100 + "1")


def _wrong(number: int) -> bytes:
    return _query(f"{number}+" + "a@1+" * 8000)


def _explained(number: int) -> bytes:
    return _post("/-/explain", b"query=" + quote_plus(f"{number}+" + "a@1+" * 8000 + "1").encode())


def _selectors(number: int) -> bytes:
    return _post("/api/v1/series", b"&".join(b"match[]=a%d" % (number * 1000 + n) for n in range(1000)))


def _parameters(number: int) -> bytes:  # noqa: ARG001  # the same each time
    return _post("/api/v1/series", b"&".join([b"match[]=a"] * 14_563))


def _cached(number: int) -> bytes:  # noqa: ARG001  # the same each time
    return _selectors(0)


def _escaped(number: int) -> bytes:
    return _post("/api/v1/query", b"query=%d&stats=" % number + b"%41" * 340_000)


def _read(number: int) -> bytes:  # noqa: ARG001  # the same each time
    """A remote read of 49 KiB, decompressed a message of 1 MiB of empty matchers."""
    matchers = 1024 * 1024 - 16
    start = b"\x0a" + _varint(matchers) + b"\x1a\x00"
    size = len(start) - 2 + matchers
    copies = (size - len(start)) // 64
    rest = size - len(start) - copies * 64
    block = _varint(size) + bytes([(len(start) - 1) << 2]) + start + b"\xfe\x02\x00" * copies
    block += bytes([(rest - 1) << 2 | 2, 2, 0]) if rest else b""
    more = "Content-Encoding: snappy\r\n"
    return _post("/api/v1/read", block, "application/x-protobuf", more)


def _varint(number: int) -> bytes:
    result = bytearray()
    while number > 127:
        result.append(number & 127 | 128)
        number >>= 7
    return bytes([*result, number])


def _large(number: int) -> bytes:
    """A range query with an answer of some megabytes."""
    series = " or ".join(f'label_replace(vector({number}), "n", "{n}", "", "")' for n in range(20))
    return _post("/api/v1/query_range", f"query={quote_plus(series)}&start=0&end=10000&step=1".encode())


ATTACKS: dict[str, Callable[[int], bytes]] = {
    "long queries": _long,
    "most selectors and matchers": _longest,
    "short queries, all new": _short,
    "long queries with an error": _wrong,
    "long queries, explained": _explained,
    "1,000 selectors": _selectors,
    "1,000 selectors, the same each time": _cached,
    "14,563 selectors": _parameters,
    "1 MiB of escaped text": _escaped,
    "remote reads of 1 MiB": _read,
    "slow readers of five projects": _large,
    "100,000 metadata entries": lambda _: _get("/api/v1/metadata"),
    "70,000 alerting rules": lambda _: _get("/api/v1/alerts"),
    "170,000 rules, more than is filtered": lambda _: _get("/api/v1/rules"),
}
LARGE = list(ATTACKS)[-3:]
"""The attacks that need the large Prometheus."""


async def _attack(port: int, name: str, tokens: list[str]) -> None:
    """Attack until SIGTERM, then print the latencies."""
    make = ATTACKS[name]
    slow = len(tokens) > 1
    times: list[float] = []
    statuses: Counter[int] = Counter()
    counter = iter(range(1, 1 << 40))

    async def client(token: str) -> None:
        for _ in counter:
            with suppress(OSError, asyncio.IncompleteReadError):
                limit = 4096 if slow else 1 << 20
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
                while True:
                    writer.write(make(next(counter)).replace(b"%TOKEN%", token.encode(), 1))
                    began = time.perf_counter()
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    statuses[int(head.split()[1])] += 1
                    if slow and b" 200 " in head[:20]:
                        while await reader.read(4096):  # noqa: ASYNC110  # that is what a slow reader does
                            await asyncio.sleep(2)
                        break
                    length = int(head.partition(b"content-length: ")[2].split(b"\r")[0])
                    await reader.readexactly(length)
                    times.append(time.perf_counter() - began)
                writer.close()
            await asyncio.sleep(0.1)

    stopped = asyncio.Event()
    tasks = [asyncio.create_task(client(token)) for token in tokens for _ in range(CONNECTIONS)]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    for task in tasks:
        task.cancel()
    print(f"{_quantiles(times)}  {dict(sorted(statuses.items()))}")


def _quantiles(times: list[float]) -> str:
    if len(times) < 2:
        return f"{'-':>9} {'-':>9}"
    cuts = statistics.quantiles(times, n=100)
    return f"{cuts[49] * 1000:9.1f} {cuts[98] * 1000:9.1f}"


async def _both(ports: tuple[int, int], token: str, seconds: float) -> str:
    """Query the gateway and Prometheus, and return the latencies."""
    (through, statuses), (direct, _) = await asyncio.gather(
        *(_measured(port, token, seconds) for port in ports)
    )
    answers = "" if set(statuses) == {200} else f" {dict(statuses)}"
    return f"{_quantiles(through)}  {_quantiles(direct)}{answers}"


async def _measured(port: int, token: str, seconds: float) -> tuple[list[float], Counter[int]]:
    """Query ``vector(1)`` repeatedly, and return the latencies and the statuses."""
    request = f"GET /api/v1/query?query=vector(1) HTTP/1.1\r\nHost: gateway\r\nX-Auth-Token: {token}\r\n\r\n"
    times: list[float] = []
    statuses: Counter[int] = Counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r")[0]))
        times.append(time.perf_counter() - began)
        statuses[int(head.split()[1])] += 1
        await asyncio.sleep(PAUSE)
    writer.close()
    return times, statuses


def _started(stack: ExitStack, directory: Path, *, large: bool) -> tuple[tuple[int, int], list[str]]:
    """Start the servers; return the ports of the gateway and Prometheus, and tokens of six projects."""
    keystone = stack.enter_context(Keystone(directory / "keystone"))
    api = IdentityApi(keystone.url, keystone.admin_password)
    stack.callback(api.close)
    tenants = [api.create_account(f"t{n}", api.create_project(f"t{n}"), f"t{n}", "reader") for n in range(6)]
    validator = api.create_account("aetos", api.create_project("service"), "service", "service")
    prometheus = Prometheus(directory / "prometheus")
    if large:
        _enlarge(stack, prometheus)
    stack.enter_context(prometheus)
    if large:
        prometheus.wait_scraped()
    gateway = Gateway(
        directory / "gateway",
        keystone_url=keystone.url,
        prometheus_url=prometheus.url,
        user=validator.user,
        password=validator.password,
    )
    stack.enter_context(gateway)
    ports = (urlsplit(gateway.root_url).port or 0, urlsplit(prometheus.url).port or 0)
    return ports, [api.token(tenant.auth()) for tenant in tenants]


def _enlarge(stack: ExitStack, prometheus: Prometheus) -> None:
    """Give Prometheus rules and metadata."""
    rules: list[tuple[int, dict[str, object]]] = [
        (100, {"record": "a"}),
        (70, {"alert": "A", "annotations": {"s": "d"}}),
    ]
    prometheus.rule_groups = [
        {"name": f"g{len(rule)}-{n}", "interval": "1d", "rules": [{**rule, "expr": f"a{n}"}] * 1000}
        for groups, rule in rules
        for n in range(groups)
    ]
    folder, port = prometheus.directory / "metrics", free_port()
    folder.mkdir()
    lines = (f"# HELP m{n} What it measures.\n# TYPE m{n} gauge\n" for n in range(100_000))
    (folder / "metrics.txt").write_text("".join(lines))
    command = [sys.executable, "-m", "http.server", "--bind", LOOPBACK, "--directory", str(folder), str(port)]
    target = Process("metrics", command, log=folder / "metrics.log")
    stack.callback(target.stop)
    prometheus.scrape_configs = [
        {
            "job_name": "large",
            "metrics_path": "/metrics.txt",
            "static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}],
        }
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="duration of each measurement")
    parser.add_argument("attacks", nargs="*", help=f"of {', '.join(ATTACKS)}; all by default")
    arguments = parser.parse_args()
    chosen = arguments.attacks or list(ATTACKS)
    print(f"{'':38}{'through the gateway':>19}  {'Prometheus directly':>19}  {'the attack':>19}")
    for large in (False, True):
        if attacks := [name for name in chosen if (name in LARGE) is large]:
            _measure(attacks, arguments.seconds, large=large)


def _measure(attacks: list[str], seconds: float, *, large: bool) -> None:
    """Print the latencies without an attack and during each."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ports, (quiet, *others) = _started(stack, Path(folder), large=large)
        asyncio.run(_both(ports, quiet, 1))
        alone = "alone, large Prometheus" if large else "alone"
        print(f"{alone:38}{asyncio.run(_both(ports, quiet, seconds))}", flush=True)
        for name in attacks:
            tokens = others if name.startswith("slow") else others[:1]
            command = [sys.executable, "-m", "bench.fairness", "--attack", str(ports[0]), name, *tokens]
            attack = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            time.sleep(1)
            measured = asyncio.run(_both(ports, quiet, seconds))
            attack.send_signal(signal.SIGTERM)
            result = attack.communicate(timeout=60)[0].strip()
            print(f"{name:38}{measured}  {result}", flush=True)
            time.sleep(11)  # the window of the budget


if __name__ == "__main__":
    if sys.argv[1:2] == ["--attack"]:
        asyncio.run(_attack(int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
    else:
        main()

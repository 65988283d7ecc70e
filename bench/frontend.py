"""Measure how much faster Thanos' query frontend makes an expensive range query by its cache.

    python -m bench.frontend [--series N] [--hours N] [--rounds N]

A tenant sends the same queries to two gateways: one in front of Thanos Query, one in front of its frontend.
Each round has a different query, which the frontend has not cached. Thanos is the one that
``tools/engines.py build thanos`` builds, or else the one on PATH. Keystone is a fake in this process.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from bench.scale import Step, create_gateway, issue, program_of, project_id
from tests.fakes.keystone import FakeKeystone

from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.demo.thanos import Query, QueryFrontend, Sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.demo.gateway import Gateway

STEP = 60
"""Seconds between samples, and between points of a result."""
OLDEST = 3600
"""Seconds from the newest sample to now. The frontend caches nothing of the last minute."""
DIRECT, FIRST, AGAIN = "without the frontend", "with the frontend, first time", "with the frontend, repeated"


def samples(series: int, start: int, end: int) -> Iterator[str]:
    """Yield the samples of a project as OpenMetrics text."""
    for number in range(series):
        labels = f'project="{project_id(0)}",vm="vm-{number}",zone="zone-{number % 10}"'
        yield "".join(
            f"cpu_seconds_total{{{labels}}} {(moment - start) * (number % 9 + 1) / 10} {moment}\n"
            for moment in range(start, end + 1, STEP)
        )
    yield "# EOF\n"


def start_gateways(stack: ExitStack, folder: Path, text: Iterator[str]) -> tuple[dict[str, Gateway], str]:
    """Start all servers. Return the gateways by the name of their upstream, and a tenant's token."""
    keystone = FakeKeystone()
    stack.callback(keystone.stop)
    prometheus = Prometheus(folder / "prometheus")
    prometheus.external_labels = {"replica": "one"}
    prometheus.backfill(text)
    stack.enter_context(prometheus)
    program = program_of("thanos", "thanos")
    sidecar = stack.enter_context(Sidecar(folder / "sidecar", program, prometheus.root_url))
    query = stack.enter_context(Query(folder / "query", program, [sidecar]))
    frontend = stack.enter_context(QueryFrontend(folder / "frontend", program, query))
    gateways = {}
    for server in (query, frontend):
        directory = folder / f"gateway-{server.name}"
        gateway = create_gateway(directory, keystone, server.root_url, {})
        gateways[server.name] = stack.enter_context(gateway)
    return gateways, issue(keystone, Step(1, 1, 0))[0]


def measure(series: int, hours: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each round by the kind of request."""
    end = (int(time.time()) - OLDEST) // STEP * STEP
    start = end - hours * 3600
    seconds: dict[str, list[float]] = {DIRECT: [], FIRST: [], AGAIN: []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        gateways, token = start_gateways(stack, Path(folder), samples(series, start, end))
        session = stack.enter_context(requests.Session())
        session.headers["X-Auth-Token"] = token

        def ask(gateway: Gateway, number: int) -> tuple[float, list[object]]:
            query = f'sum by (zone) (rate(cpu_seconds_total{{vm!="{number}"}}[5m]))'
            pairs = {"query": query, "start": str(start), "end": str(end), "step": str(STEP)}
            before = time.perf_counter()
            response = session.get(f"{gateway.root_url}/api/v1/query_range", params=pairs, timeout=300)
            taken = time.perf_counter() - before
            response.raise_for_status()
            return taken, response.json()["data"]["result"]

        for number in range(-1, rounds):  # the first one opens connections and files
            results = []
            for title, name in (
                (DIRECT, Query.name),
                (FIRST, QueryFrontend.name),
                (AGAIN, QueryFrontend.name),
            ):
                taken, result = ask(gateways[name], number)
                results.append(result)
                if number >= 0:
                    seconds[title].append(taken)
            if len(results[0]) != 10 or results.count(results[0]) != 3:
                raise SystemExit("the responses differ")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--series", type=int, default=300, help="series that the query selects")
    parser.add_argument("--hours", type=int, default=168, help="time range of the query")
    parser.add_argument("--rounds", type=int, default=9, help="number of queries")
    arguments = parser.parse_args()
    for title, seconds in measure(arguments.series, arguments.hours, arguments.rounds).items():
        median = statistics.median(seconds) * 1000
        print(f"{title:30}{median:8.0f} ms  ({min(seconds) * 1000:.0f} to {max(seconds) * 1000:.0f})")


if __name__ == "__main__":
    main()

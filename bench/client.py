"""Compare the client with python-observabilityclient, on one Prometheus in a Keystone catalog.

    python -m bench.client [--seconds S] [--rounds N]

Both use one keystoneauth1 session, and the endpoint in the catalog of a real Keystone, which is Prometheus
itself, so only the work of the clients and of the server is measured. Each round measures each client once;
the medians of the rounds are printed. "bare" is http.client, which only decodes the response. The overhead is
the CPU time of this process per query, minus that of "bare". Compare the ratios, not the absolute figures.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from observabilityclient.v1.client import Client

from chrysaetos.client import MetricsClient
from chrysaetos.demo.identities import DOMAIN, IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK
from chrysaetos.demo.prometheus import Prometheus

OURS = "chrysaetos.client"
THEIRS = "python-observabilityclient"
BARE = "bare http.client"
SERIES = 60

Send = Callable[[], int]


@dataclass(frozen=True)
class Case:
    """A measurement.

    Attributes:
        title: its title.
        query: the query.
        threads: the number of concurrent threads.
    """

    title: str
    query: str
    threads: int


@dataclass(frozen=True)
class Measure:
    """One run: queries per second, and milliseconds of CPU of this process per query."""

    rate: float
    cpu: float


def _store(now: int) -> str:
    """Return sixty series, from an hour ago to an hour ahead."""
    lines = [
        f'cpu_seconds_total{{vm="vm-{vm}",project="p"}} {vm * 1.5 + tick} {now + tick * 60}'
        for vm in range(SERIES)
        for tick in range(-60, 61)
    ]
    return "\n".join([*lines, "# EOF", ""])


def _clients(session: Session, port: int) -> dict[str, Callable[[str], Send]]:
    ours = MetricsClient(session)
    theirs = Client(session)
    kept = threading.local()

    def bare(query: str) -> Send:
        target = f"/api/v1/query?query={quote(query)}"

        def send() -> int:
            if not hasattr(kept, "connection"):
                kept.connection = http.client.HTTPConnection(LOOPBACK, port)
            kept.connection.request("GET", target)
            return len(json.loads(kept.connection.getresponse().read())["data"]["result"])

        return send

    def values(query: str) -> int:
        return len([float(sample.value) for sample in theirs.prometheus_client.query(query)])

    return {
        BARE: bare,
        THEIRS: lambda query: lambda: values(query),
        OURS: lambda query: lambda: len([sample.value for sample in ours.query_vector(query)]),
    }


def _measure(send: Send, threads: int, seconds: float) -> Measure:
    done = [0] * threads
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        while time.perf_counter() < end:
            send()
            done[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    started, cpu = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    took, spent = time.perf_counter() - started, time.process_time() - cpu
    return Measure(sum(done) / took, spent * 1000 / max(1, sum(done)))


def _show(case: Case, runs: dict[str, list[Measure]]) -> None:
    def median(name: str, what: str) -> float:
        return float(statistics.median(getattr(run, what) for run in runs[name]))

    def overhead(name: str) -> float:
        return median(name, "cpu") - median(BARE, "cpu")

    print(f"\n{case.title}, {case.threads} thread(s)")
    columns = (("queries/s", 12), ("ratio", 8), ("CPU ms", 10), ("overhead ms", 13), ("ratio", 8))
    print(f"{'':28}" + "".join(f"{title:>{width}}" for title, width in columns))
    for name in runs:
        rate = median(name, "rate")
        row = f"{name:28}{rate:12.0f}{rate / median(THEIRS, 'rate'):8.2f}{median(name, 'cpu'):10.3f}"
        if name != BARE:
            row += f"{overhead(name):13.3f}{overhead(name) / overhead(THEIRS):8.2f}"
        print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=20, help="the number of measurements of each client")
    arguments = parser.parse_args()
    now = int(time.time())
    print(f"{OURS} and {THEIRS} {version(THEIRS)}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        keystone = stack.enter_context(Keystone(Path(folder) / "keystone"))
        api = IdentityApi(keystone.url, keystone.admin_password)
        stack.callback(api.close)
        prometheus = Prometheus(Path(folder) / "prometheus")
        prometheus.backfill([_store(now)])
        stack.enter_context(prometheus)
        api.register_endpoint("metric-storage", "aetos", prometheus.url)
        auth = v3.Password(
            auth_url=keystone.url,
            username="admin",
            password=keystone.admin_password,
            project_name="admin",
            user_domain_id=DOMAIN,
            project_domain_id=DOMAIN,
        )
        clients = _clients(Session(auth=auth), prometheus.port)
        for case in (
            Case(title, query, threads)
            for title, query in (
                ("one number", "vector(1)"),
                ("a sum", "sum(cpu_seconds_total)"),
                ("sixty series", "cpu_seconds_total"),
            )
            for threads in (1, 8)
        ):
            sends = {name: make(case.query) for name, make in clients.items()}
            found = {name: send() for name, send in sends.items()}
            if len(set(found.values())) != 1:
                sys.exit(f"the results differ: {found}")
            runs: dict[str, list[Measure]] = {name: [] for name in sends}
            for _ in range(arguments.rounds):
                for name, send in sends.items():
                    runs[name].append(_measure(send, case.threads, arguments.seconds))
            _show(case, runs)


if __name__ == "__main__":
    main()

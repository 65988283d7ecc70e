"""Compare a rating cycle of CloudKitty 25.0.0 with its own collector and with ours, on the same gateway.

    make bench-cloudkitty      or      python -m bench.cloudkitty [--scopes N] [--rounds N]

Each cycle rates three metrics and two periods of each scope, in a new database. Both collectors use the
gateway. CloudKitty does not have a fetcher for it, so its own queries Prometheus. Each round measures both,
and the medians are printed. Both have to rate the same amounts. Most of the time is CloudKitty's own work.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.rating import CloudKitty, asked, credentials
from tests.fakes.relay import Relay

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

PERIOD = 3600
PERIODS = 2
WAIT = 2
STEP = 60
METRICS = ("cpu", "memory", "disk")
SETTINGS = {name: {"unit": "unit", "groupby": ["vm"], "metadata": ["flavor"]} for name in METRICS}
COSTS = dict.fromkeys(METRICS, "0.25")
KINDS = {"CloudKitty's own": ("aetos", "prometheus"), "ours": ("chrysaetos", "aetos")}
"""Collector and fetcher."""


@dataclass
class Measure:
    """One cycle.

    Attributes:
        seconds: its duration.
        collecting: the part of it in which the processor waited for the collector.
        cpu: CPU seconds of the whole process, including its start.
        queries: the number of queries of the collector, and of a fetcher that uses the gateway.
    """

    seconds: float
    collecting: float
    cpu: float
    queries: int


def _store(scopes: list[str], first: int, end: int) -> Iterator[str]:
    """Yield the samples of two servers of each scope."""
    for metric in METRICS:
        for number, scope in enumerate(scopes):
            for vm in range(2):
                labels = f'project="{scope}",vm="vm-{vm}",flavor="small"'
                for moment in range(first + STEP // 2, end, STEP):
                    value = (moment // STEP * 7 + number) % 97
                    yield f"{metric}{{{labels}}} {value} {moment}\n"
    yield "# EOF\n"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scopes", type=int, default=200, help="how many scopes are rated")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    arguments = parser.parse_args()
    scopes = [f"{number:032x}" for number in range(arguments.scopes)]
    now = int(time.time()) // STEP * STEP
    last = now - PERIOD // 2 - WAIT * PERIOD
    first = last - (PERIODS - 1) * PERIOD
    measures: dict[str, list[Measure]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        directory = Path(folder)
        keystone = stack.enter_context(Keystone(directory / "keystone"))
        api = IdentityApi(keystone.url, keystone.admin_password)
        stack.callback(api.close)
        service = api.create_account("service", api.create_project("service"), "service", "service")
        prometheus = Prometheus(directory / "prometheus")
        prometheus.backfill(_store(scopes, first, now + PERIOD))
        stack.enter_context(prometheus)
        gateway = Gateway(
            directory / "gateway",
            keystone_url=keystone.url,
            prometheus_url=prometheus.url,
            user=service.user,
            password=service.password,
        )
        stack.enter_context(gateway)
        known = credentials(service, keystone.url)
        found = {"metric": "cpu", "scope_attribute": "project"}
        sections = {
            "collector_aetos": known,
            "fetcher_aetos": {**known, **found},
            "fetcher_prometheus": {"prometheus_url": f"{prometheus.url}/api/v1", **found},
        }
        totals = []
        for number in range(arguments.rounds):
            for kind, (collector, fetcher) in KINDS.items():
                site = CloudKitty(
                    directory / f"{collector}-{number}",
                    *(25, SETTINGS, COSTS, sections),
                    collector=collector,
                    fetcher=fetcher,
                )
                site.prepare(dict.fromkeys(scopes, datetime.fromtimestamp(first - PERIOD, UTC)))
                with Relay(gateway.port) as endpoint:
                    api.register_endpoint("metric-storage", "aetos", endpoint.url)
                    before = _cpu()
                    site.cycle()
                    measures[kind].append(
                        Measure(site.seconds, site.collecting, _cpu() - before, asked(endpoint))
                    )
                totals.append(site.totals())
    if any(total != totals[0] for total in totals) or len(totals[0]) != len(scopes):
        sys.exit("the rated amounts differ")
    _show(measures, len(scopes))


def _show(measures: dict[str, list[Measure]], scopes: int) -> None:
    print(f"{scopes} scopes, {len(METRICS)} metrics, {PERIODS} periods")
    print(f"{'':18}{'queries':>9}{'collecting s':>14}{'ratio':>8}{'cycle s':>9}{'ratio':>8}{'CPU s':>8}")

    def median(kind: str, what: str) -> float:
        return float(statistics.median(getattr(one, what) for one in measures[kind]))

    base = next(iter(measures))
    for kind in measures:
        row = f"{kind:18}{median(kind, 'queries'):9.0f}"
        for what, width in (("collecting", 14), ("seconds", 9)):
            value = median(kind, what)
            row += f"{value:{width}.1f}{value / median(base, what):8.2f}"
        print(row + f"{median(kind, 'cpu'):8.1f}")


if __name__ == "__main__":
    main()

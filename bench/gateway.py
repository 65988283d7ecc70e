"""The gateway beside its peers, in front of the same Prometheus, in one run.

    make bench      or      python -m bench.gateway [--seconds S] [--rounds N]

One small instant query. Each round measures each server once, in turn, so that whatever else the machine does
falls on all of them; the median of the rounds is shown. The figures that mean something are the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import requests
from bench.load import Measure, load
from bench.peers import Aetos, HAProxy, aetos_environment

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.prometheus import Prometheus

CLIENTS = (1, 16)
DIRECT = "Prometheus directly"
QUERY = "/api/v1/query?" + urlencode({"query": 'cpu_seconds_total{mode="user"}'})


def _store(project: str, now: int) -> str:
    """Twenty series of a tenant, an hour of them and an hour to come."""
    lines = [
        f'cpu_seconds_total{{project="{project}",vm="vm-{vm}",mode="{mode}"}} {tick + 100} {now + tick * 60}'
        for vm in range(10)
        for mode in ("user", "idle")
        for tick in range(-60, 61)
    ]
    return "\n".join([*lines, "# EOF", ""])


def _start(stack: ExitStack, directory: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Everything, and the tenant's headers: URL by name."""
    keystone = stack.enter_context(Keystone(directory / "keystone"))
    api = IdentityApi(keystone.url, keystone.admin_password)
    stack.callback(api.close)
    tenant = api.create_account("tenant", api.create_project("tenant"), "tenant", "reader")
    validator = api.create_account("aetos", api.create_project("service"), "service", "service")
    prometheus = Prometheus(directory / "prometheus")
    prometheus.backfill([_store(str(tenant.project_id), int(time.time()))])
    stack.enter_context(prometheus)
    gateway = Gateway(
        directory / "gateway",
        keystone_url=keystone.url,
        prometheus_url=prometheus.url,
        user=validator.user,
        password=validator.password,
    )
    stack.enter_context(gateway)
    haproxy = stack.enter_context(HAProxy(directory / "haproxy", prometheus.url))
    environment = aetos_environment(Path(".bench") / "aetos")
    aetos = stack.enter_context(Aetos(directory / "aetos", environment.absolute(), gateway))
    urls = {
        DIRECT: prometheus.url,
        "HAProxy": haproxy.root_url,
        "Aetos 3.0.0": aetos.root_url,
        "the gateway": gateway.root_url,
    }
    return urls, {"X-Auth-Token": api.token(tenant.auth())}


def _check(urls: dict[str, str], headers: dict[str, str]) -> None:
    """Make sure that all answer, and that those which scope say the same."""
    seen = {}
    for name, url in urls.items():
        response = requests.get(url + QUERY, headers=headers, timeout=30)
        response.raise_for_status()
        seen[name] = len(response.json()["data"]["result"])
    if set(seen.values()) != {10}:
        sys.exit(f"the answers differ: {seen}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        urls, headers = _start(stack, Path(directory))
        _check(urls, headers)
        for clients in CLIENTS:
            measures: dict[str, list[Measure]] = {name: [] for name in urls}
            for _ in range(arguments.rounds):
                for name, url in urls.items():
                    measures[name].append(
                        load(url + QUERY, clients=clients, seconds=arguments.seconds, headers=headers)
                    )
            _show(clients, measures)


def _show(clients: int, measures: dict[str, list[Measure]]) -> None:
    def median(name: str, what: str) -> float:
        return statistics.median(getattr(one, what) for one in measures[name])

    print(f"\n{clients} client{'s' * (clients > 1)}, one small instant query, medians and ratios to {DIRECT}")
    columns = (("requests/s", 12), ("ratio", 8), ("p50 ms", 9), ("ratio", 8), ("p99 ms", 9), ("ratio", 8))
    print(" " * 22 + "".join(f"{title:>{width}}" for title, width in columns) + f"{'errors':>8}")
    for name, runs in measures.items():
        row = f"{name:22}"
        for what, digits in (("rate", 0), ("p50", 2), ("p99", 2)):
            value = median(name, what)
            row += f"{value:{12 if what == 'rate' else 9}.{digits}f}{value / median(DIRECT, what):8.3f}"
        print(row + f"{sum(one.errors for one in runs):8}")


if __name__ == "__main__":
    main()

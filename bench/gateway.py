"""The gateway beside its peers, in front of the same Prometheus, in one run.

    make bench      or      python -m bench.gateway [--seconds S] [--rounds N]

A small instant query by 1, 16 and 64 clients, the same by 16 clients with a thousand tokens, and a range
query whose answer is 10 MiB. Each round measures each server once, in turn, so that whatever else the
machine does falls on all of them; medians of the rounds are shown. What means something are the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import requests
from bench.load import Measure, load
from bench.peers import Aetos, HAProxy, aetos_environment

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.prometheus import Prometheus

DIRECT = "Prometheus directly"
GATEWAY = "the gateway"
AETOS = "Aetos 3.0.0"
MODES = ("user", "idle", "system", "iowait", "steal", "nice")
SMALL = "/api/v1/query?" + urlencode({"query": 'cpu_seconds_total{mode="user"}'})
MINUTES = 80
"""Of samples, to both sides of now."""
TOKENS = 1000


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        title: what it is.
        path: what is asked for.
        clients: how many ask at a time.
        tokens: file with the tokens to use in turn; the one of the headers if None.
        without: servers that cannot answer it.
    """

    title: str
    path: str
    clients: int
    tokens: Path | None = None
    without: tuple[str, ...] = ()


def _large(now: int) -> str:
    """A range query with a step of a second over nearly all that is there: 60 series of 9,501 points."""
    asked = {"query": "cpu_seconds_total", "start": now - 4750, "end": now + 4750, "step": 1}
    return f"/api/v1/query_range?{urlencode(asked)}"


def _store(project: str, now: int) -> str:
    """Sixty series of a tenant with a sample a minute, of the time before now and of the time to come."""
    lines = [
        f'cpu_seconds_total{{project="{project}",vm="vm-{vm}",mode="{mode}"}} {tick + 100} {now + tick * 60}'
        for vm in range(10)
        for mode in MODES
        for tick in range(-MINUTES, MINUTES + 1)
    ]
    return "\n".join([*lines, "# EOF", ""])


@dataclass
class Servers:
    """What was started: URL and process by name, and the tenant's credentials."""

    urls: dict[str, str]
    pids: dict[str, int]
    token: str
    more_tokens: list[str]


def _start(stack: ExitStack, directory: Path, now: int) -> Servers:
    keystone = stack.enter_context(Keystone(directory / "keystone"))
    api = IdentityApi(keystone.url, keystone.admin_password)
    stack.callback(api.close)
    tenant = api.create_account("tenant", api.create_project("tenant"), "tenant", "reader")
    validator = api.create_account("aetos", api.create_project("service"), "service", "service")
    prometheus = Prometheus(directory / "prometheus")
    prometheus.backfill([_store(str(tenant.project_id), now)])
    stack.enter_context(prometheus)
    gateway = Gateway(
        directory / "gateway",
        keystone_url=keystone.url,
        prometheus_url=prometheus.url,
        user=validator.user,
        password=validator.password,
        # All clients ask the same: sharing would answer them with a few requests to Prometheus.
        options={"gateway": {"share_requests": "false", "max_requests_per_project": "0"}},
    )
    stack.enter_context(gateway)
    haproxy = stack.enter_context(HAProxy(directory / "haproxy", prometheus.url))
    environment = aetos_environment(Path(".bench") / "aetos")
    aetos = stack.enter_context(Aetos(directory / "aetos", environment.absolute(), gateway))
    servers = {DIRECT: prometheus, "HAProxy": haproxy, AETOS: aetos, GATEWAY: gateway}
    return Servers(
        {name: server.root_url for name, server in servers.items()},
        {name: server.pid or 0 for name, server in servers.items()},
        api.token(tenant.auth()),
        [api.token(tenant.auth()) for _ in range(TOKENS)],
    )


def _check(servers: Servers, case: Case) -> None:
    """Make sure that all answer, and that they say the same."""
    seen = {}
    for name, url in servers.urls.items():
        if name not in case.without:
            response = requests.get(url + case.path, headers={"X-Auth-Token": servers.token}, timeout=60)
            response.raise_for_status()
            # Their series; the bytes differ where one decodes and encodes them.
            seen[name] = len(response.json()["data"]["result"])
            length = len(response.content)
    if len(set(seen.values())) != 1:
        sys.exit(f"the answers differ: {seen}")
    print(f"\n{case.title}: {case.clients} client(s), an answer of {length:,} bytes")


def _measure(servers: Servers, case: Case, name: str, seconds: float) -> Measure:
    return load(
        servers.urls[name] + case.path,
        clients=case.clients,
        seconds=seconds,
        headers={"X-Auth-Token": servers.token},
        tokens=case.tokens,
        pid=servers.pids[name],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is measured")
    arguments = parser.parse_args()
    now = int(time.time())
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = _start(stack, Path(folder), now)
        tokens = Path(folder) / "tokens"
        tokens.write_text("\n".join(servers.more_tokens))
        cases = [
            *(Case("one small instant query", SMALL, clients) for clients in (1, 16, 64)),
            Case(f"the same with {TOKENS} tokens", SMALL, 16, tokens=tokens),
            Case("a range query of 10 MiB", _large(now), 1, without=(AETOS,)),
        ]
        for case in cases:
            _check(servers, case)
            names = [name for name in servers.urls if name not in case.without]
            measures: dict[str, list[Measure]] = {name: [] for name in names}
            for name in names:
                # Warm: a thousand tokens have to be seen once by Keystone.
                _measure(servers, case, name, 1.0 if case.tokens is None else 15.0)
            for _ in range(arguments.rounds):
                for name in names:
                    measures[name].append(_measure(servers, case, name, arguments.seconds))
            _show(measures)


def _show(measures: dict[str, list[Measure]]) -> None:
    def median(name: str, what: str) -> float:
        return statistics.median(getattr(one, what) for one in measures[name])

    columns = (("requests/s", 12), ("ratio", 8), ("p50 ms", 9), ("ratio", 8), ("p99 ms", 9), ("ratio", 8))
    print(
        f"{'':22}"
        + "".join(f"{title:>{width}}" for title, width in columns)
        + f"{'CPU ms/req':>12}{'MiB':>7}{'grown':>7}{'errors':>8}"
    )
    for name, runs in measures.items():
        row = f"{name:22}"
        for what, digits in (("rate", 0), ("p50", 2), ("p99", 2)):
            value = median(name, what)
            row += f"{value:{12 if what == 'rate' else 9}.{digits}f}{value / median(DIRECT, what):8.3f}"
        grown = max(one.memory for one in runs) - runs[0].memory_before
        row += f"{median(name, 'cpu_ms'):12.3f}{median(name, 'memory'):7.0f}{grown:7.1f}"
        print(row + f"{sum(one.errors for one in runs):8}")


if __name__ == "__main__":
    main()

"""Compare the gateway with other proxies in front of the same Prometheus.

    make bench      or      python -m bench.gateway [--seconds S] [--rounds N] [--json FILE] [--plot FILE]

The cases are a small instant query by 1, 16 and 64 clients, the same query by 16 clients with a moving time
and with a thousand tokens, a range query with a response of 85 kB by 16 clients, and one of 10 MiB. vmauth,
prom-label-proxy and Maia are measured if they are on PATH (``tools/engines.py build vmauth prom_label_proxy``
builds the first two). Each round measures each server once, so that other load on the machine affects all
servers. The result is the median of the rounds. Compare the ratios, not the absolute values.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import requests
from bench.chart import Panel, draw
from bench.load import Measure, load
from bench.peers import Aetos, HAProxy, Maia, PromLabelProxy, VMAuth, aetos_environment

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import DemoError
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable

DIRECT = "Prometheus directly"
GATEWAY = "the gateway"
AETOS = "Aetos 3.0.0"
MODES = ("user", "idle", "system", "iowait", "steal", "nice")
SMALL = "/api/v1/query?" + urlencode({"query": 'cpu_seconds_total{mode="user"}'})
MINUTES = 80
"""Minutes of samples before and after the start."""
TOKENS = 1000


@dataclass(frozen=True)
class Case:
    """A case to measure.

    Attributes:
        title: the title in the output.
        label: a short title.
        path: the request target.
        clients: number of concurrent clients.
        tokens: file with tokens to use in turn; None for the token in the headers.
        without: servers that do not support the request.
        moving: seconds since the epoch at which a parameter ``time`` starts; None for requests without one.
    """

    title: str
    label: str
    path: str
    clients: int
    tokens: Path | None = None
    without: tuple[str, ...] = ()
    moving: int | None = None


def _range(now: int, seconds: int, step: int) -> str:
    """Return a range query of 60 series over so many seconds before and after now."""
    parameters = {"query": "cpu_seconds_total", "start": now - seconds, "end": now + seconds, "step": step}
    return f"/api/v1/query_range?{urlencode(parameters)}"


def _store(project: str, now: int) -> str:
    """Return sixty series of a tenant with a sample per minute, before and after now."""
    labels = f'project="{project}"'
    if shutil.which(Maia.name):
        labels += f',project_id="{project}"'
    lines = [
        f'cpu_seconds_total{{{labels},vm="vm-{vm}",mode="{mode}"}} {tick + 100} {now + tick * 60}'
        for vm in range(10)
        for mode in MODES
        for tick in range(-MINUTES, MINUTES + 1)
    ]
    return "\n".join([*lines, "# EOF", ""])


@dataclass
class Servers:
    """The started servers: URLs and process ids by name, and the tenant's tokens."""

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
    # Maia lists all roles and domains.
    lister = api.create_account("maia", str(validator.project_id), "service", "admin")
    prometheus = Prometheus(directory / "prometheus")
    prometheus.backfill([_store(str(tenant.project_id), now)])
    stack.enter_context(prometheus)
    gateway = Gateway(
        directory / "gateway",
        keystone_url=keystone.url,
        prometheus_url=prometheus.url,
        user=validator.user,
        password=validator.password,
        options={
            "gateway": {
                # All clients send the same query, so coalescing would send only a few requests to Prometheus.
                "share_requests": "false",
                "max_requests_per_project": "0",
                # With many servers, a round takes longer than the default of a minute.
                "token_cache_seconds": "3600",
            }
        },
    )
    stack.enter_context(gateway)
    haproxy = stack.enter_context(HAProxy(directory / "haproxy", prometheus.url))
    environment = aetos_environment(Path(".bench") / "aetos")
    aetos = stack.enter_context(Aetos(directory / "aetos", environment.absolute(), gateway))
    servers = {DIRECT: prometheus, "HAProxy": haproxy, AETOS: aetos, GATEWAY: gateway}
    for peer in (
        VMAuth(directory / "vmauth", prometheus.url),
        PromLabelProxy(directory / "prom-label-proxy", prometheus.url, str(tenant.project_id)),
        Maia(directory / "maia", prometheus.url, keystone.url, lister),
    ):
        if shutil.which(peer.name) is None:
            print(f"{peer.name} is not on PATH, and not measured", file=sys.stderr)
            continue
        if isinstance(peer, Maia):
            api.register_endpoint("metrics", "maia", peer.root_url)
        try:
            servers[peer.name] = stack.enter_context(peer)
        except DemoError as error:  # Debian's vmauth 1.79 has no requests without credentials
            print(f"{peer.name} is not measured: {str(error).splitlines()[0]}", file=sys.stderr)
    return Servers(
        {name: server.root_url for name, server in servers.items()},
        {name: server.pid or 0 for name, server in servers.items()},
        api.token(tenant.auth()),
        [api.token(tenant.auth()) for _ in range(TOKENS)],
    )


def _check(servers: Servers, case: Case) -> None:
    """Check that all servers return the same result."""
    results = {}
    for name, url in servers.urls.items():
        if name not in case.without:
            response = requests.get(url + case.path, headers={"X-Auth-Token": servers.token}, timeout=60)
            response.raise_for_status()
            # Compare the number of series, since some servers encode the response again.
            results[name] = len(response.json()["data"]["result"])
            length = len(response.content)
    if len(set(results.values())) != 1:
        sys.exit(f"the results differ: {results}")
    print(f"\n{case.title}: {case.clients} client(s), response of {length:,} bytes")


def _measure(servers: Servers, case: Case, name: str, seconds: float) -> Measure:
    return load(
        servers.urls[name] + case.path,
        clients=case.clients,
        seconds=seconds,
        headers={"X-Auth-Token": servers.token},
        tokens=case.tokens,
        moving=case.moving,
        pid=servers.pids[name],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="duration of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="number of measurements of each server")
    parser.add_argument("--json", type=Path, help="file for all measurements")
    parser.add_argument("--plot", type=Path, help="file for a plot of the medians: .svg or .png")
    arguments = parser.parse_args()
    report: dict[str, dict[str, list[dict[str, float]]]] = {}
    results: dict[str, dict[str, list[Measure]]] = {}
    now = int(time.time())
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = _start(stack, Path(folder), now)
        tokens = Path(folder) / "tokens"
        tokens.write_text("\n".join(servers.more_tokens))
        cases = [
            *(Case("one small instant query", f"small, {n}", SMALL, n) for n in (1, 16, 64)),
            Case("the same with a moving time", "moving time, 16", SMALL, 16, moving=now),
            Case(f"the same with {TOKENS} tokens", f"{TOKENS} tokens, 16", SMALL, 16, tokens=tokens),
            Case("a range query of 85 kB", "85 kB, 16", _range(now, 1200, 40), 16, without=(AETOS,)),
            # Nearly all samples, with a step of a second: 9,501 points for each series.
            Case("a range query of 10 MiB", "10 MiB, 1", _range(now, 4750, 1), 1, without=(AETOS,)),
        ]
        for case in cases:
            _check(servers, case)
            names = [name for name in servers.urls if name not in case.without]
            measures: dict[str, list[Measure]] = {name: [] for name in names}
            for name in names:
                # Warm up: Keystone must validate each of the thousand tokens once.
                _measure(servers, case, name, 1.0 if case.tokens is None else 15.0)
            for _ in range(arguments.rounds):
                for name in names:
                    measures[name].append(_measure(servers, case, name, arguments.seconds))
            _show(measures)
            results[case.label] = measures
            title = f"{case.title}, {case.clients} client(s)"
            report[title] = {name: [asdict(run) for run in runs] for name, runs in measures.items()}
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1))
    if arguments.plot is not None:
        _plot(arguments.plot, results)


def _median(runs: list[Measure], attribute: str) -> float:
    return float(statistics.median(getattr(run, attribute) for run in runs))


def _plot(file: Path, results: dict[str, dict[str, list[Measure]]]) -> None:
    """Draw the medians. The results are by label of the case, and by server."""
    names = list(dict.fromkeys(name for measures in results.values() for name in measures))

    def panel(
        title: str, value: Callable[[dict[str, list[Measure]], str], float], *, logarithmic: bool = False
    ) -> Panel:
        rows = {
            name: [value(measures, name) if name in measures else None for measures in results.values()]
            for name in names
        }
        return Panel(title, list(results), rows, logarithmic)

    def ratio(attribute: str) -> Callable[[dict[str, list[Measure]], str], float]:
        return lambda runs, name: _median(runs[name], attribute) / _median(runs[DIRECT], attribute)

    panels = [
        panel("Requests per second, ratio to Prometheus directly", ratio("rate")),
        panel("p99, ratio to Prometheus directly", ratio("p99"), logarithmic=True),
        panel(
            "CPU per request, microseconds",
            lambda runs, name: _median(runs[name], "cpu_ms") * 1000,
            logarithmic=True,
        ),
        panel("Memory, MiB", lambda runs, name: _median(runs[name], "memory")),
    ]
    draw(file, "Proxies in front of the same Prometheus, by request and number of clients", panels)


def _show(measures: dict[str, list[Measure]]) -> None:
    def median(name: str, attribute: str) -> float:
        return _median(measures[name], attribute)

    columns = (("requests/s", 12), ("ratio", 8), ("p50 ms", 9), ("ratio", 8), ("p99 ms", 9), ("ratio", 8))
    print(
        f"{'':22}"
        + "".join(f"{title:>{width}}" for title, width in columns)
        + f"{'CPU µs/req':>12}{'MiB':>7}{'grown':>7}{'errors':>8}"
    )
    for name, runs in measures.items():
        row = f"{name:22}"
        for attribute, digits in (("rate", 0), ("p50", 2), ("p99", 2)):
            value = median(name, attribute)
            width = 12 if attribute == "rate" else 9
            row += f"{value:{width}.{digits}f}{value / median(DIRECT, attribute):8.3f}"
        grown = max(run.memory for run in runs) - runs[0].memory_before
        row += f"{median(name, 'cpu_ms') * 1000:12.1f}{median(name, 'memory'):7.0f}{grown:7.1f}"
        print(row + f"{sum(run.errors for run in runs):8}")


if __name__ == "__main__":
    main()

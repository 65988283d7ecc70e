"""A portal's scrape of 10,000 projects: directly, through HAProxy, through the gate.

    python -m bench.federation [--projects N] [--rounds N]

Each round scrapes each server once, in turn, over kept connections, so that whatever else the machine does
falls on all of them; medians of the rounds are shown. What means something are the ratios.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from bench.peers import HAProxy
from tests.e2e.federation_stack import FederationGate, new_token

from chrysaetos.demo.processes import LOOPBACK, Server, write_private
from chrysaetos.demo.prometheus import Prometheus

ALLOWED = '{job="project_usages",__name__=~"project_.*_usage"}'
QUERY = f"match%5B%5D={quote(ALLOWED, safe='')}"
DIRECT = "Prometheus directly"
MINUTES = 25
"""Of samples, from ten minutes ago."""


class GuardingHAProxy(HAProxy):
    """HAProxy that lets one fixed query with one fixed token through."""

    token = ""

    def prepare(self) -> None:
        super().prepare()
        file = self.directory / "haproxy.cfg"
        rules = f"""
    acl known req.hdr(Authorization) -m str "Bearer {self.token}"
    acl federate path /federate
    acl agreed query -m str "{QUERY}"
    acl probe path {self.ready_path}
    http-request deny unless probe or known federate agreed
"""
        write_private(file, file.read_text().replace("    default_backend", f"{rules}    default_backend"))


@dataclass
class Scraper:
    """One portal's kept connection to one server.

    Attributes:
        name: whose.
        server: what is scraped.
        seconds: of each scrape.
        length: bytes of the last answer.
    """

    name: str
    server: Server
    token: str
    seconds: list[float] = field(default_factory=list)
    length: int = 0

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, self.server.port, timeout=120)

    def scrape(self, encoding: str) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", "Accept-Encoding": encoding}
        began = time.perf_counter()
        self._connection.request("GET", f"/federate?{QUERY}", headers=headers)
        response = self._connection.getresponse()
        body = response.read()
        self.seconds.append(time.perf_counter() - began)
        if response.status != 200:
            raise SystemExit(f"{self.name} answered {response.status}: {body[:500]!r}")
        self.length = len(body)
        return gzip.decompress(body) if encoding == "gzip" else body

    def memory(self, field_name: str) -> float:
        """MiB from proc(5)'s ``status``: VmRSS is what it holds, VmHWM the most that it ever held."""
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.split(f"{field_name}:")[1].split()[0]) / 1024


def store(projects: int) -> list[str]:
    """Two metrics for each project, and as many series that are not for portals."""
    now = int(time.time()) // 60 * 60
    moments = [now + 60 * tick for tick in range(-10, MINUTES)]
    lines = []
    for name in ("project_mb_usage", "project_vcpu_usage", "server_load"):
        job = "servers" if name == "server_load" else "project_usages"
        for number in range(projects):
            labels = (
                f'project_id="{number:032x}",project_name="project-{number}",domain_name="Default",'
                f'domain_id="default",job="{job}",instance="exporter:8080"'
            )
            lines += (f"{name}{{{labels}}} {number + tick}.5 {tick}\n" for tick in moments)
    return [*lines, "# EOF\n"]


def measure(scrapers: list[Scraper], encoding: str, rounds: int) -> None:
    bodies = {one.name: one.scrape(encoding) for one in scrapers}
    if len({frozenset(body.splitlines()) for body in bodies.values()}) != 1:
        raise SystemExit("the answers differ")
    series = sum(not line.startswith(b"#") for line in bodies[DIRECT].splitlines())
    before = {one.name: one.memory("VmRSS") for one in scrapers}
    for one in scrapers:
        one.seconds.clear()
    for _ in range(rounds):
        for one in scrapers:
            one.scrape(encoding)
    print(f"\n{series:,} series, {encoding}: {scrapers[0].length:,} bytes, {rounds} rounds")
    direct = scrapers[0]
    for one in scrapers:
        # Each round's ratio, so that a slow moment of the machine falls on both of its parts.
        ratios = [own / other for own, other in zip(one.seconds, direct.seconds, strict=True)]
        print(
            f"  {one.name:22} {statistics.median(one.seconds) * 1000:7.1f} ms a scrape"
            f"  {statistics.median(ratios):5.2f} x direct"
            f"  {before[one.name]:6.1f} MiB, at most {one.memory('VmHWM'):6.1f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        prometheus = Prometheus(directory / "prometheus")
        prometheus.backfill(store(options.projects))
        stack.enter_context(prometheus)
        gate = FederationGate(
            directory / "gate", prometheus.url, "--requests-per-second", "0", "--timeout", "120"
        )
        token = new_token(gate.tokens, ALLOWED)
        stack.enter_context(gate)
        haproxy = GuardingHAProxy(directory / "haproxy", prometheus.url)
        haproxy.token = token
        stack.enter_context(haproxy)
        scrapers = [
            Scraper(name, server, token)
            for name, server in ((DIRECT, prometheus), ("HAProxy", haproxy), ("the gate", gate))
        ]
        for encoding in ("gzip", "identity"):
            measure(scrapers, encoding, options.rounds)


if __name__ == "__main__":
    main()

"""Compare a portal's scrape of 10,000 projects from Prometheus directly, through HAProxy and through the
gate.

    python -m bench.federation [--projects N] [--rounds N]

Each round scrapes each server once over a persistent connection, so that other load on the machine affects
all servers. The result is the median of the rounds. Compare the ratios, not the absolute values.
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

from chrysaetos.demo.processes import LOOPBACK, Server
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.regular_file import replace_file

ALLOWED = '{job="project_usages",__name__=~"project_.*_usage"}'
QUERY = f"match%5B%5D={quote(ALLOWED, safe='')}"
DIRECT = "Prometheus directly"
MINUTES = 25
"""Minutes of samples, from ten minutes ago."""


class GuardingHAProxy(HAProxy):
    """HAProxy that allows a fixed query with a fixed token."""

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
        replace_file(file, file.read_text().replace("    default_backend", f"{rules}    default_backend"))


@dataclass
class Scraper:
    """A portal's persistent connection to a server.

    Attributes:
        name: name of the server.
        server: the server to scrape.
        token: the portal's token.
        seconds: duration of each scrape.
        length: size of the last response in bytes.
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
            raise SystemExit(f"{self.name} returned {response.status}: {body[:500]!r}")
        self.length = len(body)
        return gzip.decompress(body) if encoding == "gzip" else body

    def memory(self, field_name: str) -> float:
        """Return MiB of memory from proc(5)'s ``status``: VmRSS (current) or VmHWM (maximum)."""
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.split(f"{field_name}:")[1].split()[0]) / 1024


def store(projects: int) -> list[str]:
    """Return two series for each project, and one series that portals may not read."""
    now = int(time.time()) // 60 * 60
    moments = [now + 60 * tick for tick in range(-10, MINUTES)]
    lines: list[str] = []
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
    bodies = {scraper.name: scraper.scrape(encoding) for scraper in scrapers}
    if len({frozenset(body.splitlines()) for body in bodies.values()}) != 1:
        raise SystemExit("the responses differ")
    series = sum(not line.startswith(b"#") for line in bodies[DIRECT].splitlines())
    before = {scraper.name: scraper.memory("VmRSS") for scraper in scrapers}
    for scraper in scrapers:
        scraper.seconds.clear()
    for _ in range(rounds):
        for scraper in scrapers:
            scraper.scrape(encoding)
    print(f"\n{series:,} series, {encoding}: {scrapers[0].length:,} bytes, {rounds} rounds")
    direct = scrapers[0]
    for scraper in scrapers:
        # Compare the scrapes of the same round, which other load on the machine affects equally.
        ratios = [own / other for own, other in zip(scraper.seconds, direct.seconds, strict=True)]
        print(
            f"  {scraper.name:22} {statistics.median(scraper.seconds) * 1000:7.1f} ms per scrape"
            f"  {statistics.median(ratios):5.2f} x direct"
            f"  {before[scraper.name]:6.1f} MiB, at most {scraper.memory('VmHWM'):6.1f} MiB"
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

"""Measure the duration of updates and scrapes of the usage exporter, and its calls to Nova.

    python -m bench.usage [--quick]

The comparison requests the list of projects, and then the domain and the usage of each project in turn (1 +
2N calls), as exporters commonly do. Both use the same fake Nova, which runs in a separate process.
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
import resource
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from keystoneauth1 import adapter, noauth, session
from tests.fakes.nova_usage import FakeNova, Server

from chrysaetos.usage.api import Service
from chrysaetos.usage.cloud import Cloud, window
from chrysaetos.usage.ledger import Ledger
from chrysaetos.usage.projects import AllProjects
from chrysaetos.usage.site import DummySite
from chrysaetos.usage.snapshot import Exposition
from chrysaetos.usage.updater import Updater

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

NOW = time.time()
START = NOW - 30 * 86400
SAMPLE = 200
"""The comparison requests at most this many projects; the time for all projects is extrapolated."""


class ManyProjects(FakeNova):
    """Finds the servers of a project without iterating over all servers."""

    servers_by_project: dict[str, list[Server]]

    def _content(self, path, query, *, paged):
        if not path.startswith("/os-simple-tenant-usage/"):
            if path.startswith("/domains/"):
                return {"domain": self.domains[0]}
            return super()._content(path, query, paged=paged)
        tenants, _ = self._usage(self.servers_by_project[path.rpartition("/")[2]], query, paged=False)
        return {"tenant_usage": tenants[0] if tenants else {}}


def serve(pipe: Connection, projects: int, servers: int, delay: float) -> None:
    with ManyProjects() as nova:
        nova.delay = delay
        nova.projects = [
            {"id": f"p{number}", "name": f"project-{number}", "domain_id": "default"}
            for number in range(projects)
        ]
        nova.add(*(Server(f"{number:06}", f"p{number % projects}", START) for number in range(servers)))
        nova.servers_by_project = {f"p{number}": [] for number in range(projects)}
        for server in nova.servers.values():
            nova.servers_by_project[server.project_id].append(server)
        pipe.send(nova.url)
        pipe.recv()


def call_per_project(url: str, projects: int) -> float:
    """Return the duration of 1 + 2N calls, extrapolated from a sample if N is large."""
    count = min(projects, SAMPLE)
    began = time.perf_counter()
    with requests.Session() as connections:
        listed = connections.get(f"{url}/v3/projects", timeout=60).json()["projects"]
        first = time.perf_counter() - began
        for project in listed[:count]:
            connections.get(f"{url}/v3/domains/{project['domain_id']}", timeout=60).json()
            path = f"{url}/v2.1/os-simple-tenant-usage/{project['id']}"
            connections.get(path, params=window(START, NOW), timeout=60).json()
    return first + (time.perf_counter() - began - first) * projects / count


def one_site(projects: int, servers: int, delay: float, directory: Path) -> None:
    pipe, server_pipe = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(server_pipe, projects, servers, delay))
    process.start()
    url = pipe.recv()
    own = session.Session(auth=noauth.NoAuth())
    keystone = adapter.Adapter(own, service_type="identity", endpoint_override=f"{url}/v3")
    nova = adapter.Adapter(own, service_type="compute", endpoint_override=f"{url}/v2.1")
    cloud = Cloud(AllProjects(Service(keystone, "keystone")), Service(nova, "nova"), name="bench")
    exposition = Exposition(3600)
    with closing(Ledger(directory / f"{projects}-{delay}.sqlite", source="bench", start=START)) as ledger:
        updater = Updater(cloud, exposition, start=START, ledger=ledger)
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            updater.update()
            seconds.append(time.perf_counter() - began)
    calls = cloud.calls // 3
    comparison = call_per_project(url, projects)
    pipe.send("end")
    process.join()
    extrapolated = " (extrapolated)" if projects > SAMPLE else ""
    print(
        f"{projects:6} projects {servers:6} servers {delay * 1000:3.0f} ms per call: "
        f"first update {seconds[0]:6.2f} s, further {min(seconds[1:]):6.2f} s, {calls} calls; "
        f"1 + 2N calls {comparison:7.1f} s{extrapolated}: {comparison / min(seconds[1:]):.0f} times"
    )


def write_dummy(path: Path, projects: int) -> None:
    machine = '{{ram = 8, cpus = {}, existence = true, instance_id = "{}"}},'
    with path.open("w") as file:
        file.write('[default]\ndomain_id = "default"\n')
        for number in range(projects):
            file.write(
                f'[[default.projects]]\nproject_name = "p{number}"\nproject_id = "{number}"\nmachines = [\n'
            )
            file.writelines(machine.format(2 + index % 3, f"{number}-{index}") + "\n" for index in range(5))
            file.write("]\n")


def dummy(path: Path) -> None:
    exposition = Exposition(3600)
    updater = Updater(DummySite(path), exposition, start=START)
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        updater.update()
        seconds.append(time.perf_counter() - began)
    scrapes = []
    for _ in range(5):
        began = time.perf_counter()
        compressed = exposition.render(time.time(), compressed=True)
        scrapes.append(time.perf_counter() - began)
    text = gzip.decompress(compressed)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"dummy file {path.name}: first update {seconds[0]:.2f} s, "
        f"further {statistics.median(seconds[1:]):.2f} s; "
        f"scrape {statistics.median(scrapes) * 1000:.1f} ms, {len(text) / 1e6:.1f} MB "
        f"({len(compressed) / 1e6:.2f} MB compressed); memory at most {memory:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure only 2,000 projects")
    parser.add_argument("--dummy", type=Path, help="use this dummy file instead of a generated file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        path = options.dummy or directory / "dummy.toml"
        if options.dummy is None:
            write_dummy(path, 10_000)
        dummy(path)
        sizes = ((2_000, 10_000),) if options.quick else ((2_000, 10_000), (10_000, 50_000))
        for projects, servers in sizes:
            for delay in (0.0, 0.02):
                one_site(projects, servers, delay, directory)


if __name__ == "__main__":
    main()

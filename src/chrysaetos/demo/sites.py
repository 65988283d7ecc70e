"""``chrysaetos demo --sites N``: run sites with sample usage, and a portal that collects it.

Each site has an exporter, a Prometheus and a gate. The portal's Prometheus uses the files that
``chrysaetos portal`` writes, with shorter intervals.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from typing import TYPE_CHECKING, ClassVar

from chrysaetos.demo.commands import render_sections
from chrysaetos.demo.processes import (
    LOOPBACK,
    DemoError,
    Process,
    Server,
    answers,
    private_directory,
    wait_for,
)
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.errors import ConfigError
from chrysaetos.federation.portal import installed_version, portal_files
from chrysaetos.federation.registry import FILE, FRESHNESS, USAGE, Registry, Site, render_registry
from chrysaetos.regular_file import replace_file
from chrysaetos.scaffold import File, write_files
from chrysaetos.utc import DAY, utc_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chrysaetos.demo.state import State
    from chrysaetos.demo.supervisor import Supervisor

__all__ = [
    "MAX_SITES",
    "DemoSite",
    "Gate",
    "PortalPrometheus",
    "SitesDemo",
    "UsageExporter",
    "render_sites",
    "sample_usage",
    "write_portal",
]

_NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
MAX_SITES = len(_NAMES)
_INTERVAL = "1s"
_USAGE_DAYS = 30
"""How many days ago the usage starts."""


class UsageExporter(Server):
    """``chrysaetos usage`` with sample data.

    Args:
        directory: its directory, with the sample data in ``site.toml``.
        start: the start date, in seconds since the epoch.
        port: the port to listen on; a free port if None.
    """

    name: ClassVar[str] = "Exporter"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(self, directory: Path, *, start: float, port: int | None = None) -> None:
        super().__init__(directory, port=port)
        self._start = start

    @property
    def data(self) -> Path:
        """The file with the sample data, which is reloaded when it changes."""
        return self.directory / "site.toml"

    def command(self) -> list[str]:
        """Return the command line of ``chrysaetos usage``."""
        listening = ("--bind", LOOPBACK, "--port", str(self.port))
        data = ("--dummy-data", str(self.data), "--start", utc_text(self._start), "--interval", "1")
        return [sys.executable, "-m", "chrysaetos", "usage", *listening, *data]


class Gate(Server):
    """``chrysaetos federate`` in front of a Prometheus.

    Args:
        directory: its directory, with the token file ``tokens.json``.
        upstream: root URL of the Prometheus.
        metrics_port: port of the gate's metrics and health check.
        port: the port to listen on; a free port if None.
    """

    name: ClassVar[str] = "Gate"
    ready_path: ClassVar[str] = "/-/healthy"

    def __init__(self, directory: Path, upstream: str, *, metrics_port: int, port: int | None = None) -> None:
        super().__init__(directory, port=port)
        self._upstream = upstream
        self._metrics_port = metrics_port

    @property
    def tokens(self) -> Path:
        """The token file."""
        return self.directory / "tokens.json"

    def new_token(self, name: str, allow: Sequence[str]) -> str:
        """Generate a token for a portal with the command that operators use.

        Args:
            name: the portal's name.
            allow: the selectors that the portal may read.

        Raises:
            DemoError: the command failed.
        """
        self.tokens.unlink(missing_ok=True)
        allowing = [word for selector in allow for word in ("--allow", selector)]
        command = [sys.executable, "-m", "chrysaetos", "federate", "token", "new", name, *allowing]
        command += ["--expires", "90d", "--tokens", str(self.tokens)]
        process = Process("token", command, log=self.directory / "token.log")
        try:
            wait_for(lambda: process.status() is not None, timeout=60)
            if process.status() != 0:
                raise DemoError(f"the token could not be generated:\n{process.tail()}")
        finally:
            process.stop()
        output = process.log.read_text()
        process.log.unlink()
        return next(line for line in output.splitlines() if line.startswith("cft_"))

    def command(self) -> list[str]:
        """Return the command line of ``chrysaetos federate``."""
        listening = ("--bind", LOOPBACK, "--port", str(self.port), "--metrics-port", str(self._metrics_port))
        # The portal scrapes every second, and users send requests with the same token.
        limits = ("--requests-per-second", "0")
        files = ("--tokens", str(self.tokens), "--upstream", self._upstream)
        return [sys.executable, "-m", "chrysaetos", "federate", *listening, *files, *limits]

    def _ready(self) -> bool:
        self.check()
        return answers(f"http://{LOOPBACK}:{self._metrics_port}{self.ready_path}")


class PortalPrometheus(Prometheus):
    """A Prometheus that uses the files of ``chrysaetos portal`` in its directory."""

    def prepare(self) -> None:
        """Create the directory of the TSDB. The configuration already exists."""
        private_directory(self.data)


class DemoSite:
    """A site: exporter, Prometheus and gate.

    Args:
        name: the site's name.
        directory: its directory.
        ports: the ports of its servers, by the names exporter, prometheus, gate and metrics.
        usage: the sample data, as TOML for ``chrysaetos usage --dummy-data``.
        start: the start date of the usage, in seconds since the epoch.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        ports: dict[str, int],
        *,
        usage: str,
        start: float,
    ) -> None:
        self.name = name
        self.exporter = UsageExporter(directory / "exporter", start=start, port=ports["exporter"])
        replace_file(self.exporter.data, usage)
        scrape = {
            "job_name": "project_usages",
            "scrape_interval": _INTERVAL,
            "static_configs": [{"targets": [f"{LOOPBACK}:{self.exporter.port}"]}],
        }
        # The metrics of Prometheus itself, which portals may not read.
        prometheus_itself = {
            "job_name": "prometheus",
            "static_configs": [{"targets": [f"{LOOPBACK}:{ports['prometheus']}"]}],
        }
        self.prometheus = Prometheus(
            directory / "prometheus", port=ports["prometheus"], scrape_configs=[scrape, prometheus_itself]
        )
        self.gate = Gate(
            directory / "gate", self.prometheus.url, metrics_port=ports["metrics"], port=ports["gate"]
        )
        self.token = self.gate.new_token("portal", (USAGE, FRESHNESS))

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers in the order in which they start."""
        return (self.exporter, self.prometheus, self.gate)


def write_portal(directory: Path, sites: Sequence[DemoSite], prometheus_version: str) -> None:
    """Write the portal's files, as ``chrysaetos portal`` does.

    Args:
        directory: the directory to write to.
        sites: the sites to scrape.
        prometheus_version: version of the portal's Prometheus; empty if unknown.

    Raises:
        DemoError: the files cannot be written.
    """
    private_directory(directory / "tokens")
    entries = []
    for number, site in enumerate(sites, 1):
        replace_file(directory / "tokens" / site.name, site.token)
        entries.append(Site(site.name, number, site.gate.root_url, f"tokens/{site.name}"))
    registry = Registry(
        prometheus_version=prometheus_version,
        scrape_interval=_INTERVAL,
        rule_interval="2s",
        sites=tuple(entries),
    )
    files = [*portal_files(registry), File(FILE, render_registry(registry))]
    try:
        write_files(directory, files, force=True, update=True)
    except ConfigError as error:
        raise DemoError(str(error)) from error


def sample_usage(site: int) -> str:
    """Return sample data for a site. All sites have a project of the same name; all other names are unique.

    Args:
        site: the number of the site, from 0.
    """
    projects = [(f"shared-name-{site}", "weather", 2 + site), (f"own-{site}", f"project-{_NAMES[site]}", 4)]
    projects += [(f"small-{site}-{number}", f"{_NAMES[site]}-{number}", number) for number in range(1, 4)]
    lines = ["[science]", 'domain_id = "science"']
    for project_id, name, machines in projects:
        lines += ["", "[[science.projects]]", f"project_id = {json.dumps(project_id)}"]
        lines += [f"project_name = {json.dumps(name)}", "machines = ["]
        for machine in range(machines):
            size = 2 << machine % 3
            lines.append(
                f'    {{cpus = {size}, ram = {2 * size}, existence = true, instance_id = "{machine}"}},'
            )
        lines.append("]")
    return "\n".join(lines) + "\n"


class SitesDemo:
    """Starts the servers of sites and portal in order.

    Args:
        state: the demo's directory.
        supervisor: starts and stops the servers.
        count: the number of sites.
    """

    def __init__(self, state: State, supervisor: Supervisor, count: int) -> None:
        self._state = state
        self._supervisor = supervisor
        self._names = _NAMES[:count]

    def start(self) -> None:
        """Start all servers, and print commands to try.

        Raises:
            DemoError: a server failed to start.
            Interrupted: a signal stopped the demo.
        """
        state, supervisor = self._state, self._supervisor
        kinds = ("exporter", "prometheus", "gate", "metrics")
        ports = state.ports(["portal", *(f"{name}-{kind}" for name in self._names for kind in kinds)])
        supervisor.progress(f"state, configuration and logs are in {state.directory}")
        # Keep the start date over restarts of the demo, so that totals do not fall.
        known = state.load("sites.json") or {}
        start = known.get("start", float(int(time.time()) - _USAGE_DAYS * DAY))
        state.save("sites.json", {"start": start})
        sites = []
        for number, name in enumerate(self._names):
            own = {kind: ports[f"{name}-{kind}"] for kind in kinds}
            site = DemoSite(name, state.directory / name, own, usage=sample_usage(number), start=start)
            sites.append(site)
            for server in site.servers:
                supervisor.start(server)
        portal = PortalPrometheus(state.directory / "portal", port=ports["portal"])
        write_portal(portal.directory, sites, installed_version())
        supervisor.start(portal)
        for site in sites:
            for server in site.servers:
                server.wait_ready(supervisor.stop)
            supervisor.progress(f"site {site.name}: the gate is ready at {site.gate.root_url}")
        portal.wait_ready(supervisor.stop)
        supervisor.progress(f"the portal is ready at {portal.url}")
        print(render_sites(portal, sites), flush=True)
        supervisor.progress("ready; press Ctrl-C to stop")


def render_sites(portal: PortalPrometheus, sites: Sequence[DemoSite]) -> str:
    """Return the list of commands for this run. Each command works in a new shell."""
    first = sites[0]
    token = shlex.quote(str(portal.directory / "tokens" / first.name))
    bearer = f'curl -sS -i -G -H "Authorization: Bearer $(cat {token})" {first.gate.root_url}'
    allowed = f"{bearer}/federate --data-urlencode {shlex.quote(f'match[]={USAGE}')}"

    def query_portal(query: str) -> str:
        return f"promtool query instant {portal.url} {shlex.quote(query)}"

    named = "* on (location, location_id, domain_id, project_id) group_left (project_name) project:name:info"
    sections = [
        (
            "At the portal",
            [
                (
                    "usage of each project, in vCPU hours since the start date",
                    query_portal("project_vcpu_usage"),
                ),
                (
                    "a project name that exists at every site",
                    query_portal('project_vcpu_usage{project_name="weather"}'),
                ),
                ("current usage of each site, in vCPUs", query_portal("location:vcpu_usage:burn1h")),
                (
                    "projects with the highest current usage",
                    query_portal(f"topk(3, project:vcpu_usage:burn1h {named})"),
                ),
                ("sites with up-to-date usage", query_portal("usage_exporter_up")),
                ("rules and alerts, in a browser", f"echo {portal.url}/rules {portal.url}/alerts"),
            ],
        ),
        (
            f"At the gate of {first.name}, with the portal's token",
            [
                ("the allowed selector", allowed),
                (
                    "an attack that fails: a second selector that is not allowed",
                    f"{allowed} --data-urlencode 'match[]=prometheus_build_info'",
                ),
                (
                    "the same for a different path",
                    f"{bearer}/api/v1/query -d query=prometheus_build_info",
                ),
            ],
        ),
    ]
    return render_sections(sections)

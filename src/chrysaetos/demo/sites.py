"""`chrysaetos demo --sites N`: sites with invented usage, and a portal that collects it.

Each site has an exporter, a Prometheus and a gate. The portal's Prometheus has the files that
`chrysaetos portal` writes, but for shorter intervals.
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
    write_private,
)
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.errors import ConfigError
from chrysaetos.federation.portal import installed_version, portal_files
from chrysaetos.federation.registry import FILE, FRESHNESS, USAGE, Registry, Site, render_registry
from chrysaetos.federation.scaffold import File, write_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chrysaetos.demo.stage import Stage
    from chrysaetos.demo.state import State

__all__ = [
    "MOST_SITES",
    "DemoSite",
    "Gate",
    "PortalPrometheus",
    "SitesDemo",
    "UsageExporter",
    "render_sites",
    "usage_of",
    "write_portal",
]

_NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
MOST_SITES = len(_NAMES)
_INTERVAL = "1s"
_DAY = 86400
_STARTED = 30
"""Days before now that usage is counted from."""


class UsageExporter(Server):
    """`chrysaetos usage` with an invented site.

    Args:
        directory: its folder; the site is `site.toml` in it.
        start: from when on usage counts, in seconds since the epoch.
        port: the port to listen on; a free one when None.
    """

    name: ClassVar[str] = "Exporter"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(self, directory: Path, *, start: float, port: int | None = None) -> None:
        super().__init__(directory, port=port)
        self._start = start

    @property
    def data(self) -> Path:
        """The invented site; it is read again when it changes."""
        return self.directory / "site.toml"

    def prepare(self) -> None:
        """Nothing: the site is written beforehand."""

    def command(self) -> list[str]:
        """This interpreter with `chrysaetos usage`."""
        start = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self._start))
        listening = ("--bind", LOOPBACK, "--port", str(self.port))
        data = ("--dummy-data", str(self.data), "--start", start, "--interval", "1")
        return [sys.executable, "-m", "chrysaetos", "usage", *listening, *data]


class Gate(Server):
    """`chrysaetos federate` in front of a Prometheus.

    Args:
        directory: its folder; the tokens' hashes are `tokens.json` in it.
        upstream: the Prometheus' root.
        metrics_port: port of its own metrics and health.
        port: the port to listen on; a free one when None.
    """

    name: ClassVar[str] = "Gate"
    ready_path: ClassVar[str] = "/-/healthy"

    def __init__(self, directory: Path, upstream: str, *, metrics_port: int, port: int | None = None) -> None:
        super().__init__(directory, port=port)
        self._upstream = upstream
        self._metrics_port = metrics_port

    @property
    def tokens(self) -> Path:
        """The file with the tokens' hashes."""
        return self.directory / "tokens.json"

    def new_token(self, name: str, allow: Sequence[str]) -> str:
        """Make a token for a portal, as an operator does it.

        Args:
            name: whose it is.
            allow: selectors of what it may see.

        Raises:
            DemoError: it could not be made.
        """
        self.tokens.unlink(missing_ok=True)
        allowing = [word for selector in allow for word in ("--allow", selector)]
        command = [sys.executable, "-m", "chrysaetos", "federate", "token", "new", name, *allowing]
        command += ["--expires", "90d", "--tokens", str(self.tokens)]
        process = Process("token", command, log=self.directory / "token.log")
        try:
            wait_for(lambda: process.status() is not None, timeout=60)
            if process.status() != 0:
                raise DemoError(f"no token could be made:\n{process.tail()}")
        finally:
            process.stop()
        shown = process.log.read_text()
        process.log.unlink()
        return next(line for line in shown.splitlines() if line.startswith("cft_"))

    def prepare(self) -> None:
        """Nothing: the tokens are made beforehand."""

    def command(self) -> list[str]:
        """This interpreter with `chrysaetos federate`."""
        listening = ("--bind", LOOPBACK, "--port", str(self.port), "--metrics-port", str(self._metrics_port))
        # Scraped each second, by a portal and by who tries it: without limits to the rate.
        limits = ("--requests-per-second", "0")
        files = ("--tokens", str(self.tokens), "--upstream", self._upstream)
        return [sys.executable, "-m", "chrysaetos", "federate", *listening, *files, *limits]

    def _ready(self) -> bool:
        self.check()
        return answers(f"http://{LOOPBACK}:{self._metrics_port}{self.ready_path}")


class PortalPrometheus(Prometheus):
    """A Prometheus with the files of `chrysaetos portal`, which are in its folder."""

    def prepare(self) -> None:
        """Nothing but the place for its store: the configuration is written beforehand."""
        private_directory(self.data)


class DemoSite:
    """A site: exporter, Prometheus and gate.

    Args:
        name: its location.
        directory: its folder.
        ports: those of its servers, by the names exporter, prometheus, gate, metrics.
        usage: its projects, as the TOML of `chrysaetos usage --dummy-data`.
        start: from when on usage counts, in seconds since the epoch.
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
        write_private(self.exporter.data, usage)
        scrape = {
            "job_name": "project_usages",
            "scrape_interval": _INTERVAL,
            "static_configs": [{"targets": [f"{LOOPBACK}:{self.exporter.port}"]}],
        }
        # What a portal may not see: the metrics of Prometheus itself.
        itself = {
            "job_name": "prometheus",
            "static_configs": [{"targets": [f"{LOOPBACK}:{ports['prometheus']}"]}],
        }
        self.prometheus = Prometheus(
            directory / "prometheus", port=ports["prometheus"], scrape_configs=[scrape, itself]
        )
        self.gate = Gate(
            directory / "gate", self.prometheus.url, metrics_port=ports["metrics"], port=ports["gate"]
        )
        self.token = self.gate.new_token("portal", (USAGE, FRESHNESS))

    @property
    def servers(self) -> tuple[Server, ...]:
        """In the order in which they start."""
        return (self.exporter, self.prometheus, self.gate)


def write_portal(directory: Path, sites: Sequence[DemoSite], prometheus_version: str) -> None:
    """Write the portal's files, as `chrysaetos portal` does.

    Args:
        directory: where to.
        sites: those that it collects from.
        prometheus_version: of the portal's Prometheus; empty when not known.

    Raises:
        DemoError: they cannot be written.
    """
    private_directory(directory / "tokens")
    entries = []
    for number, site in enumerate(sites, 1):
        write_private(directory / "tokens" / site.name, site.token)
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


def usage_of(site: int) -> str:
    """An invented site: projects that are like no other site's, and one of the same name on each.

    Args:
        site: its number, from 0.
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
    """The order of things.

    Args:
        state: where everything is kept.
        stage: starts and ends the servers.
        count: of sites.
    """

    def __init__(self, state: State, stage: Stage, count: int) -> None:
        self._state = state
        self._stage = stage
        self._names = _NAMES[:count]

    def start(self) -> None:
        """Start everything, and print what to try.

        Raises:
            DemoError: something failed.
            Interrupted: the end was asked for.
        """
        state, stage = self._state, self._stage
        kinds = ("exporter", "prometheus", "gate", "metrics")
        ports = state.ports(["portal", *(f"{name}-{kind}" for name in self._names for kind in kinds)])
        stage.step(f"state, configuration and logs are in {state.directory}")
        # Usage goes on from where it was, when the demo is started again.
        known = state.load("sites.json") or {}
        start = known.get("start", float(int(time.time()) - _STARTED * _DAY))
        state.save("sites.json", {"start": start})
        sites = []
        for number, name in enumerate(self._names):
            own = {kind: ports[f"{name}-{kind}"] for kind in kinds}
            site = DemoSite(name, state.directory / name, own, usage=usage_of(number), start=start)
            sites.append(site)
            for server in site.servers:
                stage.begin(server)
        portal = PortalPrometheus(state.directory / "portal", port=ports["portal"])
        write_portal(portal.directory, sites, installed_version())
        stage.begin(portal)
        for site in sites:
            for server in site.servers:
                server.wait_ready(stage.stop)
            stage.step(f"site {site.name}: the gate answers at {site.gate.root_url}")
        portal.wait_ready(stage.stop)
        stage.step(f"the portal answers at {portal.url}")
        print(render_sites(portal, sites), flush=True)
        stage.step("ready; Ctrl-C ends everything")


def render_sites(portal: PortalPrometheus, sites: Sequence[DemoSite]) -> str:
    """The list of commands of this run; each works by itself in another shell."""
    first = sites[0]
    token = shlex.quote(str(portal.directory / "tokens" / first.name))
    bearer = f'curl -sS -i -G -H "Authorization: Bearer $(cat {token})" {first.gate.root_url}'
    allowed = f"{bearer}/federate --data-urlencode {shlex.quote(f'match[]={USAGE}')}"

    def ask(query: str) -> str:
        return f"promtool query instant {portal.url} {shlex.quote(query)}"

    named = "* on (location, location_id, domain_id, project_id) group_left (project_name) project:name:info"
    sections = [
        (
            "At the portal",
            [
                ("what each project has used, in vCPU hours since the start date", ask("project_vcpu_usage")),
                (
                    "one name, a project of its own on each site",
                    ask('project_vcpu_usage{project_name="weather"}'),
                ),
                ("what each site uses now, in vCPUs", ask("location:vcpu_usage:burn1h")),
                ("who uses most, by name", ask(f"topk(3, project:vcpu_usage:burn1h {named})")),
                ("which sites are fresh", ask("usage_exporter_up")),
                ("rules and alerts, in a browser", f"echo {portal.url}/rules {portal.url}/alerts"),
            ],
        ),
        (
            f"At the gate of {first.name}, with the portal's token",
            [
                ("what was agreed on", allowed),
                (
                    "the attack that fails: another selector beside the allowed one",
                    f"{allowed} --data-urlencode 'match[]=prometheus_build_info'",
                ),
                ("and another path", f"{bearer}/api/v1/query -d query=prometheus_build_info"),
            ],
        ),
    ]
    return render_sections(sections)

"""``top``: the servers by their use of CPU, memory, network and disks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.arguments import POSITIVE
from chrysaetos.cli.axes import format_short
from chrysaetos.cli.base import MetricsLister, Table
from chrysaetos.cli.cells import number, text
from chrysaetos.cli.times import parse_duration
from chrysaetos.cli.units import format_bytes
from chrysaetos.cli.watch import add_watch_option, clear, watch
from chrysaetos.client.promql import one_of
from chrysaetos.client.servers import read_servers
from chrysaetos.exporters import EXPORTERS, MEASURES, read_exporters, servers_query

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from chrysaetos.client.servers import Server
    from chrysaetos.exporters import Exporter

__all__ = ["Top"]


def _total(*measures: str) -> Callable[[Server], float]:
    return lambda server: sum(server.measures[measure] or 0.0 for measure in measures)


_SORTS: Mapping[str, Callable[[Server], float]] = {
    "cpu": _total("cpu"),
    "memory": _total("memory"),
    "network": _total("received", "sent"),
    "disk": _total("read", "written"),
}


class Top(MetricsLister):
    """Show the servers by their use of CPU, memory, network and disks.

    In a table, cpu is the number of busy vCPUs and of all vCPUs, and in, out, read and write are per second.
    Other formats have exact numbers: vCPUs, bytes, and bytes per second.
    """

    rows_are = "servers"
    _exporters: Sequence[Exporter] | None = None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the order, the number of servers, and the exporters."""
        parser.add_argument(
            "--sort", choices=(*_SORTS, "name"), default="cpu", help="the order (default: %(default)s)"
        )
        parser.add_argument("--limit", type=POSITIVE, metavar="N", help="the maximum number of servers")
        parser.add_argument(
            "--window",
            type=_window,
            default="10m",
            metavar="DURATION",
            help="the range of the rates: several times the interval of the exporter (default: %(default)s)",
        )
        parser.add_argument(
            "--exporter",
            metavar="NAME",
            help=f"use only this exporter: {', '.join(EXPORTERS)}",
        )
        parser.add_argument(
            "--exporters",
            type=Path,
            metavar="FILE",
            help="a TOML file with expressions for other exporters (default: chrysaetos/exporters.toml in "
            "XDG_CONFIG_HOME or ~/.config, if it exists)",
        )
        parser.add_argument(
            "--raw", action="store_true", help="show exact numbers also in a table, as in other formats"
        )
        add_watch_option(parser)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show the servers, repeatedly with ``--watch``."""
        return watch(self, parsed_args, super().run)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return a row for each server."""
        if self._exporters is None:
            self._exporters = self._find_exporters(parsed_args)
        servers = self._read(self._exporters, parsed_args.window)
        found = len(servers)
        if parsed_args.sort != "name":
            servers.sort(key=_SORTS[parsed_args.sort], reverse=True)
        servers = servers[: parsed_args.limit]
        if parsed_args.watch:
            clear(self.app.stdout)
        if parsed_args.formatter != "table" or parsed_args.raw:
            columns = ["name", "server", "project", *MEASURES]
            return columns, [_exact(server) for server in servers]
        if self.is_for_people(parsed_args) and servers:
            self.app.stdout.write(f"{_summary(servers, found)}\n")
        # Only a caller that sees several projects has use for their names.
        with_project = len({server.project for server in servers}) > 1
        columns = ["server", "cpu", "memory", "in", "out", "read", "write"]
        if with_project:
            columns.insert(1, "project")
        return columns, [_short(server, with_project=with_project) for server in servers]

    def _read(self, exporters: Sequence[Exporter], window: str) -> list[Server]:
        if not exporters:
            return []
        result = self.client.query_vector(servers_query(exporters, window))
        self.write_notes(*result.warnings)
        return read_servers(result)

    def _find_exporters(self, parsed_args: argparse.Namespace) -> list[Exporter]:
        """Return the exporters that have series, in order of precedence."""
        file = parsed_args.exporters or _default_file()
        known = EXPORTERS if file is None else read_exporters(file)
        if parsed_args.exporter is not None:
            if parsed_args.exporter not in known:
                raise ValueError(f"unknown exporter {parsed_args.exporter}; known are {', '.join(known)}")
            known = {parsed_args.exporter: known[parsed_args.exporter]}
        probes = one_of("__name__", [exporter.probe for exporter in known.values()])
        result = self.client.query_vector(f"count by (__name__) ({{{probes}}})")
        names = {sample.name for sample in result}
        present = [exporter for exporter in known.values() if exporter.probe in names]
        if not present and parsed_args.formatter == "table":
            names_of = ", ".join(known)
            self.hints = [f"you see no series of these exporters: {names_of}; for others, see --exporters"]
        return present


def _window(written: str) -> str:
    return f"{round(parse_duration(written) * 1000)}ms"


def _default_file() -> Path | None:
    folder = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    file = Path(folder) / "chrysaetos" / "exporters.toml"
    return file if file.is_file() else None


def _exact(server: Server) -> tuple[Any, ...]:
    values = [server.measures[measure] for measure in MEASURES]
    names = (text(server.name), server.id, text(server.project))
    return (*names, *(None if value is None else number(value) for value in values))


def _short(server: Server, *, with_project: bool) -> tuple[Any, ...]:
    get = server.measures.get
    project = (text(server.project),) if with_project else ()
    used, size = get("memory"), get("memory_total")
    memory = "" if used is None else format_bytes(used) + (f"/{format_bytes(size)}" if size else "")
    cpu, vcpus = get("cpu"), get("vcpus")
    busy = "" if cpu is None else f"{cpu:.2f}" + (f"/{vcpus:g}" if vcpus else "")
    flows = [get(measure) for measure in ("received", "sent", "read", "written")]
    return (
        text(server.name),
        *project,
        busy,
        memory,
        *("" if flow is None else _flow(flow) for flow in flows),
    )


def _flow(value: float) -> str:
    return f"{format_short(round(value))}B"


def _summary(servers: Sequence[Server], found: int) -> str:
    shown = "" if len(servers) == found else f" of {found}"
    parts = [f"{len(servers)}{shown} servers"]
    if cpu := sum(server.measures["cpu"] or 0 for server in servers):
        parts.append(f"{cpu:.2f} of {sum(server.measures['vcpus'] or 0 for server in servers):g} vCPUs busy")
    if memory := sum(server.measures["memory"] or 0 for server in servers):
        parts.append(f"{format_bytes(memory)} of memory in use")
    return ", ".join(parts)

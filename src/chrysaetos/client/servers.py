"""The servers in the result of ``chrysaetos.exporters.servers_query``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.exporters import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.client.results import Vector

__all__ = ["Server", "read_servers"]


@dataclass(frozen=True, slots=True)
class Server:
    """A server and its measures, None for one that no exporter has.

    Attributes:
        id: the server's id.
        name: the server's name, its id if that is unknown.
        project: the name of its project; empty if that is unknown.
        measures: the values of ``MEASURES``.
    """

    id: str
    name: str
    project: str
    measures: Mapping[str, float | None]


def read_servers(vector: Vector) -> list[Server]:
    """Return the servers of the result of ``servers_query``, in order of their names."""
    names: dict[str, Mapping[str, str]] = {}
    measures: dict[str, dict[str, float | None]] = {}
    for sample in vector:
        server, measure = sample.labels.get("server", ""), sample.labels.get("measure", "")
        if not server:
            continue
        of_server = measures.setdefault(server, dict.fromkeys(MEASURES))
        if measure == "servers":
            names.setdefault(server, sample.labels)
        elif sample.value is not None:
            of_server[measure] = float(sample.value)
    servers = [
        Server(
            server,
            names.get(server, {}).get("name") or server,
            names.get(server, {}).get("project", ""),
            values,
        )
        for server, values in measures.items()
    ]
    return sorted(servers, key=lambda server: (server.project, server.name, server.id))

"""Thanos: sidecars beside Prometheus servers, Thanos Query over them, and its frontend with a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from chrysaetos.demo.processes import LOOPBACK, Server, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Query", "QueryFrontend", "Sidecar"]


class _Thanos(Server):
    """A component of Thanos.

    Args:
        directory: its directory.
        program: the path of the executable.
    """

    ready_path: ClassVar[str] = "/-/ready"

    def __init__(self, directory: Path, program: str) -> None:
        super().__init__(directory)
        self._program = program

    def command(self) -> list[str]:
        """Return the command line."""
        return [
            self._program,
            self.name.lower(),
            f"--http-address={LOOPBACK}:{self.port}",
            *self.arguments(),
        ]

    def arguments(self) -> list[str]:
        """Return the arguments of the component."""
        raise NotImplementedError


class Sidecar(_Thanos):
    """A sidecar, which lets Thanos Query read a Prometheus.

    Args:
        directory: its directory.
        program: the path of the executable.
        prometheus: the URL of the Prometheus, which needs external labels.

    Attributes:
        grpc: the port on which Thanos Query reads.
    """

    name: ClassVar[str] = "Sidecar"

    def __init__(self, directory: Path, program: str, prometheus: str) -> None:
        super().__init__(directory, program)
        self._prometheus = prometheus
        self.grpc = free_port()

    def arguments(self) -> list[str]:
        """Return the Prometheus and the port."""
        return [f"--prometheus.url={self._prometheus}", f"--grpc-address={LOOPBACK}:{self.grpc}"]


class Query(_Thanos):
    """Thanos Query over sidecars. It merges series that differ only in the label ``replica``.

    Args:
        directory: its directory.
        program: the path of the executable.
        sidecars: the sidecars.
        options: further options.
    """

    name: ClassVar[str] = "Query"

    def __init__(self, directory: Path, program: str, sidecars: Sequence[Sidecar], *options: str) -> None:
        super().__init__(directory, program)
        self._sidecars = sidecars
        self._options = options
        self._grpc = free_port()

    def arguments(self) -> list[str]:
        """Return the sidecars and the options."""
        return [
            *(f"--endpoint={LOOPBACK}:{sidecar.grpc}" for sidecar in self._sidecars),
            f"--grpc-address={LOOPBACK}:{self._grpc}",
            "--query.replica-label=replica",
            *self._options,
        ]


class QueryFrontend(_Thanos):
    """The frontend of Thanos Query, with a cache of range queries in memory.

    Args:
        directory: its directory.
        program: the path of the executable.
        query: the Thanos Query.
    """

    name: ClassVar[str] = "Query-frontend"

    def __init__(self, directory: Path, program: str, query: Query) -> None:
        super().__init__(directory, program)
        self._query = query

    def arguments(self) -> list[str]:
        """Return the Thanos Query and the cache."""
        return [
            f"--query-frontend.downstream-url={self._query.url}",
            "--query-range.response-cache-config={type: IN-MEMORY, config: {max_size: 64MB}}",
        ]

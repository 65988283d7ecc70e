"""The engines that isolation is proven in front of, each filled from the same text."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from tests.e2e.mimir import Mimir
from tests.engines import PROMETHEUS3_FEATURES, UNQUOTED_NAMES, program_of

from chrysaetos.demo import engines
from chrysaetos.demo.processes import wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.demo.thanos import Query, Sidecar

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import ExitStack

    from tests.e2e.stack import Window

__all__ = [
    "EVERY",
    "ISOLATED",
    "MIMIR",
    "PROMETHEUS",
    "VICTORIA_METRICS",
    "Engine",
    "Labelled",
    "Mimir",
    "Prometheus3",
    "Store",
    "Thanos",
    "VictoriaMetrics",
]


class Labelled(Prometheus):
    """Prometheus with external labels.

    Args:
        directory: its directory.
        labels: the external labels.
    """

    def __init__(self, directory: Path, labels: Mapping[str, str]) -> None:
        super().__init__(directory)
        self.external_labels = dict(labels)


class Prometheus3(Prometheus):
    """The Prometheus 3 that the project follows.

    Args:
        directory: its folder.
        features: the feature flags to enable.
    """

    def __init__(self, directory: Path, features: Sequence[str] = ()) -> None:
        super().__init__(directory)
        self._program = program_of("prometheus3")
        self._promtool = str(Path(self._program).with_name("promtool"))
        self._features = features

    def command(self) -> list[str]:
        """Return the command line."""
        return [*super().command(), *(f"--enable-feature={name}" for name in self._features)]


class VictoriaMetrics(engines.VictoriaMetrics):
    """VictoriaMetrics with all caches and delays disabled.

    Args:
        directory: its directory.
        program: the path of the executable; the one on PATH if None.
    """

    def __init__(self, directory: Path, program: str | None = None) -> None:
        options = ("-retentionPeriod=1y", "-memory.allowedBytes=256MiB")
        uncached = ("-search.disableCache", "-search.latencyOffset=0s")
        kept = ("-http.connTimeout=1h",)  # it closes a connection even as a request arrives
        super().__init__(directory, *options, *uncached, *kept, program=program)

    def fill(self, text: Iterable[str], window: Window) -> None:
        """Import OpenMetrics text, and wait until all its series can be queried."""
        lines = [
            line
            for piece in text
            for line in piece.splitlines()
            if not line.startswith("#") and " nan " not in line  # it does not store NaN
        ]
        expected = len({line[: line.rindex("}")] for line in lines})
        self.write(lines)

        def found() -> bool:
            times = {"start": str(window.start), "end": str(window.end)}
            pairs = {"match[]": '{__name__=~".+"}', **times}
            answer = requests.get(f"{self.url}/api/v1/series", params=pairs, timeout=30)
            return len(answer.json()["data"]) == expected

        assert wait_for(found, timeout=30), f"VictoriaMetrics does not show {expected} series"


class Thanos(Query):
    """Thanos Query over a Prometheus with a sidecar. They start and stop with it.

    Args:
        directory: the directory of all three.
        options: options of Thanos Query.
    """

    def __init__(self, directory: Path, *options: str) -> None:
        program = program_of("thanos")
        self._store = Labelled(directory / "store", {"replica": "one"})
        self._sidecar = Sidecar(directory / "sidecar", program, self._store.url)
        super().__init__(directory / "query", program, [self._sidecar], *options)

    def backfill(self, text: Iterable[str]) -> None:
        """Write samples into the Prometheus."""
        self._store.backfill(text)

    def start(self) -> None:
        """Start the Prometheus and the sidecar, wait until they are ready, and start Thanos Query."""
        for server in (self._store, self._sidecar):
            server.start()
            server.wait_ready()
        super().start()

    def wait_ready(self, stop: threading.Event | None = None) -> None:
        """Wait until Thanos Query is ready and has found the Prometheus."""
        super().wait_ready(stop)

        def found() -> bool:
            return bool(requests.get(f"{self.url}/api/v1/stores", timeout=30).json()["data"])

        assert wait_for(found, timeout=30), "Thanos does not find its sidecar"

    def stop(self) -> None:
        """Stop all three."""
        for stop in (super().stop, self._sidecar.stop, self._store.stop):
            stop()


Store = Prometheus | VictoriaMetrics | Thanos | Mimir
"""A running engine, which tests have filled."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that stores can be created with.

    Attributes:
        name: the name, for test ids.
        make: returns a server for a directory; skips the test or raises DemoError if the program is missing.
        modern: whether it supports the PromQL of Prometheus 3, including experimental functions.
    """

    name: str
    make: Callable[[Path], Store]
    modern: bool = False

    def __str__(self) -> str:
        return self.name

    def start(self, servers: ExitStack, directory: Path, text: Iterable[str], window: Window) -> Store:
        """Start a store with the samples of a text.

        Args:
            servers: stops the store when it closes.
            directory: its directory.
            text: OpenMetrics text with timestamps.
            window: the time range of the samples.
        """
        server = self.make(directory)
        if isinstance(server, VictoriaMetrics):
            servers.enter_context(server)
            server.fill(text, window)
        elif isinstance(server, Mimir):
            servers.enter_context(server)
            server.fill(text)
        else:
            server.backfill(text)
            servers.enter_context(server)
        return server


PROMETHEUS = (
    Engine("prometheus on PATH", Prometheus),
    Engine("prometheus 3.16", Prometheus3),
    Engine(
        "prometheus 3.16 with features",
        lambda directory: Prometheus3(directory, (*PROMETHEUS3_FEATURES, UNQUOTED_NAMES)),
        modern=True,
    ),
)
ISOLATED = PROMETHEUS if os.environ.get("CHRYSAETOS_ENGINES") == "all" else (PROMETHEUS[0], PROMETHEUS[2])
"""Those that isolation is tested with: Prometheus 3 once, or also without features."""
VICTORIA_METRICS = (
    Engine("victoria-metrics on PATH", VictoriaMetrics),
    Engine(
        "victoria-metrics today",
        lambda directory: VictoriaMetrics(directory, program_of("victoriametrics")),
    ),
)
MIMIR = Engine("mimir", Mimir)
EVERY = (*ISOLATED, *VICTORIA_METRICS, Engine("thanos", Thanos), MIMIR)

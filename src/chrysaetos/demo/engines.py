"""The engine of the demo: a Prometheus, or the servers that a large cloud has instead."""

from __future__ import annotations

import http.client
import math
import time
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from chrysaetos.demo.processes import (
    LOOPBACK,
    DemoError,
    Interrupted,
    Server,
    find_program,
    private_directory,
)
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.demo.rules import rule_groups
from chrysaetos.demo.thanos import Query, QueryFrontend, Sidecar
from chrysaetos.regular_file import replace_file
from chrysaetos.utc import DAY

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from chrysaetos.demo.cloud import Cloud
    from chrysaetos.demo.supervisor import Supervisor

__all__ = ["ENGINES", "Engine", "PrometheusEngine", "VictoriaMetrics"]

_STEP = 60
_USAGE_DAYS = 8
_USAGE_STEP = 600
_SEAMLESS_SECONDS = 240
"""A gap below this needs no history: Prometheus' lookback delta of five minutes bridges it."""
_BATCH_BYTES = 4 * 1024 * 1024


class Engine:
    """The servers that store and query the metrics of the demo.

    Attributes:
        url: the URL that the gateway reads.
    """

    url: str

    def start(self, supervisor: Supervisor, cloud: Cloud, scrape_configs: Sequence[dict[str, Any]]) -> None:
        """Start the servers with a day of history and a week of usage, and wait until they are ready.

        Args:
            supervisor: starts and stops the servers of the demo.
            cloud: the sample cloud, for the history and the rules.
            scrape_configs: what the engine scrapes, as Prometheus configures it.

        Raises:
            DemoError: a server cannot be started.
            Interrupted: the demo was stopped.
        """
        raise NotImplementedError


class PrometheusEngine(Engine):
    """A Prometheus.

    Args:
        directory: the directory of the demo.
        port: the port of Prometheus.
    """

    def __init__(self, directory: Path, port: int) -> None:
        self._prometheus = Prometheus(directory / "prometheus", port=port)
        self.url = self._prometheus.url

    def start(self, supervisor: Supervisor, cloud: Cloud, scrape_configs: Sequence[dict[str, Any]]) -> None:
        """Write the history that Prometheus has missed, and start it."""
        prometheus = self._prometheus
        now = int(time.time())
        prometheus.scrape_configs = list(scrape_configs)
        prometheus.rule_groups = rule_groups(cloud.tenants)
        end = prometheus.end_of_blocks()
        if end is None or now - (prometheus.last_write() or end) > _SEAMLESS_SECONDS:
            start = now - DAY if end is None else max(math.ceil(end), now - DAY)
            prometheus.forget_head()
            if end is None:
                # promtool reads its input once for each block: a week of few series is a text of its own.
                prometheus.backfill(_usage_history(cloud, now), supervisor.stop)
            prometheus.backfill(cloud.history(start, now, _STEP), supervisor.stop)
            supervisor.progress(f"wrote {(now - start) / 3600:.1f} h of history, one sample every {_STEP} s")
        supervisor.start(prometheus)
        prometheus.wait_ready(supervisor.stop)
        prometheus.wait_scraped(supervisor.stop)
        supervisor.progress(f"Prometheus is ready at {prometheus.url}")


class ThanosEngine(PrometheusEngine):
    """A Prometheus with a sidecar, Thanos Query, and its frontend with a cache."""

    def __init__(self, directory: Path, port: int) -> None:
        super().__init__(directory, port)
        program = find_program("thanos", "it is at https://github.com/thanos-io/thanos/releases")
        self._prometheus.external_labels = {"replica": "one"}
        sidecar = Sidecar(directory / "sidecar", program, self._prometheus.url)
        query = Query(directory / "query", program, [sidecar])
        frontend = QueryFrontend(directory / "frontend", program, query)
        self._servers = (sidecar, query, frontend)
        self.url = frontend.url

    def start(self, supervisor: Supervisor, cloud: Cloud, scrape_configs: Sequence[dict[str, Any]]) -> None:
        """Start Prometheus first: a sidecar reads its labels."""
        super().start(supervisor, cloud, scrape_configs)
        for server in self._servers:
            supervisor.start(server)
            server.wait_ready(supervisor.stop)
        supervisor.progress(f"Thanos' query frontend is ready at {self.url}")


class VictoriaMetrics(Server):
    """VictoriaMetrics, the single-node version.

    Args:
        directory: its directory, with the data in ``data``.
        options: further options.
        port: the port to listen on; a free port if None.
        program: the path of the executable; the one on PATH if None.

    Attributes:
        scrape_configs: what it scrapes, as Prometheus configures it.

    Raises:
        DemoError: ``victoria-metrics`` is not on PATH.
    """

    name: ClassVar[str] = "VictoriaMetrics"
    ready_path: ClassVar[str] = "/health"

    def __init__(
        self, directory: Path, *options: str, port: int | None = None, program: str | None = None
    ) -> None:
        super().__init__(directory, port=port)
        self._program = program or find_program(
            "victoria-metrics",
            "on Debian and Ubuntu: sudo apt-get install --no-install-recommends victoria-metrics",
        )
        self._options = options
        self.scrape_configs: Sequence[dict[str, Any]] = ()

    @property
    def data(self) -> Path:
        """The directory of the data."""
        return self.directory / "data"

    def prepare(self) -> None:
        """Write the scrape configuration."""
        private_directory(self.directory)
        replace_file(self.directory / "scrape.yml", Prometheus.config_of(self.scrape_configs))

    def command(self) -> list[str]:
        """Return the command line."""
        return [
            self._program,
            f"-httpListenAddr={LOOPBACK}:{self.port}",
            f"-storageDataPath={self.data}",
            f"-promscrape.config={self.directory / 'scrape.yml'}",
            *self._options,
        ]

    def write(self, text: Iterable[str], stop: threading.Event | None = None) -> None:
        """Import OpenMetrics text with timestamps in seconds, and make it visible to queries.

        Args:
            text: parts of the text, each of whole lines.
            stop: an event that cancels the work.

        Raises:
            DemoError: VictoriaMetrics rejects the text.
            Interrupted: ``stop`` was set.
        """
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=300)
        requests = (("POST", "/api/v1/import/prometheus", body) for body in _batches(text))
        for request in chain(requests, [("GET", "/internal/force_flush", None)]):
            if stop is not None and stop.is_set():
                raise Interrupted("interrupted")
            connection.request(*request)
            response = connection.getresponse()
            response.read()
            if response.status >= 300:
                raise DemoError(f"VictoriaMetrics refused the history with status {response.status}")
        connection.close()


class VictoriaMetricsEngine(Engine):
    """A VictoriaMetrics.

    Args:
        directory: the directory of the demo.
        port: the port of VictoriaMetrics.
    """

    def __init__(self, directory: Path, port: int) -> None:
        options = ("-retentionPeriod=15d", "-memory.allowedBytes=256MiB")
        self._server = VictoriaMetrics(directory / "victoriametrics", *options, port=port)
        self.url = self._server.root_url

    def start(self, supervisor: Supervisor, cloud: Cloud, scrape_configs: Sequence[dict[str, Any]]) -> None:
        """Start VictoriaMetrics, which evaluates no rules, and write the history if it is new."""
        server = self._server
        new = not server.data.exists()
        server.scrape_configs = scrape_configs
        supervisor.start(server)
        server.wait_ready(supervisor.stop)
        if new:
            now = int(time.time())
            history = cloud.history(now - DAY, now, _STEP)
            server.write(chain(_usage_history(cloud, now), history), supervisor.stop)
            supervisor.progress(f"wrote 24.0 h of history, one sample every {_STEP} s")
        supervisor.progress(f"VictoriaMetrics is ready at {self.url}")


ENGINES: dict[str, Callable[[Path, int], Engine]] = {
    "prometheus": PrometheusEngine,
    "thanos": ThanosEngine,
    "victoriametrics": VictoriaMetricsEngine,
}
"""The engines by the value of the option. Each raises ``DemoError`` if a program is not on PATH."""


def _usage_history(cloud: Cloud, now: int) -> Iterator[str]:
    """Yield the usage of the days before the last one, which the page shows by day."""
    return cloud.history(now - _USAGE_DAYS * DAY, now - DAY, _USAGE_STEP, job="project_usages")


def _batches(text: Iterable[str]) -> Iterator[bytes]:
    """Yield the samples of a text, with timestamps in milliseconds."""
    lines: list[str] = []
    size = 0
    for piece in text:
        for line in piece.splitlines():
            if not line.startswith("#"):
                lines.append(f"{line}000\n")
                size += len(line)
        if size > _BATCH_BYTES:
            yield "".join(lines).encode()
            lines, size = [], 0
    yield "".join(lines).encode()

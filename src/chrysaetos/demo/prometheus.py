"""A real Prometheus on the loopback address, with history written by promtool."""

from __future__ import annotations

import http.client
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from chrysaetos.demo.processes import (
    LOOPBACK,
    DemoError,
    Process,
    Server,
    find_program,
    private_directory,
    wait_for,
)
from chrysaetos.regular_file import replace_file

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Prometheus"]

_INSTALL = "on Debian and Ubuntu: sudo apt-get install --no-install-recommends prometheus"
_MAX_BLOCK_DURATION = "36h"
"""The longest block that promtool writes. promtool reads its whole input once for each block, and by default
a block covers two hours. 36 h is also Prometheus' own limit with a retention of 15 days."""

_SCRAPE_SECONDS = 5


class Prometheus(Server):
    """Prometheus with the admin API and exemplars.

    Args:
        directory: its directory, with the TSDB in ``data``.
        port: the port to listen on; a free port if None.
        scrape_configs: the ``scrape_configs`` of prometheus.yml.

    Attributes:
        rule_groups: the groups of its rule file.
        external_labels: the external labels, which Thanos requires.

    Raises:
        DemoError: ``prometheus`` or ``promtool`` is not on PATH.
    """

    name: ClassVar[str] = "Prometheus"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(
        self, directory: Path, *, port: int | None = None, scrape_configs: Sequence[dict[str, Any]] = ()
    ) -> None:
        self._program = find_program("prometheus", _INSTALL)
        self._promtool = find_program("promtool", _INSTALL)
        super().__init__(directory, port=port)
        self.scrape_configs = list(scrape_configs)
        self.external_labels: dict[str, str] = {}
        self.rule_groups: list[dict[str, Any]] = []

    @property
    def data(self) -> Path:
        """The directory of the TSDB."""
        return self.directory / "data"

    def backfill(self, text: Iterable[str], stop: threading.Event | None = None) -> None:
        """Write OpenMetrics text with timestamps into the TSDB. Prometheus must not be running.

        Args:
            text: parts of an OpenMetrics text that ends with ``# EOF``.
            stop: an event that cancels the work.

        Raises:
            DemoError: promtool rejects the text.
            Interrupted: ``stop`` was set.
        """
        private_directory(self.data)
        with tempfile.TemporaryDirectory(dir=self.directory, prefix="history-") as folder:
            source = Path(folder) / "history.txt"
            with source.open("w") as file:
                file.writelines(text)
            duration = f"--max-block-duration={_MAX_BLOCK_DURATION}"
            command = [self._promtool, "tsdb", "create-blocks-from", duration, "openmetrics", "--quiet"]
            command += [str(source), str(self.data)]
            process = Process("promtool", command, log=self.directory / "promtool.log")
            try:
                wait_for(lambda: process.status() is not None, timeout=600, stop=stop)
                if process.status() != 0:
                    raise DemoError(f"promtool could not write the history:\n{process.tail()}")
            finally:
                process.stop()

    def end_of_blocks(self) -> float | None:
        """Return the end of the newest block, in seconds since the epoch; None if there are no blocks."""
        # The names of blocks that are still being written contain a dot.
        metas = (meta for meta in self.data.glob("*/meta.json") if "." not in meta.parent.name)
        ends = [json.loads(meta.read_text())["maxTime"] for meta in metas]
        return max(ends) / 1000 if ends else None

    def last_write(self) -> float | None:
        """Return the time of the last write to the write-ahead log, in seconds since the epoch."""
        return max((file.stat().st_mtime for file in self.data.glob("wal/*")), default=None)

    def forget_head(self) -> None:
        """Delete all samples that are not in a block, before a new block is written for the same time.

        Otherwise Prometheus would drop samples in its write-ahead log that are older than the new block.
        """
        for name in ("wal", "chunks_head"):
            shutil.rmtree(self.data / name, ignore_errors=True)

    def wait_scraped(self, stop: threading.Event | None = None) -> None:
        """Wait until each target has been scraped, within two scrape intervals.

        Raises:
            Interrupted: ``stop`` was set.
        """
        wait_for(self._scraped, timeout=2 * _SCRAPE_SECONDS, stop=stop)

    def _scraped(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=_SCRAPE_SECONDS)
        try:
            connection.request("GET", "/api/v1/targets?state=active")
            targets = json.load(connection.getresponse())["data"]["activeTargets"]
        finally:
            connection.close()
        wanted = sum(len(job["static_configs"]) for job in self.scrape_configs)
        return len(targets) == wanted and all(target["health"] != "unknown" for target in targets)

    def prepare(self) -> None:
        """Write prometheus.yml and its rules as JSON, which is valid YAML."""
        private_directory(self.data)
        rules = self.directory / "rules.yml"
        replace_file(rules, json.dumps({"groups": self.rule_groups}, indent=2))
        config = self.config_of(self.scrape_configs, self.external_labels, rule_files=[rules.name])
        replace_file(self.directory / "prometheus.yml", config)

    @staticmethod
    def config_of(
        scrape_configs: Sequence[dict[str, Any]],
        external_labels: Mapping[str, str] | None = None,
        **more: object,
    ) -> str:
        """Return the content of prometheus.yml. VictoriaMetrics rejects other sections than these two."""
        labels = {"external_labels": external_labels} if external_labels else {}
        settings = {"scrape_interval": f"{_SCRAPE_SECONDS}s", **labels}
        config = {"global": settings, "scrape_configs": list(scrape_configs), **more}
        return json.dumps(config, indent=2)

    def command(self) -> list[str]:
        """Return the command line of ``prometheus``."""
        return [
            self._program,
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.data}",
            "--storage.tsdb.retention.time=15d",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            "--web.enable-admin-api",
            "--enable-feature=exemplar-storage",
        ]

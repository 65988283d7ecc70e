"""A real Prometheus on the loopback address, filled with history through promtool."""

from __future__ import annotations

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
    private_directory,
    wait_for,
    write_private,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Sequence

__all__ = ["Prometheus"]

_BLOCKS = "36h"
"""Longest block that promtool may write. It reads its whole input once for each block, two hours each when
not told otherwise; this is also Prometheus' own limit at a retention of 15 days."""


class Prometheus(Server):
    """Prometheus with the admin API and exemplars.

    Args:
        directory: its folder; the store is `data` in it.
        port: the port to listen on; a free one when None.
        scrape_configs: the `scrape_configs` of prometheus.yml.

    Raises:
        DemoError: `prometheus` or `promtool` is not on PATH.
    """

    name: ClassVar[str] = "Prometheus"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(
        self, directory: Path, *, port: int | None = None, scrape_configs: Sequence[dict[str, Any]] = ()
    ) -> None:
        self._program = _find("prometheus")
        self._promtool = _find("promtool")
        super().__init__(directory, port=port)
        self.scrape_configs = list(scrape_configs)

    @property
    def url(self) -> str:
        """The root of its HTTP API."""
        return self.root_url

    @property
    def data(self) -> Path:
        """The folder of its store."""
        return self.directory / "data"

    def backfill(self, text: Iterable[str], stop: threading.Event | None = None) -> None:
        """Write OpenMetrics text with timestamps into the store, while Prometheus does not run.

        Args:
            text: pieces of one OpenMetrics text, `# EOF` at its end.
            stop: once set, the work is given up.

        Raises:
            DemoError: promtool refused it.
            Interrupted: `stop` was set.
        """
        private_directory(self.data)
        with tempfile.TemporaryDirectory(dir=self.directory, prefix="history-") as folder:
            source = Path(folder) / "history.txt"
            with source.open("w") as file:
                file.writelines(text)
            size = f"--max-block-duration={_BLOCKS}"
            command = [self._promtool, "tsdb", "create-blocks-from", size, "openmetrics", "--quiet"]
            command += [str(source), str(self.data)]
            process = Process("promtool", command, log=self.directory / "promtool.log")
            try:
                wait_for(lambda: process.status() is not None, timeout=600, stop=stop)
                if process.status() != 0:
                    raise DemoError(f"promtool could not write the history:\n{process.tail()}")
            finally:
                process.stop()

    def end_of_blocks(self) -> float | None:
        """When the newest block of the store ends, in seconds since the epoch; None without blocks."""
        # Blocks that are still being written have a name with a dot.
        metas = (meta for meta in self.data.glob("*/meta.json") if "." not in meta.parent.name)
        ends = [json.loads(meta.read_text())["maxTime"] for meta in metas]
        return max(ends) / 1000 if ends else None

    def last_write(self) -> float | None:
        """When Prometheus last wrote to its write-ahead log, in seconds since the epoch."""
        return max((file.stat().st_mtime for file in self.data.glob("wal/*")), default=None)

    def forget_head(self) -> None:
        """Drop what is not in a block yet, because a new block is to cover that time.

        Prometheus drops samples of its write-ahead log that are older than its newest block.
        """
        for name in ("wal", "chunks_head"):
            shutil.rmtree(self.data / name, ignore_errors=True)

    def prepare(self) -> None:
        """Write prometheus.yml (JSON, which is YAML)."""
        private_directory(self.data)
        config = {"global": {"scrape_interval": "5s"}, "scrape_configs": self.scrape_configs}
        write_private(self.directory / "prometheus.yml", json.dumps(config, indent=2))

    def command(self) -> list[str]:
        """The program with its options."""
        return [
            self._program,
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.data}",
            "--storage.tsdb.retention.time=15d",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            "--web.enable-admin-api",
            "--enable-feature=exemplar-storage",
        ]


def _find(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise DemoError(
            f"{program} is not on PATH; on Debian and Ubuntu: "
            "sudo apt-get install --no-install-recommends prometheus"
        )
    return path

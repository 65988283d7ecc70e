"""The exporters of the sample cloud: an HTTP server with a path for each target."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from chrysaetos.demo.processes import LOOPBACK, DemoError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrysaetos.demo.cloud import Target

__all__ = ["Exporter"]

_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Exporter:
    """Serves targets from threads of this process, inside a ``with`` block.

    Args:
        targets: the targets, each served at its path.
        port: the port to listen on.

    Raises:
        DemoError: the port is in use.
    """

    def __init__(self, targets: Sequence[Target], port: int) -> None:
        self._targets = targets
        by_path = {target.path: target for target in targets}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                target = by_path.get(self.path)
                if target is None:
                    self.send_error(404)
                    return
                body = target.exposition(time.time()).encode()
                self.send_response(200)
                self.send_header("Content-Type", _CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class' name
                """Do not log scrapes."""

        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), Handler)
        except OSError as error:
            raise DemoError(f"the exporters cannot listen on port {port}: {error.strerror}") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="exporter", daemon=True
        )

    def scrape_configs(self, interval: str = "5s") -> list[dict[str, Any]]:
        """Return Prometheus' scrape configuration for the targets.

        Args:
            interval: the scrape interval, a Prometheus duration.
        """
        address = f"{LOOPBACK}:{self._server.server_address[1]}"
        jobs: dict[str, list[dict[str, Any]]] = {}
        for target in self._targets:
            labels = {"__metrics_path__": target.path, **target.labels}
            jobs.setdefault(target.job, []).append({"targets": [address], "labels": labels})
        return [
            {
                "job_name": job,
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "static_configs": configs,
            }
            for job, configs in jobs.items()
        ]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

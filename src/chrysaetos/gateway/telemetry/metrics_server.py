"""The listener for the gateway's metrics.

It is separate from the gateway's own listener, so that tenants cannot reach the metrics. Each worker has its
own metrics and its own port: the first free port of a range with as many ports as workers. Each is a scrape
target.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.http.server.limits import MONITORING
from chrysaetos.http.server.pages import EXPOSITION, Pages
from chrysaetos.http.server.responses import text
from chrysaetos.http.server.server import HttpServer
from chrysaetos.http.server.sockets import listen_tcp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MetricsServer"]


class MetricsServer:
    """Serves ``/metrics`` and ``/-/healthy``.

    Args:
        render: returns the metrics as text.
        host: address to listen on.
        ports: the ports to try, one for each worker; 0 for any free port.
        options: the names of the options for host and port, for the error.

    Attributes:
        port: the port of the listener; 0 before ``start``.
    """

    def __init__(
        self, render: Callable[[], bytes], host: str, ports: Sequence[int], options: tuple[str, str]
    ) -> None:
        self._app = Pages(
            {
                "/metrics": lambda _: (200, [EXPOSITION], render()),
                "/-/healthy": lambda _: text(200, "OK"),
            }
        )
        self._host = host
        self._ports = ports
        self._options = options
        self._server: HttpServer | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on the first free port.

        Raises:
            OSError: no port is free.
        """
        failure = ""
        for port in self._ports:
            try:
                sockets = listen_tcp(self._host, port, self._options)
            except ConfigError as error:
                failure = str(error)
                continue
            self._server = HttpServer(self._app, MONITORING, asyncio.get_running_loop())
            self.port = sockets[0].getsockname()[1]
            await self._server.accept(sockets)
            return
        raise OSError(failure)

    async def close(self) -> None:
        """Stop listening and close all connections."""
        if self._server is not None:
            await self._server.stop()

"""Compare Watcher's strategies with its own Aetos datasource and with ours, on the same Prometheus.

    .venvs/watcher-17/bin/python -m bench.watcher [--sizes 20x400,200x4000] [--delays 0,20]

Each strategy runs without daemon and database, on a model of a cloud with the given numbers of hosts and
instances. A proxy before Prometheus counts the requests and delays each one, like a network and a gateway.
The output has the seconds of the whole strategy, including its own work, the number of requests, and whether
both datasources lead to the same plan.
"""

from __future__ import annotations

import argparse
import http.client
import logging
import sys
import tempfile
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

with warnings.catch_warnings():
    # Warnings of Watcher and its libraries at import.
    warnings.simplefilter("ignore")
    from keystoneauth1.session import Session
    from keystoneauth1.token_endpoint import Token
    from oslo_config import cfg
    from tests.watcher.alone import PARAMETERS, actions, load
    from tests.watcher.sample import SampleCloud, wait_for_targets
    from watcher.common import clients, service  # noqa: F401  # registers options
    from watcher.decision_engine.datasources.aetos import AetosHelper

    import chrysaetos.watcher.plugin  # noqa: F401  # installs the datasources
    from chrysaetos.watcher.datasource import AetosDatasource

from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable

DATASOURCES: dict[str, Callable[[Any], Any]] = {"stock": AetosHelper, "ours": AetosDatasource}


class DelayingProxy:
    """A proxy that delays each request, as a context manager.

    Args:
        url: the URL of the server.

    Attributes:
        seconds: the delay of each request.
        requests: the number of requests so far.
    """

    def __init__(self, url: str) -> None:
        self.seconds = 0.0
        self.requests = 0
        server = urlsplit(url).netloc
        proxy, kept = self, threading.local()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def forward(self) -> None:
                proxy.requests += 1
                time.sleep(proxy.seconds)
                if not hasattr(kept, "connection"):
                    kept.connection = http.client.HTTPConnection(server)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {"Content-Type": self.headers.get("Content-Type") or "text/plain"}
                kept.connection.request(self.command, self.path, body, headers)
                answer = kept.connection.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = forward  # noqa: N815  # the base class' names

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def measure(name: str, cloud: SampleCloud, proxy: DelayingProxy, kind: str) -> tuple[float, int, Any]:
    """Return seconds, the number of requests, and the plan."""
    osc = clients.OpenStackClients()
    osc._session = Session(auth=Token(proxy.url, "token"))  # noqa: SLF001  # like Watcher's own tests
    strategy = load(name, cloud, osc)
    proxy.requests = 0
    started = time.perf_counter()
    strategy._datasource_backend = DATASOURCES[kind](osc)  # noqa: SLF001  # as above
    proposed = actions(strategy)
    return time.perf_counter() - started, proxy.requests, proposed


def compare(cloud: SampleCloud, proxy: DelayingProxy) -> None:
    for name in PARAMETERS:
        found = {kind: measure(name, cloud, proxy, kind) for kind in DATASOURCES}
        (slow, many, expected), (fast, few, proposed) = found["stock"], found["ours"]
        same = f"{len(expected)} actions, the same" if proposed == expected else "THE PLANS DIFFER"
        print(
            f"  {name:26}{slow:9.2f} s {many:6} requests {fast:9.2f} s {few:3} requests"
            f"   {slow / fast:6.1f} x   {same}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", default="20x400,200x4000", help="hosts x instances")
    parser.add_argument("--delays", default="0,20", help="milliseconds for each request")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "watcher.conf"
        empty.write_text("")
        cfg.CONF(["--config-file", str(empty)], project="watcher")
        # Up to release 16, loading a strategy reads the command line again.
        sys.argv = ["watcher", "--config-file", str(empty)]
        logging.disable(logging.CRITICAL)
        for size in arguments.sizes.split(","):
            hosts, instances = map(int, size.split("x"))
            cloud = SampleCloud(hosts, instances)
            prometheus = Prometheus(Path(folder) / size, scrape_configs=cloud.scrape_configs())
            prometheus.backfill(cloud.text(int(time.time())))
            with prometheus, DelayingProxy(prometheus.url) as proxy:
                wait_for_targets(prometheus, hosts)
                for milliseconds in map(float, arguments.delays.split(",")):
                    proxy.seconds = milliseconds / 1000
                    print(f"\n{hosts} hosts, {instances} instances, {milliseconds:g} ms for each request")
                    print(f"  {'':26}{'stock':>11}{'':17}{'ours':>10}")
                    compare(cloud, proxy)


if __name__ == "__main__":
    main()

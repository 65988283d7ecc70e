"""``chrysaetos demo``: run a Keystone, a Prometheus, a sample cloud and the gateway.

With ``--sites`` it runs sites and a portal instead, see ``sites``.
"""

from __future__ import annotations

import base64
import secrets
import signal
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.arguments import number
from chrysaetos.demo.balanced import HAProxy, Memcached
from chrysaetos.demo.cloud import Cloud, Tenant
from chrysaetos.demo.commands import render_commands, write_credentials
from chrysaetos.demo.engines import ENGINES
from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import Account, Identities, IdentityApi, create_identities
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK, DemoError, Interrupted, answers, wait_for
from chrysaetos.demo.sites import MAX_SITES, SitesDemo
from chrysaetos.demo.state import State, open_state
from chrysaetos.demo.supervisor import Supervisor, report
from chrysaetos.regular_file import replace_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from chrysaetos.demo.engines import Engine

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="keep all data in DIR, so that the next start is fast (default: a temporary directory); "
        "DIR/demo.json contains the URLs and credentials",
    )
    parser.add_argument(
        "--exit-after",
        type=number(float, 0),
        metavar="SECONDS",
        help="stop this many seconds after the demo was ready",
    )
    parser.add_argument(
        "--engine",
        choices=sorted(ENGINES),
        default="prometheus",
        help="what stores the metrics; thanos and victoriametrics run as in a large cloud, behind two "
        "gateways with HAProxy and memcached (default: prometheus)",
    )
    parser.add_argument(
        "--sites",
        type=int,
        choices=range(1, MAX_SITES + 1),
        metavar="N",
        help="run N sites with sample usage and a portal that collects it, instead of the cloud",
    )


def run(args: argparse.Namespace) -> int:
    """Start all servers and run until a signal, the time of ``--exit-after``, or the exit of a server.

    Args:
        args: the options added by ``add_arguments``.

    Returns:
        The exit status: 0 after a normal stop, 1 for an error, 130 after a signal before everything was
        ready.
    """
    stop = threading.Event()
    try:
        with _signals(stop), open_state(args.state_dir) as state, ExitStack() as stack:
            supervisor = Supervisor(stack, stop)
            if args.sites is None:
                demo: _Demo | SitesDemo = _Demo(state, supervisor, args.engine)
            else:
                demo = SitesDemo(state, supervisor, args.sites)
            demo.start()
            supervisor.wait(args.exit_after)
    except Interrupted:
        report("stopped before everything was ready")
        return 130
    except DemoError as error:
        report(f"chrysaetos demo: {error}")
        return 1
    report("stopped")
    return 0


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Set an event on signals that stop the program, so that no step is interrupted in the middle."""
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Demo:
    """Starts the servers of the cloud in order."""

    def __init__(self, state: State, supervisor: Supervisor, engine: str) -> None:
        self._state = state
        self._engine = engine
        self._supervisor = supervisor
        self._stop = supervisor.stop

    def start(self) -> None:
        state = self._state
        state.forget("demo.json")
        ports = state.ports(("keystone", "prometheus", "gateway", "cloud", "metrics-1", "metrics-2"))
        metrics_ports = (ports["metrics-1"], ports["metrics-2"])
        engine = ENGINES[self._engine](state.directory, ports["prometheus"])
        known = state.load("identities.json")
        if known is None:
            # An earlier start did not get this far.
            state.forget("keystone", "prometheus", "victoriametrics", "cloud.json")
        self._supervisor.progress("state, configuration and logs are in " + str(state.directory))

        keystone = Keystone(state.directory / "keystone", port=ports["keystone"])
        self._supervisor.start(keystone)
        keystone.wait_ready(self._stop)
        self._supervisor.progress(f"Keystone is ready at {keystone.url}")
        gateway_url, identities = self._identify(keystone, ports["gateway"], known)

        # The gateway starts while the history is written.
        gateway = self._begin_gateway(keystone, engine, identities, ports["gateway"], metrics_ports)
        self._begin_cloud(engine, identities, ports["cloud"], metrics_ports)
        gateway.wait_ready(self._stop)
        self._supervisor.progress(f"the gateway is ready at {gateway.url}")

        accounts = (*identities.tenants, identities.admin, identities.service, identities.stranger)
        write_credentials(state.directory, accounts, keystone.url)
        urls = {"gateway_url": gateway_url, "keystone_url": keystone.url, "prometheus_url": engine.url}
        state.save("demo.json", {**urls, **_public(identities)})
        print(
            render_commands(state.directory, identities, keystone_url=keystone.url, gateway_url=gateway.url),
            f"Open {gateway.url}/ui in a browser, or paste the commands above into another terminal.\n",
            sep="\n",
            flush=True,
        )
        self._supervisor.progress("ready; press Ctrl-C to stop")

    def _begin_gateway(
        self,
        keystone: Keystone,
        engine: Engine,
        identities: Identities,
        port: int,
        metrics_ports: tuple[int, int],
    ) -> Gateway | HAProxy:
        """Start the gateway, or two behind HAProxy. Return the server that clients use."""

        def gateway(
            name: str, port: int | None, metrics_port: int, options: Mapping[str, Mapping[str, str]]
        ) -> Gateway:
            server = Gateway(
                self._state.directory / name,
                keystone_url=keystone.url,
                prometheus_url=engine.url,
                user=identities.gateway.user,
                password=identities.gateway.password,
                port=port,
                options={"gateway": {"metrics_port": str(metrics_port)}, **options},
            )
            self._supervisor.start(server)
            return server

        if self._engine == "prometheus":
            return gateway("gateway", port, metrics_ports[0], {"web": {"enabled": "true"}})
        memcached = Memcached(self._state.directory / "memcached")
        self._supervisor.start(memcached)
        # Both gateways open the sessions of the web page with the same key.
        keys = self._state.directory / "session-keys"
        if not keys.exists():
            replace_file(keys, base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
        options = {
            "web": {"enabled": "true", "session_key_file": str(keys)},
            "prometheus": {"engine": self._engine},
            "keystone_authtoken": {"memcached_servers": memcached.address},
        }
        gateways = [
            gateway(f"gateway-{number}", None, metrics_port, options)
            for number, metrics_port in enumerate(metrics_ports, start=1)
        ]
        # HAProxy would take a gateway that does not listen yet out of service for seconds.
        for each in gateways:
            wait_for(
                partial(answers, f"{each.root_url}/healthcheck"), timeout=each.ready_seconds, stop=self._stop
            )
        balancer = HAProxy(self._state.directory / "haproxy", gateways, port=port)
        self._supervisor.start(balancer)
        return balancer

    def _identify(self, keystone: Keystone, gateway_port: int, known: Any) -> tuple[str, Identities]:
        api = IdentityApi(keystone.url, keystone.admin_password)
        self._supervisor.stack.callback(api.close)
        if known is None:
            identities = create_identities(api, keystone.admin_password)
            self._state.save("identities.json", identities.to_json())
            self._supervisor.progress("created projects, users and application credentials")
        else:
            identities = Identities.from_json(known)
        url = f"http://{LOOPBACK}:{gateway_port}"
        api.register_endpoint("metric-storage", "aetos", url)
        self._supervisor.progress("registered the gateway in the catalog as metric-storage")
        return url, identities

    def _begin_cloud(
        self, engine: Engine, identities: Identities, port: int, metrics_ports: tuple[int, int]
    ) -> None:
        """Start the sample cloud and the engine, which also collects the metrics of the gateways."""
        now = int(time.time())
        known = self._state.load("cloud.json")
        created = now if known is None else known["birth"]
        # Save this before writing the history, whose counters depend on it.
        self._state.save("cloud.json", {"birth": created})
        tenants = [
            Tenant(tenant.user, tenant.project_id or "", tenant.user_id) for tenant in identities.tenants
        ]
        cloud = Cloud(tenants, created)
        exporter = self._supervisor.stack.enter_context(Exporter(cloud.targets, port))
        gateways = metrics_ports if self._engine != "prometheus" else metrics_ports[:1]
        job = {
            "job_name": "chrysaetos",
            "static_configs": [{"targets": [f"{LOOPBACK}:{each}"]} for each in gateways],
        }
        engine.start(self._supervisor, cloud, [*exporter.scrape_configs(), job])


def _public(identities: Identities) -> dict[str, Any]:
    """Return the content of demo.json, for programs that use the demo."""

    def public(account: Account) -> dict[str, Any]:
        hidden = {"user_id", "role"}
        return {name: value for name, value in account.to_json().items() if name not in hidden}

    return {
        "tenants": [public(tenant) for tenant in identities.tenants],
        **{name: public(getattr(identities, name)) for name in ("admin", "service", "stranger")},
    }

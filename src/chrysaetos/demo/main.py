"""`chrysaetos demo`: a Keystone, a Prometheus, a sample cloud and the gateway, until it is ended.

With `--sites` it is sites and a portal instead: `sites`.
"""

from __future__ import annotations

import argparse
import math
import signal
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.demo.cloud import Cloud, Tenant
from chrysaetos.demo.commands import render_commands, write_credentials
from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import Account, Identities, IdentityApi, create_identities
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK, DemoError, Interrupted
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.demo.sites import MOST_SITES, SitesDemo
from chrysaetos.demo.stage import Stage, say
from chrysaetos.demo.state import State, open_state

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["add_arguments", "run"]

_DAY = 86400
_STEP = 60
_SEAMLESS_SECONDS = 240
"""Prometheus bridges a gap of up to five minutes by itself (its look-back)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="keep everything in DIR, so that the next start is fast (default: a temporary folder); "
        "DIR/demo.json then holds the URLs and credentials",
    )
    parser.add_argument(
        "--exit-after",
        type=_seconds,
        metavar="SECONDS",
        help="end by itself so long after it was ready",
    )
    parser.add_argument(
        "--sites",
        type=int,
        choices=range(1, MOST_SITES + 1),
        metavar="N",
        help="run so many sites with invented usage and a portal that collects it, in place of the cloud",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Start everything and stay until a signal, the time of `--exit-after`, or the end of a server.

    Args:
        args: the options of `add_arguments`.

    Returns:
        The exit status: 0 after an ordinary end, 1 when something failed, 130 when a signal came before
        everything was ready.
    """
    stop = threading.Event()
    try:
        with _signals(stop), open_state(args.state_dir) as state, ExitStack() as stack:
            stage = Stage(stack, stop)
            demo = _Demo(state, stage) if args.sites is None else SitesDemo(state, stage, args.sites)
            demo.start()
            stage.stay(args.exit_after)
    except Interrupted:
        say("ended before everything was ready")
        return 130
    except DemoError as error:
        say(f"chrysaetos demo: {error}")
        return 1
    say("everything is ended")
    return 0


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Turn the signals that end a program into an event: nothing is then broken off in the middle."""
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
    """The order of things."""

    def __init__(self, state: State, stage: Stage) -> None:
        self._state = state
        self._stage = stage
        self._stop = stage.stop

    def start(self) -> None:
        state = self._state
        state.forget("demo.json")
        ports = state.ports(("keystone", "prometheus", "gateway", "cloud"))
        prometheus = Prometheus(state.directory / "prometheus", port=ports["prometheus"])
        known = state.load("identities.json")
        if known is None:
            # Left by a start that did not get this far.
            state.forget("keystone", "prometheus", "cloud.json")
        self._stage.step("state, configuration and logs are in " + str(state.directory))

        keystone = Keystone(state.directory / "keystone", port=ports["keystone"])
        self._stage.begin(keystone)
        keystone.wait_ready(self._stop)
        self._stage.step(f"Keystone answers at {keystone.url}")
        gateway_url, identities = self._identify(keystone, ports["gateway"], known)

        gateway = Gateway(
            state.directory / "gateway",
            keystone_url=keystone.url,
            prometheus_url=prometheus.url,
            user=identities.gateway.user,
            password=identities.gateway.password,
            port=ports["gateway"],
        )
        # It gets ready while the history is written.
        self._stage.begin(gateway)
        self._fill(prometheus, identities, ports["cloud"])
        self._stage.begin(prometheus)
        prometheus.wait_ready(self._stop)
        self._stage.step(f"Prometheus answers at {prometheus.url}")
        gateway.wait_ready(self._stop)
        self._stage.step(f"the gateway answers at {gateway.url}")

        everybody = (*identities.tenants, identities.admin, identities.service, identities.stranger)
        write_credentials(state.directory, everybody, keystone.url)
        urls = {"gateway_url": gateway_url, "keystone_url": keystone.url, "prometheus_url": prometheus.url}
        state.save("demo.json", {**urls, **_public(identities)})
        print(
            render_commands(state.directory, identities, keystone_url=keystone.url, gateway_url=gateway.url),
            flush=True,
        )
        self._stage.step("ready; Ctrl-C ends everything")

    def _identify(self, keystone: Keystone, gateway_port: int, known: Any) -> tuple[str, Identities]:
        api = IdentityApi(keystone.url, keystone.admin_password)
        self._stage.stack.callback(api.close)
        if known is None:
            identities = create_identities(api, keystone.admin_password)
            self._state.save("identities.json", identities.to_json())
            self._stage.step("projects, users and application credentials are made")
        else:
            identities = Identities.from_json(known)
        url = f"http://{LOOPBACK}:{gateway_port}"
        api.register_endpoint("metric-storage", "aetos", url)
        self._stage.step("the catalog names the gateway as metric-storage")
        return url, identities

    def _fill(self, prometheus: Prometheus, identities: Identities, port: int) -> None:
        """Start the sample cloud, and give Prometheus the history that it has missed."""
        now = int(time.time())
        known = self._state.load("cloud.json")
        birth = now if known is None else known["birth"]
        # Before the history: a start that is broken off leaves blocks that count from this birth.
        self._state.save("cloud.json", {"birth": birth})
        tenants = [
            Tenant(tenant.user, tenant.project_id or "", tenant.user_id) for tenant in identities.tenants
        ]
        cloud = Cloud(tenants, birth)
        exporter = self._stage.stack.enter_context(Exporter(cloud.targets, port))
        prometheus.scrape_configs = exporter.scrape_configs()
        end = prometheus.end_of_blocks()
        if end is None or now - (prometheus.last_write() or end) > _SEAMLESS_SECONDS:
            start = now - _DAY if end is None else max(math.ceil(end), now - _DAY)
            prometheus.forget_head()
            prometheus.backfill(cloud.history(start, now, _STEP), self._stop)
            self._stage.step(f"history: {(now - start) / 3600:.1f} h, one sample each {_STEP} s")


def _public(identities: Identities) -> dict[str, Any]:
    """What programs need to drive the demo."""

    def account(one: Account) -> dict[str, Any]:
        hidden = {"user_id", "role"}
        return {name: value for name, value in one.to_json().items() if name not in hidden}

    return {
        "tenants": [account(tenant) for tenant in identities.tenants],
        **{name: account(getattr(identities, name)) for name in ("admin", "service", "stranger")},
    }

"""Watcher for the command: its options, its checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.client import MetricsClient
from chrysaetos.client.errors import MetricsError
from chrysaetos.migrate.audits import run_audit
from chrysaetos.migrate.clouds import Identity, open_session, read_conf
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.findings import Finding, Status, failed, good, wrong
from chrysaetos.migrate.metric_map import check_metric_map, metric_names, read_metric_map
from chrysaetos.migrate.nova import Nova
from chrysaetos.migrate.probes import check_hosts, check_metrics, check_roles, check_servers, explain
from chrysaetos.migrate.releases import installed_release
from chrysaetos.migrate.watcher import FIRST_RELEASE, labels, make_plan

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from keystoneauth1.session import Session

    from chrysaetos.migrate.layers import Layers
    from chrysaetos.migrate.plans import Plan
    from chrysaetos.migrate.services import Loaded

__all__ = ["WatcherService"]

_CREDENTIALS = "watcher_clients_auth"
_METRIC_MAP = "/etc/watcher/metric_map.yaml"
"""Watcher's default of ``[watcher_decision_engine] metric_map_path``."""
_PERIOD = 720
"""Seconds: what Watcher's strategies look back by default for instances."""


class WatcherService:
    """Watcher."""

    name = "watcher"
    program = "watcher-decision-engine"
    help = "move Watcher's datasource from prometheus to aetos"

    def add_arguments(self, parser: ArgumentParser, action: str) -> None:
        """Declare the options that Watcher alone has."""
        if action in {"check", "plan", "apply", "verify"}:
            parser.add_argument(
                "--release",
                type=int,
                metavar="NUMBER",
                help="Watcher's release, 15 for 2025.2 (default: that of python-watcher beside this command)",
            )
        if action in {"check", "plan", "apply"}:
            parser.add_argument(
                "--interface",
                choices=("public", "internal", "admin"),
                help="set [aetos_client] interface (default: leave it; Watcher's own default is public)",
            )
            parser.add_argument("--region-name", metavar="REGION", help="set [aetos_client] region_name")
        if action == "verify":
            parser.add_argument("--audit", action="store_true", help="also let Watcher make a test audit")
            parser.add_argument(
                "--goal", default="server_consolidation", help="its goal (default: %(default)s)"
            )
            parser.add_argument("--strategy", default="basic", help="its strategy (default: %(default)s)")
            parser.add_argument(
                "--timeout", type=float, default=300.0, metavar="SECONDS", help="how long to wait for its end"
            )

    def plan(self, layers: Layers, arguments: Namespace) -> Plan:
        """The edits, by the rules of the release."""
        return make_plan(
            layers,
            release=_release(arguments),
            interface=getattr(arguments, "interface", None),
            region=getattr(arguments, "region_name", None),
        )

    def companion(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> None:
        """Nothing beside the files."""

    def companion_of(self, loaded: Loaded, data: Mapping[str, Any]) -> None:
        """Nothing beside the files."""

    def preflight(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> Iterator[Finding]:
        """The release, the credentials, the catalog, the labels."""
        yield self._check_release(arguments)
        yield from check_metric_map(_metric_map(plan.after))
        if arguments.offline:
            yield Finding("cloud", Status.SKIPPED, "neither Keystone nor the gateway was asked")
            return
        yield from _with_cloud(loaded, plan.after, _labels_match)

    def verify(self, loaded: Loaded, arguments: Namespace) -> Iterator[Finding]:
        """Real queries for real hosts and servers, and an audit where one is asked for."""
        if self.plan(loaded.layers, arguments).contents:
            yield failed("configuration", "is not moved yet", "chrysaetos migrate watcher apply")
            return
        yield good("configuration", "Watcher reads aetos")
        yield from _with_cloud(loaded, loaded.layers, _metrics_arrive)
        if arguments.audit:
            session = open_session(read_conf(self.name, loaded.ordered()), _CREDENTIALS)
            region = _value(loaded.layers, "watcher_client", "region_name")
            yield run_audit(
                session,
                goal=arguments.goal,
                strategy=arguments.strategy,
                seconds=arguments.timeout,
                region=region,
            )

    def _check_release(self, arguments: Namespace) -> Finding:
        release = _release(arguments)
        if release is None:
            return wrong(
                "release",
                "python-watcher is not installed beside this command, so its release is not known",
                f"run this in Watcher's environment, or name it with --release ({FIRST_RELEASE} or later)",
            )
        if release < FIRST_RELEASE:
            return failed(
                "release",
                f"Watcher {release} does not know the datasource aetos",
                f"upgrade it to {FIRST_RELEASE} (2025.2) or later first",
            )
        return good("release", f"Watcher {release} knows the datasource aetos")


def _release(arguments: Namespace) -> int | None:
    return arguments.release if arguments.release is not None else installed_release("python-watcher")


def _value(layers: Layers, group: str, key: str) -> str | None:
    setting = layers.find(group, key)
    return setting.value if setting else None


def _with_cloud(
    loaded: Loaded, layers: Layers, ask: Callable[[MetricsClient, Nova, Layers], Iterable[Finding]]
) -> Iterator[Finding]:
    """Log in, find the gateway, and ask; the first of these that fails is the last finding."""
    check = "credentials"
    try:
        session = open_session(read_conf("watcher", loaded.ordered()), _CREDENTIALS)
        identity = Identity(session, _CREDENTIALS)
        yield good(check, f"Keystone gives a token for [{_CREDENTIALS}]")
        yield check_roles(identity)
        check = "catalog"
        interface = _value(layers, "aetos_client", "interface") or "public"
        region = _value(layers, "aetos_client", "region_name")
        with MetricsClient(session, interface, region, timeout=60.0) as client:
            yield good(check, f"metric-storage is at {client.endpoint}")
            check = "metrics"
            yield from ask(client, _nova(session, layers), layers)
    except (MetricsError, MigrateError) as error:
        yield explain(check, error)


def _nova(session: Session, layers: Layers) -> Nova:
    """Nova as Watcher finds it: by [nova] from 17 on, by [nova_client] before."""
    interfaces = _value(layers, "nova", "valid_interfaces")
    interface = interfaces.partition(",")[0].strip() if interfaces else None
    region = _value(layers, "nova", "region_name") or _value(layers, "nova_client", "region_name")
    return Nova(session, interface or _value(layers, "nova_client", "endpoint_type") or "public", region)


def _labels_match(client: MetricsClient, nova: Nova, layers: Layers) -> Iterator[Finding]:
    named = labels(layers)
    yield check_hosts(client, nova, named["fqdn_label"])
    cpu = metric_names(read_metric_map(_metric_map(layers)))["instance_cpu_usage"]
    yield check_servers(client, nova, named["instance_uuid_label"], cpu)


def _metrics_arrive(client: MetricsClient, nova: Nova, layers: Layers) -> Iterable[Finding]:
    names = metric_names(read_metric_map(_metric_map(layers)))
    return check_metrics(client, nova, labels(layers), names, _PERIOD)


def _metric_map(layers: Layers) -> Path:
    return Path(_value(layers, "watcher_decision_engine", "metric_map_path") or _METRIC_MAP)

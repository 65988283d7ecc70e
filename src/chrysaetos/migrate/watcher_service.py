"""Watcher as a service to migrate: options, checks."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.findings import Finding, Status, failed, ok, warning
from chrysaetos.migrate.audits import run_audit
from chrysaetos.migrate.clouds import open_session, read_conf
from chrysaetos.migrate.metric_map import check_metric_map, metric_names, read_metric_map
from chrysaetos.migrate.nova import Nova
from chrysaetos.migrate.probes import check_gateway, check_hosts, check_metrics, check_servers
from chrysaetos.migrate.watcher import FIRST_RELEASE, labels, make_plan

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from keystoneauth1.session import Session

    from chrysaetos.client import MetricsClient
    from chrysaetos.migrate.layers import Layers
    from chrysaetos.migrate.plans import Plan
    from chrysaetos.migrate.services import Loaded

__all__ = ["WatcherService"]

_CREDENTIALS = "watcher_clients_auth"
_METRIC_MAP = "/etc/watcher/metric_map.yaml"
"""Watcher's default of ``[watcher_decision_engine] metric_map_path``."""
_PERIOD = 720
"""The default look-back time of Watcher's strategies for instances, in seconds."""


class WatcherService:
    """Watcher."""

    name = "watcher"
    program = "watcher-decision-engine"
    help = "move Watcher's datasource from prometheus to aetos"

    def add_arguments(self, parser: ArgumentParser, action: str) -> None:
        """Declare the options for Watcher."""
        if action in {"check", "plan", "apply", "verify"}:
            parser.add_argument(
                "--release",
                type=int,
                metavar="NUMBER",
                help="Watcher's release, 15 for 2025.2 (default: that of python-watcher in this environment)",
            )
        if action in {"check", "plan", "apply"}:
            parser.add_argument(
                "--interface",
                choices=("public", "internal", "admin"),
                help="set [aetos_client] interface (default: unchanged; Watcher's own default is public)",
            )
            parser.add_argument("--region-name", metavar="REGION", help="set [aetos_client] region_name")
        if action == "verify":
            parser.add_argument("--audit", action="store_true", help="also run a test audit in Watcher")
            parser.add_argument(
                "--goal", default="server_consolidation", help="the goal of the audit (default: %(default)s)"
            )
            parser.add_argument(
                "--strategy", default="basic", help="the strategy of the audit (default: %(default)s)"
            )
            parser.add_argument(
                "--timeout", type=float, default=300.0, metavar="SECONDS", help="the time limit of the audit"
            )

    def plan(self, layers: Layers, arguments: Namespace) -> Plan:
        """Return the plan of the move for the release."""
        return make_plan(
            layers,
            release=_release(arguments),
            interface=getattr(arguments, "interface", None),
            region=getattr(arguments, "region_name", None),
        )

    def external_change(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> None:
        """Return None: only files change."""

    def restore_external_change(self, loaded: Loaded, data: Mapping[str, Any]) -> None:
        """Return None: only files change."""

    def preflight(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> Iterator[Finding]:
        """Check the release, the credentials, the catalog and the labels."""
        yield self._check_release(arguments)
        yield from check_metric_map(_metric_map(plan.after))
        if arguments.offline:
            yield Finding("cloud", Status.SKIPPED, "offline: no request to Keystone and the gateway")
            return
        yield from _with_cloud(loaded, plan.after, _check_labels)

    def verify(self, loaded: Loaded, arguments: Namespace) -> Iterator[Finding]:
        """Query metrics of the existing hosts and servers, and run an audit on request."""
        if self.plan(loaded.layers, arguments).contents:
            yield failed("configuration", "not moved yet", "chrysaetos migrate watcher apply")
            return
        yield ok("configuration", "Watcher uses aetos")
        yield from _with_cloud(loaded, loaded.layers, _query_metrics)
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
            return warning(
                "release",
                "python-watcher is not installed in this environment, so its release is unknown",
                f"run this in Watcher's environment, or pass --release ({FIRST_RELEASE} or later)",
            )
        if release < FIRST_RELEASE:
            return failed(
                "release",
                f"Watcher {release} does not have the datasource aetos",
                f"first upgrade Watcher to {FIRST_RELEASE} (2025.2) or later",
            )
        return ok("release", f"Watcher {release} has the datasource aetos")


def _release(arguments: Namespace) -> int | None:
    """Return the release of the arguments, else that of the installed python-watcher, None if unknown."""
    if arguments.release is not None:
        return int(arguments.release)
    try:
        major = metadata.version("python-watcher").partition(".")[0]
    except metadata.PackageNotFoundError:
        return None
    return int(major) if major.isdigit() else None


def _value(layers: Layers, group: str, key: str) -> str | None:
    setting = layers.find(group, key)
    return setting.value if setting else None


def _with_cloud(
    loaded: Loaded, layers: Layers, checks: Callable[[MetricsClient, Nova, Layers], Iterable[Finding]]
) -> Iterator[Finding]:
    """Authenticate, find the gateway, and run checks; stop at the first failure."""
    return check_gateway(
        lambda: read_conf("watcher", loaded.ordered()),
        _CREDENTIALS,
        _value(layers, "aetos_client", "interface") or "public",
        _value(layers, "aetos_client", "region_name"),
        lambda client, session: checks(client, _nova(session, layers), layers),
    )


def _nova(session: Session, layers: Layers) -> Nova:
    """Return Nova's API as Watcher configures it: by [nova] from 17 on, by [nova_client] before."""
    interfaces = _value(layers, "nova", "valid_interfaces")
    interface = interfaces.partition(",")[0].strip() if interfaces else None
    region = _value(layers, "nova", "region_name") or _value(layers, "nova_client", "region_name")
    return Nova(session, interface or _value(layers, "nova_client", "endpoint_type") or "public", region)


def _check_labels(client: MetricsClient, nova: Nova, layers: Layers) -> Iterator[Finding]:
    names = labels(layers)
    yield check_hosts(client, nova, names["fqdn_label"])
    cpu = metric_names(read_metric_map(_metric_map(layers)))["instance_cpu_usage"]
    yield check_servers(client, nova, names["instance_uuid_label"], cpu)


def _query_metrics(client: MetricsClient, nova: Nova, layers: Layers) -> Iterable[Finding]:
    names = metric_names(read_metric_map(_metric_map(layers)))
    return check_metrics(client, nova, labels(layers), names, _PERIOD)


def _metric_map(layers: Layers) -> Path:
    return Path(_value(layers, "watcher_decision_engine", "metric_map_path") or _METRIC_MAP)

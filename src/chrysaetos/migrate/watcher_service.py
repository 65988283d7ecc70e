"""Watcher as a service to migrate: options, checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.arguments import POSITIVE, SECONDS, config_value
from chrysaetos.findings import Finding, Status, failed, ok, warning, worst
from chrysaetos.migrate.audits import run_audit
from chrysaetos.migrate.clouds import nova_adapter, open_session, read_conf, read_value
from chrysaetos.migrate.installed_watcher import installed_release
from chrysaetos.migrate.metric_map import check_metric_map, metric_names
from chrysaetos.migrate.nova import Nova
from chrysaetos.migrate.probes import check_gateway, check_hosts, check_metrics, check_servers
from chrysaetos.migrate.watcher import labels, make_plan
from chrysaetos.migrate.watcher_releases import FIRST_RELEASE, Release, release_of

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
    program = devstack_unit = "watcher-decision-engine"
    help = "move Watcher's datasource from prometheus to aetos"

    def add_arguments(self, parser: ArgumentParser, action: str) -> None:
        """Declare the options for Watcher."""
        if action in {"check", "plan", "apply", "verify"}:
            parser.add_argument(
                "--release",
                type=POSITIVE,
                metavar="NUMBER",
                help="Watcher's release, 15 for 2025.2 (default: that of python-watcher in this environment)",
            )
        if action in {"check", "plan", "apply"}:
            parser.add_argument(
                "--interface",
                choices=("public", "internal", "admin"),
                help="set [aetos_client] interface (default: unchanged; Watcher's own default is public)",
            )
            parser.add_argument(
                "--region-name", type=config_value, metavar="REGION", help="set [aetos_client] region_name"
            )
        if action == "verify":
            parser.add_argument("--audit", action="store_true", help="also run a test audit in Watcher")
            parser.add_argument(
                "--goal", default="server_consolidation", help="the goal of the audit (default: %(default)s)"
            )
            parser.add_argument(
                "--strategy", default="basic", help="the strategy of the audit (default: %(default)s)"
            )
            parser.add_argument(
                "--timeout",
                type=SECONDS,
                default=300.0,
                metavar="SECONDS",
                help="the time limit of the audit",
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
        yield from check_metric_map(_metric_map(loaded))
        if arguments.offline:
            yield Finding("cloud", Status.SKIPPED, "offline: no request to Keystone and the gateway")
            return
        yield from _with_cloud(loaded, plan.after, _release(arguments), _check_labels)

    def verify(self, loaded: Loaded, arguments: Namespace) -> Iterator[Finding]:
        """Query metrics of the existing hosts and servers, and run an audit on request."""
        plan = self.plan(loaded.layers, arguments)
        if plan.contents:
            yield failed("configuration", "not moved yet", "chrysaetos migrate watcher apply")
            return
        problems = [finding for finding in plan.findings if finding.status is not Status.OK]
        yield from problems or [ok("configuration", "Watcher uses aetos")]
        if worst(problems) is Status.FAILED:
            return
        yield from _with_cloud(loaded, loaded.layers, _release(arguments), _query_metrics)
        if arguments.audit:
            session = open_session(read_conf(self.name, loaded.ordered()), _CREDENTIALS)
            region = loaded.layers.value("watcher_client", "region_name", None)
            yield run_audit(
                session,
                goal=arguments.goal,
                strategy=arguments.strategy,
                seconds=arguments.timeout,
                region=region,
            )

    def _check_release(self, arguments: Namespace) -> Finding:
        release = _release(arguments)
        if release.number is None:
            return warning(
                "release",
                "python-watcher is not installed in this environment, so its release is unknown",
                f"run this in Watcher's environment, or pass --release ({FIRST_RELEASE} or later)",
            )
        if release.number < FIRST_RELEASE:
            return failed(
                "release",
                f"{release.name} does not have the datasource aetos",
                f"first upgrade Watcher to {FIRST_RELEASE} (2025.2) or later",
            )
        return ok("release", f"{release.name} has the datasource aetos")


def _release(arguments: Namespace) -> Release:
    """Return the release of the arguments, else that of the installed python-watcher."""
    if arguments.release is not None:
        return release_of(arguments.release)
    return installed_release() or release_of(None)


def _with_cloud(
    loaded: Loaded,
    layers: Layers,
    release: Release,
    checks: Callable[[MetricsClient, Nova, Layers, Path], Iterable[Finding]],
) -> Iterator[Finding]:
    """Authenticate, find the gateway, and run checks; stop at the first failure."""

    def conf() -> Any:
        return read_conf("watcher", loaded.ordered())

    def checks_with_nova(client: MetricsClient, session: Session) -> Iterable[Finding]:
        adapter = nova_adapter(conf(), session, reads_nova_section=release.reads_nova_section)
        return checks(client, Nova(adapter), layers, _metric_map(loaded))

    return check_gateway(
        conf,
        _CREDENTIALS,
        checks_with_nova,
        section="aetos_client",
        interface=layers.value("aetos_client", "interface", "public"),
        region=layers.value("aetos_client", "region_name", None),
    )


def _check_labels(client: MetricsClient, nova: Nova, layers: Layers, metric_map: Path) -> Iterator[Finding]:
    names = labels(layers)
    yield check_hosts(client, nova, names["fqdn_label"])
    cpu = metric_names(metric_map)["instance_cpu_usage"]
    yield check_servers(client, nova, names["instance_uuid_label"], cpu)


def _query_metrics(client: MetricsClient, nova: Nova, layers: Layers, metric_map: Path) -> Iterable[Finding]:
    return check_metrics(client, nova, labels(layers), metric_names(metric_map), _PERIOD)


def _metric_map(loaded: Loaded) -> Path:
    conf = read_conf("watcher", loaded.ordered())
    return Path(read_value(conf, "watcher_decision_engine", "metric_map_path", _METRIC_MAP))

"""CloudKitty as a service to migrate: options, database, checks."""

from __future__ import annotations

from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from chrysaetos.arguments import config_value
from chrysaetos.client import MetricsClient, promql
from chrysaetos.findings import Finding, Status, failed, ok, warning
from chrysaetos.migrate.cloudkitty import make_plan, names_in
from chrysaetos.migrate.clouds import read_conf, read_value
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.files import explain_os_error
from chrysaetos.migrate.probes import check_gateway

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping

    from keystoneauth1.session import Session

    from chrysaetos.migrate.cloudkitty import Names
    from chrysaetos.migrate.layers import Layers
    from chrysaetos.migrate.plans import Plan
    from chrysaetos.migrate.scope_states import ScopeStates
    from chrysaetos.migrate.services import Loaded

__all__ = ["CloudKittyService"]

_DATABASE = "sqlite:////var/lib/cloudkitty/cloudkitty.sqlite"
"""CloudKitty's default of ``[database] connection``."""
_METRICS = "/etc/cloudkitty/metrics.yml"
"""CloudKitty's default of ``[collect] metrics_conf``."""
_GROUPS = {"collector": "cloudkitty.collector.backends", "fetcher": "cloudkitty.fetchers"}


class CloudKittyService:
    """CloudKitty."""

    name = "cloudkitty"
    program = "cloudkitty-processor"
    devstack_unit = "ck-proc"
    help = "move CloudKitty's collector and fetcher from Prometheus to Aetos, with the state of rated scopes"

    def add_arguments(self, parser: ArgumentParser, action: str) -> None:
        """Declare the options for CloudKitty."""
        if action in {"check", "plan", "apply"}:
            parser.add_argument(
                "--collector",
                type=config_value,
                default="chrysaetos",
                help="the new collector's name (default: %(default)s)",
            )
            parser.add_argument(
                "--fetcher",
                type=config_value,
                default="aetos",
                help="the new fetcher's name (default: %(default)s)",
            )
            parser.add_argument(
                "--auth-section",
                type=config_value,
                metavar="NAME",
                help="the section with CloudKitty's credentials (default: ks_auth or keystone_authtoken)",
            )
            parser.add_argument(
                "--interface",
                choices=("public", "internal", "admin"),
                help="the endpoint's interface in the catalog",
            )
            parser.add_argument(
                "--region-name",
                type=config_value,
                metavar="REGION",
                help="the endpoint's region in the catalog",
            )

    def plan(self, layers: Layers, arguments: Namespace) -> Plan:
        """Return the plan of the move."""
        return make_plan(
            layers,
            collector=arguments.collector,
            fetcher=arguments.fetcher,
            auth_section=arguments.auth_section,
            interface=arguments.interface,
            region=arguments.region_name,
        )

    def external_change(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> ScopeStates | None:  # noqa: ARG002  # the protocol's
        """Return the change of the scope states, if the names change."""
        old, new = names_in(loaded.layers), names_in(plan.after)
        return None if old == new else _scope_states(loaded, old, new)

    def restore_external_change(self, loaded: Loaded, data: Mapping[str, Any]) -> ScopeStates | None:
        """Return the change of the scope states that a journal describes."""
        return _scope_states_class().from_data(_database(loaded), data) if data else None

    def preflight(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> Iterator[Finding]:
        """Check the plugins, the credentials and the catalog."""
        names = names_in(plan.after)
        yield from (_installed(kind, name) for kind, name in _drivers(names))
        if arguments.offline:
            yield Finding("cloud", Status.SKIPPED, "offline: no request to Keystone and the gateway")
        else:
            group = plan.after.value("collector_aetos", "auth_section", "collector_aetos")
            yield from _with_client(loaded, plan.after, group, [])

    def verify(self, loaded: Loaded, arguments: Namespace) -> Iterator[Finding]:  # noqa: ARG002  # the protocol's
        """Check the scope states under the current names, and query each metric."""
        names = names_in(loaded.layers)
        if "prometheus" in {names.collector, names.fetcher}:
            yield failed("configuration", "not moved yet", "chrysaetos migrate cloudkitty apply")
            return
        yield ok("configuration", f"collector {names.collector}, fetcher {names.fetcher}")
        yield from (_installed(kind, name) for kind, name in _drivers(names))
        yield _check_scope_states(loaded, names)
        yield from _with_client(loaded, loaded.layers, "collector_aetos", _metrics(loaded))


def _drivers(names: Names) -> list[tuple[str, str]]:
    return [("collector", names.collector), ("fetcher", names.fetcher)]


def _database(loaded: Loaded) -> str:
    return read_value(read_conf("cloudkitty", loaded.ordered()), "database", "connection", _DATABASE)


def _scope_states_class() -> type[ScopeStates]:
    """Import the class, which requires packages of CloudKitty's environment."""
    try:
        from chrysaetos.migrate.scope_states import ScopeStates  # noqa: PLC0415  # needs SQLAlchemy
    except ModuleNotFoundError as error:
        raise MigrateError(
            f"the database needs the package {error.name}; run this in CloudKitty's environment, which has it"
        ) from error
    return ScopeStates


def _scope_states(loaded: Loaded, old: Names, new: Names) -> ScopeStates:
    return _scope_states_class()(_database(loaded), old, new)


def _installed(kind: str, name: str) -> Finding:
    """Check that exactly one plugin has a name; with two, stevedore loads none."""
    found = metadata.entry_points(group=_GROUPS[kind], name=name)
    if len(found) == 1:
        return ok(kind, f"{name} is {next(iter(found)).value}")
    if found:
        values = ", ".join(point.value for point in found)
        return failed(
            kind,
            f"{len(found)} packages have a {kind} named {name}, so none is loaded",
            f"choose another name with --{kind}, or remove one of: {values}",
        )
    return warning(
        kind,
        f"no {kind} named {name} is installed in this environment",
        "run this in CloudKitty's environment, after pip install 'chrysaetos[cloudkitty]'",
    )


def _check_scope_states(loaded: Loaded, names: Names) -> Finding:
    """Check that no state is left under the old names; such a scope would be rated again."""
    left = _scope_states(loaded, names, names).unmoved_scopes()
    if left:
        return failed(
            "scope states",
            f"{len(left)} scopes have a state for prometheus but none for these names: {', '.join(left[:5])}",
            "stop cloudkitty-processor, then run rollback and apply, which move the states",
        )
    return ok("scope states", "no state is left under the old names")


def _with_client(loaded: Loaded, layers: Layers, group: str, metrics: list[str]) -> Iterator[Finding]:
    """Authenticate with the credentials of a section, find the gateway, and query metrics."""

    def checks(client: MetricsClient, _: Session) -> Iterator[Finding]:
        client.query_vector("vector(1)")
        for metric in metrics:
            yield _check_metric(client, metric)

    return check_gateway(
        lambda: read_conf("cloudkitty", loaded.ordered()),
        group,
        checks,
        section="collector_aetos",
        interface=layers.value("collector_aetos", "interface", "public"),
        region=layers.value("collector_aetos", "region_name", None),
    )


def _check_metric(client: MetricsClient, metric: str) -> Finding:
    count = client.query_vector(promql.aggregate("count", promql.selector(metric))).one_or_none()
    if count is None:
        return warning("metrics", f"{metric} has no series", "check its name in metrics.yml")
    return ok("metrics", f"{metric} has {count.value:g} series")


def _metrics(loaded: Loaded) -> list[str]:
    """Return the metrics of metrics.yml: its keys, without the part after ``@#``."""
    conf = read_conf("cloudkitty", loaded.ordered())
    # A relative path is relative to the directory of the processor.
    path = _processor_directory() / read_value(conf, "collect", "metrics_conf", _METRICS)
    try:
        content = yaml.safe_load(path.read_bytes())
        return sorted({str(key).partition("@#")[0] for key in content["metrics"]})
    except OSError as error:
        raise explain_os_error(path, "cannot be read", error) from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise MigrateError(f"{path}: is not a valid metrics.yml; check [collect] metrics_conf") from error


def _processor_directory(proc: Path = Path("/proc")) -> Path:
    """Return the working directory of a running processor, else systemd's default, the root directory."""
    from chrysaetos.migrate.scope_states import running_processors  # noqa: PLC0415  # needs SQLAlchemy

    for process in running_processors(proc):
        with suppress(OSError):
            return (proc / str(process) / "cwd").readlink()
    return Path("/")

"""CloudKitty for the command: its options, its database, its checks."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from chrysaetos.client import MetricsClient, promql
from chrysaetos.client.errors import MetricsError
from chrysaetos.migrate.cloudkitty import make_plan, names_in
from chrysaetos.migrate.clouds import Identity, open_session, read_conf
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.files import explained
from chrysaetos.migrate.findings import Finding, Status, failed, good, wrong
from chrysaetos.migrate.probes import check_roles, explain

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping

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
    help = "move CloudKitty's collector and fetcher from prometheus to Aetos, with what is rated already"

    def add_arguments(self, parser: ArgumentParser, action: str) -> None:
        """Declare the options that CloudKitty alone has."""
        if action in {"check", "plan", "apply"}:
            parser.add_argument(
                "--collector", default="chrysaetos", help="the new collector's name (default: %(default)s)"
            )
            parser.add_argument(
                "--fetcher", default="aetos", help="the new fetcher's name (default: %(default)s)"
            )
            parser.add_argument(
                "--auth-section",
                metavar="NAME",
                help="the section with CloudKitty's credentials (default: ks_auth or keystone_authtoken)",
            )
            parser.add_argument(
                "--interface", choices=("public", "internal", "admin"), help="of the endpoint in the catalog"
            )
            parser.add_argument("--region-name", metavar="REGION", help="of the endpoint in the catalog")

    def plan(self, layers: Layers, arguments: Namespace) -> Plan:
        """The edits."""
        return make_plan(
            layers,
            collector=arguments.collector,
            fetcher=arguments.fetcher,
            auth_section=arguments.auth_section,
            interface=arguments.interface,
            region=arguments.region_name,
        )

    def companion(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> ScopeStates | None:  # noqa: ARG002
        """The scope states, if the names change."""
        old, new = names_in(loaded.layers), names_in(plan.after)
        return None if old == new else _states(loaded.layers, old, new)

    def companion_of(self, loaded: Loaded, data: Mapping[str, Any]) -> ScopeStates | None:
        """The scope states of an earlier change."""
        return _scope_states().from_data(_database(loaded.layers), data) if data else None

    def preflight(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> Iterator[Finding]:
        """The plugins, the states, the credentials, the catalog."""
        names = names_in(plan.after)
        yield from (_installed(kind, name) for kind, name in _drivers(names))
        if arguments.offline:
            yield Finding("cloud", Status.SKIPPED, "neither Keystone nor the gateway was asked")
        else:
            yield from _ask(loaded, plan)

    def verify(self, loaded: Loaded, arguments: Namespace) -> Iterator[Finding]:  # noqa: ARG002
        """The states under the present names, and a query for each metric."""
        names = names_in(loaded.layers)
        if "prometheus" in {names.collector, names.fetcher}:
            yield failed("configuration", "is not moved yet", "chrysaetos migrate cloudkitty apply")
            return
        yield good("configuration", f"collector {names.collector}, fetcher {names.fetcher}")
        yield from (_installed(kind, name) for kind, name in _drivers(names))
        yield _none_left(loaded.layers, names)
        yield from _ask_metrics(loaded)


def _drivers(names: Names) -> list[tuple[str, str]]:
    return [("collector", names.collector), ("fetcher", names.fetcher)]


def _database(layers: Layers) -> str:
    found = layers.find("database", "connection")
    return found.value if found else _DATABASE


def _scope_states() -> type[ScopeStates]:
    """The class, which needs what CloudKitty's environment has and others may not."""
    try:
        from chrysaetos.migrate.scope_states import ScopeStates  # noqa: PLC0415 - needs SQLAlchemy
    except ModuleNotFoundError as error:
        raise MigrateError(
            f"the database needs the package {error.name}; run this in CloudKitty's environment, which has it"
        ) from error
    return ScopeStates


def _states(layers: Layers, old: Names, new: Names) -> ScopeStates:
    return _scope_states()(_database(layers), old, new)


def _installed(kind: str, name: str) -> Finding:
    """Whether exactly one plugin has a name: stevedore loads none of two."""
    found = metadata.entry_points(group=_GROUPS[kind], name=name)
    if len(found) == 1:
        return good(kind, f"{name} is {next(iter(found)).value}")
    if found:
        return failed(
            kind,
            f"{len(found)} packages have a {kind} named {name}, and so none loads",
            f"choose another name with --{kind}, or remove one of: {', '.join(one.value for one in found)}",
        )
    return wrong(
        kind,
        f"no {kind} named {name} is installed beside this command",
        "run this in CloudKitty's environment, after pip install 'chrysaetos[cloudkitty]'",
    )


def _none_left(layers: Layers, names: Names) -> Finding:
    """States of the old names would be rated from the beginning of the month again."""
    left = _states(layers, names, names).left_behind()
    if left:
        return failed(
            "scope states",
            f"{len(left)} scopes have a state for prometheus and none for these names: {', '.join(left[:5])}",
            "stop cloudkitty-processor; rollback and apply move them with the configuration",
        )
    return good("scope states", "none is left under the old names")


def _ask(loaded: Loaded, plan: Plan) -> Iterator[Finding]:
    """Log in with the credentials that the moved configuration names, and find the gateway."""
    layers = plan.after
    section = layers.find("collector_aetos", "auth_section")
    group = section.value if section else "collector_aetos"
    yield from _with_client(loaded, layers, group, [])


def _ask_metrics(loaded: Loaded) -> Iterator[Finding]:
    yield from _with_client(loaded, loaded.layers, "collector_aetos", _metrics(loaded.layers))


def _with_client(loaded: Loaded, layers: Layers, group: str, metrics: list[str]) -> Iterator[Finding]:
    check = "credentials"
    try:
        session = open_session(read_conf("cloudkitty", loaded.ordered()), group)
        identity = Identity(session, group)
        yield good(check, f"Keystone gives a token for [{group}]")
        yield check_roles(identity)
        check = "catalog"
        interface, region = (layers.find("collector_aetos", key) for key in ("interface", "region_name"))
        with MetricsClient(
            session, interface.value if interface else "public", region.value if region else None
        ) as client:
            yield good(check, f"metric-storage is at {client.endpoint}")
            check = "metrics"
            client.query_vector("vector(1)")
            for metric in metrics:
                yield _check_metric(client, metric)
    except (MetricsError, MigrateError) as error:
        yield explain(check, error)


def _check_metric(client: MetricsClient, metric: str) -> Finding:
    counted = client.query_vector(promql.aggregate("count", promql.selector(metric))).one_or_none()
    if counted is None:
        return wrong("metrics", f"{metric} has no series now", "see that its name in metrics.yml is right")
    return good("metrics", f"{metric} has {counted.value:g} series")


def _metrics(layers: Layers) -> list[str]:
    """The metrics of metrics.yml: keys, without the alternative name behind ``@#``."""
    found = layers.find("collect", "metrics_conf")
    path = Path(found.value if found else _METRICS)
    try:
        content = yaml.safe_load(path.read_bytes())
        return sorted({str(key).partition("@#")[0] for key in content["metrics"]})
    except OSError as error:
        raise explained(path, "cannot be read", error) from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise MigrateError(f"{path}: is no metrics.yml; see [collect] metrics_conf") from error

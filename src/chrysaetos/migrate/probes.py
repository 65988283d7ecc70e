"""Check the gateway, the roles of the service's user, and the labels and metrics of hosts and servers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from chrysaetos.client import MetricsClient, errors, promql
from chrysaetos.findings import Finding, failed, ok, warning
from chrysaetos.migrate.clouds import Identity, open_session
from chrysaetos.migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from keystoneauth1.session import Session

    from chrysaetos.migrate.nova import Nova

__all__ = [
    "MAX_HOSTS",
    "MAX_SERVERS",
    "check_gateway",
    "check_hosts",
    "check_metrics",
    "check_roles",
    "check_servers",
    "explain_failure",
]

MAX_HOSTS = 2000
"""The maximum number of hypervisors to compare."""

MAX_SERVERS = 50
"""The maximum number of servers to compare."""

_MAX_NAMES = 5
"""The maximum number of names in a message."""

_ROLES = {"admin", "service"}

_REGISTER = (
    "openstack service create --name aetos metric-storage; openstack endpoint create metric-storage public "
    "URL; or set [{section}] interface, region_name"
)
_GRANT = "assign the role: openstack role add --user USER --project PROJECT service"
_REMEDIES = (
    (errors.NotRegistered, _REGISTER),
    (errors.Unauthorized, "check the user, its password and the gateway's [keystone_authtoken]"),
    (errors.Forbidden, _GRANT),
    (errors.Unreachable, "check that the gateway is running, and that it can be reached from here"),
    (errors.NotPrometheus, "check that the endpoint in the catalog is that of the gateway"),
)


def explain_failure(check: str, error: errors.MetricsError | MigrateError, section: str) -> Finding:
    """Return the finding for a failed check, with a remedy.

    Args:
        check: the check's name.
        error: the failure.
        section: the section with the interface and the region of the gateway's endpoint.
    """
    if isinstance(error, MigrateError):
        found, _, remedy = str(error).rpartition("; ")
        return failed(check, found or remedy, remedy if found else "")
    remedy = next(
        (text for kind, text in _REMEDIES if isinstance(error, kind)), "check the log of the gateway"
    )
    return failed(check, error.message, remedy.format(section=section))


def check_gateway(
    configuration: Callable[[], Any],
    group: str,
    checks: Callable[[MetricsClient, Session], Iterable[Finding]],
    *,
    section: str,
    interface: str,
    region: str | None,
) -> Iterator[Finding]:
    """Authenticate, find the gateway, and run checks; stop at the first failure.

    Args:
        configuration: returns the configuration of the service, of ``read_conf``.
        group: the section with the credentials.
        checks: the checks of the gateway.
        section: the section with the interface and the region.
        interface: the interface of the gateway's endpoint.
        region: the region of the gateway's endpoint, None for any.
    """
    check = "credentials"
    try:
        session = open_session(configuration(), group)
        identity = Identity(session, group)
        yield ok(check, f"Keystone issues a token for [{group}]")
        yield check_roles(identity)
        check = "catalog"
        with MetricsClient(session, interface, region) as client:
            yield ok(check, f"metric-storage is at {client.endpoint}")
            check = "metrics"
            yield from checks(client, session)
    except (errors.MetricsError, MigrateError) as error:
        yield explain_failure(check, error, section)


def check_roles(identity: Identity) -> Finding:
    """Check that the user may read the metrics of all projects."""
    roles = ", ".join(sorted(identity.roles)) or "none"
    user = f"{identity.user} in project {identity.project or '(none)'}"
    if _ROLES.isdisjoint(identity.roles):
        return failed(
            "roles",
            f"{user} has the roles: {roles}",
            f"openstack role add --user {identity.user} --project {identity.project or 'PROJECT'} service",
        )
    return ok("roles", f"{user}: {roles}")


def check_hosts(client: MetricsClient, nova: Nova, label: str) -> Finding:
    """Check that each host has an active target with the label that Watcher uses.

    Watcher accepts the host's name as the value, or a name that begins with it (``foo`` for
    ``foo.example.com``).

    Args:
        client: the client of the gateway.
        nova: Nova, which has the hosts.
        label: ``[aetos_client] fqdn_label``.

    Raises:
        MetricsError, MigrateError: a request failed.
    """
    targets = [target.get("labels", {}) for target in client.targets("active")["activeTargets"]]
    values = {labels[label] for labels in targets if labels.get(label)}
    hosts = nova.hosts(MAX_HOSTS)
    if not hosts:
        return warning("hosts", "Nova has no hypervisor", "check the region")
    short = Counter(value.partition(".")[0] for value in values if "." in value)
    missing = [host for host in hosts if host not in values and host not in short]
    ambiguous = sorted(host for host in hosts if host not in values and short[host] > 1)
    if len(missing) == len(hosts):
        other = _label_with(hosts, targets, "fqdn")
        return failed(
            "hosts",
            f"none of {len(hosts)} hosts is a value of the label {label} of {len(targets)} active targets",
            f"set [aetos_client] fqdn_label = {other}, which has the hosts"
            if other
            else f"add the label {label} with the host's name ({_few(hosts)}) to node_exporter's targets",
        )
    if missing:
        return warning(
            "hosts",
            f"{len(missing)} of {len(hosts)} hosts have no active target with the label {label}: "
            + _few(missing),
            "strategies have no metrics for them: add targets, or disable their compute services",
        )
    if ambiguous:
        return warning(
            "hosts",
            f"several values of {label} begin with the name of a host: {_few(ambiguous)}",
            "use Nova's host names as values of the label",
        )
    return ok("hosts", f"{len(hosts)} hosts have an active target with the label {label}")


def check_servers(client: MetricsClient, nova: Nova, label: str, metric: str) -> Finding:
    """Check that servers have metrics with the label that Watcher uses.

    Args:
        client: the client of the gateway.
        nova: Nova, which has the servers.
        label: ``[aetos_client] instance_uuid_label``.
        metric: the name of the CPU metric, which each running server has.

    Raises:
        MetricsError, MigrateError: a request failed.
    """
    servers = nova.servers(MAX_SERVERS)
    if not servers:
        return ok("instances", "no server is running; nothing to compare")
    found = set(_existing_values(client, metric, label, servers))
    missing = [server for server in servers if server not in found]
    if len(missing) == len(servers):
        other = _label_with(servers, _series(client, metric), "resource")
        return failed(
            "instances",
            f"none of {len(servers)} servers is a value of the label {label} of {metric}",
            f"set [aetos_client] instance_uuid_label = {other}, which has the servers"
            if other
            else f"check that Prometheus has Ceilometer's metrics, and that {label} has the server's UUID",
        )
    if missing:
        return warning(
            "instances",
            f"{len(missing)} of {len(servers)} servers have no {metric} with the label {label}: "
            + _few(missing),
            "strategies have no metrics for them: check that Ceilometer polls their hosts",
        )
    return ok("instances", f"{len(servers)} servers have {metric} with the label {label}")


def check_metrics(
    client: MetricsClient, nova: Nova, labels: Mapping[str, str], metrics: Mapping[str, str], period: int
) -> Iterable[Finding]:
    """Query the metrics of Watcher's strategies for the existing hosts and servers.

    Args:
        client: the client of the gateway.
        nova: Nova, which has the hosts and servers.
        labels: ``fqdn_label`` and ``instance_uuid_label``.
        metrics: the names of the metrics, from ``metric_names``.
        period: Watcher's look-back time in seconds.

    Raises:
        MetricsError, MigrateError: a request failed.
    """
    hosts, servers = nova.hosts(MAX_HOSTS), nova.servers(MAX_SERVERS)
    fqdn, uuid = labels["fqdn_label"], labels["instance_uuid_label"]
    queries: list[tuple[str, str, promql.Expression, list[str]]] = []
    if hosts:
        idle = promql.selector(metrics["host_cpu_usage"], {"mode": "idle"}, range=period)
        memory = promql.selector(metrics["host_ram_usage"])
        queries += [
            ("host CPU", fqdn, promql.call("rate", idle), hosts),
            ("host RAM", fqdn, memory, hosts),
        ]
    else:
        yield warning("hosts", "Nova has no hypervisor", "check the region")
    if servers:
        matcher = promql.one_of(uuid, servers)
        cpu = promql.selector(metrics["instance_cpu_usage"], matcher, range=period)
        memory = promql.selector(metrics["instance_ram_usage"], matcher)
        queries += [
            ("instance CPU", uuid, promql.call("rate", cpu), servers),
            ("instance RAM", uuid, memory, servers),
        ]
    else:
        yield ok("instances", "no server is running; nothing to query")
    for check, label, expression, names in queries:
        vector = client.query_vector(promql.aggregate("count", expression, by=[label]))
        values = {sample.labels.get(label, "") for sample in vector}
        values |= {value.partition(".")[0] for value in values}
        present = [name for name in names if name in values]
        text = f"{len(present)} of {len(names)} have data with the label {label}"
        if present:
            yield (
                ok(check, text)
                if len(present) == len(names)
                else warning(
                    check, text, f"without data: {_few([name for name in names if name not in values])}"
                )
            )
        else:
            yield failed(
                check,
                text,
                f"check the result of {expression}: openstack metric instant, or chrysaetos query",
            )


def _existing_values(client: MetricsClient, metric: str, label: str, values: Sequence[str]) -> Iterable[str]:
    """Return the given values that a label of a metric has."""
    selector = promql.selector(metric, promql.one_of(label, values))
    vector = client.query_vector(promql.aggregate("count", selector, by=[label]))
    return (sample.labels.get(label, "") for sample in vector)


def _series(client: MetricsClient, metric: str) -> list[dict[str, str]]:
    """Return the labels of some series of a metric."""
    return [
        sample.labels
        for sample in client.query_vector(promql.aggregate("topk", promql.selector(metric), parameter=100))
    ]


def _label_with(names: Collection[str], labelled: Iterable[Mapping[str, str]], usual: str) -> str | None:
    """Return the label that most often has one of the names, or begins with one; if tied, the usual one."""
    expected = set(names)
    counts: Counter[str] = Counter()
    for labels in labelled:
        counts.update(
            key for key, value in labels.items() if value in expected or value.partition(".")[0] in expected
        )
    return max(counts, key=lambda label: (counts[label], label == usual), default=None)


def _few(names: Sequence[str]) -> str:
    """Return the first names for a message."""
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")

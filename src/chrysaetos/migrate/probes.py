"""What Watcher will meet: its roles, and whether hosts and servers are known by their labels."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from chrysaetos.client import errors, promql
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.findings import Finding, failed, good, wrong

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from chrysaetos.client import MetricsClient
    from chrysaetos.migrate.clouds import Identity
    from chrysaetos.migrate.nova import Nova

__all__ = ["HOSTS", "SERVERS", "check_hosts", "check_metrics", "check_roles", "check_servers", "explain"]

HOSTS = 2000
"""Hypervisors that are compared at most."""

SERVERS = 50
"""Servers that are compared at most."""

_NAMED = 5
"""Names that a message holds at most."""

_ROLES = {"admin", "service"}

_REGISTER = (
    "openstack service create --name aetos metric-storage; openstack endpoint create metric-storage public "
    "URL; or set [aetos_client] interface, region_name"
)
_GRANT = "give the user the role: openstack role add --user USER --project PROJECT service"
_REMEDIES = (
    (errors.NotRegistered, _REGISTER),
    (errors.Unauthorized, "see that the user, its password and the gateway's [keystone_authtoken] are right"),
    (errors.Forbidden, _GRANT),
    (errors.Unreachable, "see that the gateway runs, and that its address can be reached from here"),
    (errors.NotPrometheus, "see that the endpoint in the catalog is that of the gateway"),
)


def explain(check: str, error: errors.MetricsError | MigrateError) -> Finding:
    """What failed, a call of the gateway or something before it, with what to do."""
    if isinstance(error, MigrateError):
        found, _, remedy = str(error).rpartition("; ")
        return failed(check, found or remedy, remedy if found else "")
    remedy = next((text for kind, text in _REMEDIES if isinstance(error, kind)), "see the log of the gateway")
    return failed(check, error.message, remedy)


def check_roles(identity: Identity) -> Finding:
    """Whether the user may read the metrics of all projects."""
    roles = ", ".join(sorted(identity.roles)) or "none"
    who = f"{identity.user} in project {identity.project or '(none)'}"
    if _ROLES.isdisjoint(identity.roles):
        return failed(
            "roles",
            f"{who} has the roles: {roles}",
            f"openstack role add --user {identity.user} --project {identity.project or 'PROJECT'} service",
        )
    return good("roles", f"{who}: {roles}")


def check_hosts(client: MetricsClient, nova: Nova, label: str) -> Finding:
    """Whether each host has an active target with the label that Watcher looks for.

    Watcher takes a value that is the host's name, or that begins with it (`foo` for ``foo.example.com``).

    Args:
        client: the gateway's.
        nova: knows the hosts.
        label: ``[aetos_client] fqdn_label``.

    Raises:
        MetricsError, MigrateError: one of them does not answer.
    """
    targets = [target.get("labels", {}) for target in client.targets("active")["activeTargets"]]
    values = {labels[label] for labels in targets if labels.get(label)}
    hosts = nova.hosts(HOSTS)
    if not hosts:
        return wrong("hosts", "Nova knows no hypervisor", "see that this is the right region")
    short = Counter(value.partition(".")[0] for value in values if "." in value)
    missing = [host for host in hosts if host not in values and host not in short]
    twice = sorted(host for host in hosts if host not in values and short[host] > 1)
    if len(missing) == len(hosts):
        other = _label_with(hosts, targets, "fqdn")
        return failed(
            "hosts",
            f"none of {len(hosts)} hosts is a value of the label {label} of {len(targets)} active targets",
            f"set [aetos_client] fqdn_label = {other}, which has them"
            if other
            else f"give the targets of node_exporter the label {label} with the host's name ({_few(hosts)})",
        )
    if missing:
        return wrong(
            "hosts",
            f"{len(missing)} of {len(hosts)} hosts have no active target by the label {label}: "
            + _few(missing),
            "strategies do not see them: add targets, or disable their compute services",
        )
    if twice:
        return wrong(
            "hosts",
            f"several values of {label} begin with the name of a host: {_few(twice)}",
            "make the label's values the names that Nova has",
        )
    return good("hosts", f"{len(hosts)} hosts have an active target with the label {label}")


def check_servers(client: MetricsClient, nova: Nova, label: str, metric: str) -> Finding:
    """Whether servers are known to Prometheus by the label that Watcher looks for.

    Args:
        client: the gateway's.
        nova: knows the servers.
        label: ``[aetos_client] instance_uuid_label``.
        metric: the name of the CPU metric, which each running server has.

    Raises:
        MetricsError, MigrateError: one of them does not answer.
    """
    servers = nova.servers(SERVERS)
    if not servers:
        return good("instances", "no server runs; nothing to compare")
    found = set(_known(client, metric, label, servers))
    missing = [server for server in servers if server not in found]
    if len(missing) == len(servers):
        other = _label_with(servers, _series(client, metric), "resource")
        return failed(
            "instances",
            f"none of {len(servers)} servers is a value of the label {label} of {metric}",
            f"set [aetos_client] instance_uuid_label = {other}, which has them"
            if other
            else f"see that Ceilometer's metrics reach Prometheus, and that {label} holds the server's UUID",
        )
    if missing:
        return wrong(
            "instances",
            f"{len(missing)} of {len(servers)} servers have no {metric} by the label {label}: "
            + _few(missing),
            "strategies do not see them: see whether their hosts are polled",
        )
    return good("instances", f"{len(servers)} servers have {metric} by the label {label}")


def check_metrics(
    client: MetricsClient, nova: Nova, labels: Mapping[str, str], metrics: Mapping[str, str], period: int
) -> Iterable[Finding]:
    """Ask for what strategies ask for, for real hosts and servers.

    Args:
        client: the gateway's.
        nova: knows the hosts and servers.
        labels: ``fqdn_label`` and ``instance_uuid_label``.
        metrics: of `metric_names`.
        period: seconds that Watcher looks back.

    Raises:
        MetricsError, MigrateError: one of them does not answer.
    """
    hosts, servers = nova.hosts(HOSTS), nova.servers(SERVERS)
    fqdn, uuid = labels["fqdn_label"], labels["instance_uuid_label"]
    asked: list[tuple[str, str, promql.Expression, list[str]]] = []
    if hosts:
        idle = promql.selector(metrics["host_cpu_usage"], {"mode": "idle"}, range=period)
        memory = promql.selector(metrics["host_ram_usage"])
        asked += [
            ("host CPU", fqdn, promql.call("rate", idle), hosts),
            ("host RAM", fqdn, memory, hosts),
        ]
    else:
        yield wrong("hosts", "Nova knows no hypervisor", "see that this is the right region")
    if servers:
        these = promql.one_of(uuid, servers)
        cpu = promql.selector(metrics["instance_cpu_usage"], these, range=period)
        memory = promql.selector(metrics["instance_ram_usage"], these)
        asked += [
            ("instance CPU", uuid, promql.call("rate", cpu), servers),
            ("instance RAM", uuid, memory, servers),
        ]
    else:
        yield good("instances", "no server runs; nothing to ask for")
    for check, label, expression, names in asked:
        answer = client.query_vector(promql.aggregate("count", expression, by=[label]))
        values = {sample.labels.get(label, "") for sample in answer}
        values |= {value.partition(".")[0] for value in values}
        seen = [name for name in names if name in values]
        text = f"{len(seen)} of {len(names)} by the label {label} have data"
        if seen:
            yield (
                good(check, text)
                if len(seen) == len(names)
                else wrong(
                    check, text, f"without data: {_few([name for name in names if name not in values])}"
                )
            )
        else:
            yield failed(
                check, text, f"see what {expression} gives: openstack metric query, or chrysaetos' client"
            )


def _known(client: MetricsClient, metric: str, label: str, values: Sequence[str]) -> Iterable[str]:
    """Those of the values that a label of a metric has."""
    selector = promql.selector(metric, promql.one_of(label, values))
    answer = client.query_vector(promql.aggregate("count", selector, by=[label]))
    return (sample.labels.get(label, "") for sample in answer)


def _series(client: MetricsClient, metric: str) -> list[dict[str, str]]:
    """The labels of some series of a metric."""
    return [
        sample.labels
        for sample in client.query_vector(promql.aggregate("topk", promql.selector(metric), parameter=100))
    ]


def _label_with(names: Collection[str], labelled: Iterable[Mapping[str, str]], usual: str) -> str | None:
    """The label that most often has one of the names, or a name that begins with one; of equals the usual."""
    wanted = set(names)
    seen: Counter[str] = Counter()
    for labels in labelled:
        seen.update(
            key for key, value in labels.items() if value in wanted or value.partition(".")[0] in wanted
        )
    return max(seen, key=lambda label: (seen[label], label == usual), default=None)


def _few(names: Sequence[str]) -> str:
    """Some names for a message."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")

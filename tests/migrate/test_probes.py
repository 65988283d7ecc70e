"""Checks of roles, of the labels of hosts and servers, and of metrics."""

from types import SimpleNamespace

import pytest

from chrysaetos.client import MetricsClient, errors
from chrysaetos.findings import Status
from chrysaetos.migrate.metric_map import METRICS
from chrysaetos.migrate.nova import Nova
from chrysaetos.migrate.probes import (
    MAX_SERVERS,
    check_hosts,
    check_metrics,
    check_roles,
    check_servers,
    explain_failure,
)

LABELS = {"fqdn_label": "fqdn", "instance_uuid_label": "resource"}


class Metrics(MetricsClient):
    """A client with active targets, and with results for queries that contain a text."""

    def __init__(self, targets=(), answers=None):
        self._targets = targets
        self._answers = answers or {}
        self.queries = []

    def targets(self, state="any", **_options):
        assert state == "active"
        return {"activeTargets": [{"labels": labels} for labels in self._targets], "droppedTargets": []}

    def query_vector(self, query, *_arguments, **_options):
        self.queries.append(str(query))
        found = next((labels for text, labels in self._answers.items() if text in query), ())
        return [SimpleNamespace(labels=labels) for labels in found]


class Cloud(Nova):
    """Nova."""

    def __init__(self, hosts=(), servers=()):
        self._hosts, self._servers = list(hosts), list(servers)

    def hosts(self, limit):
        return self._hosts[:limit]

    def servers(self, limit):
        return self._servers[:limit]


def identity(*roles):
    return SimpleNamespace(user="watcher", project="service", roles=roles)


@pytest.mark.parametrize("role", ["admin", "service"])
def test_roles_with_access_to_all_projects(role):
    assert check_roles(identity("reader", role)).status is Status.OK


def test_other_roles_fail():
    found = check_roles(identity("reader", "member"))
    assert found.status is Status.FAILED
    assert "member, reader" in found.found
    assert found.remedy == "openstack role add --user watcher --project service service"


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (["a", "b"], Status.OK),
        (["a.example.com", "b.example.com", "c"], Status.OK),
        (["a.example.com", "a.example.org", "b"], Status.WARNING),
        (["a"], Status.WARNING),
        (["c.a", "ab"], Status.FAILED),
        ([], Status.FAILED),
    ],
)
def test_hosts_are_matched_by_their_full_or_short_name(values, status):
    client = Metrics([{"fqdn": value, "job": "node"} for value in values] + [{"job": "other"}])
    found = check_hosts(client, Cloud(["a", "b"]), "fqdn")
    assert found.status is status, found
    assert bool(found.remedy) is (status is not Status.OK)


def test_a_full_host_name_is_not_matched_by_a_short_label():
    found = check_hosts(Metrics([{"fqdn": "a"}]), Cloud(["a.example.com"]), "fqdn")
    assert found.status is Status.FAILED


def test_the_label_with_the_hosts_is_suggested():
    client = Metrics(
        [{"job": "node", "nodename": f"{host}.example.com", "instance": "10.0.0.1:9100"} for host in "ab"]
    )
    found = check_hosts(client, Cloud(["a", "b"]), "fqdn")
    assert found.remedy == "set [aetos_client] fqdn_label = nodename, which has the hosts"


def test_a_long_list_of_hosts_is_shortened():
    hosts = [f"compute-{number}" for number in range(9)]
    found = check_hosts(Metrics([{"fqdn": "compute-0"}]), Cloud(hosts), "fqdn")
    assert found.found.startswith("8 of 9 hosts")
    assert found.found.endswith("compute-5 and 3 more")


def test_no_hosts():
    assert check_hosts(Metrics(), Cloud(), "fqdn").status is Status.WARNING


def test_servers_are_queried_by_uuid_in_one_limited_query():
    servers = [f"uuid-{number}" for number in range(MAX_SERVERS + 10)]
    client = Metrics(answers={"ceilometer_cpu": [{"resource": uuid} for uuid in servers]})
    found = check_servers(client, Cloud(servers=servers), "resource", "ceilometer_cpu")
    assert found.status is Status.OK
    assert len(client.queries) == 1
    assert 'ceilometer_cpu{resource=~"' in client.queries[0]
    assert f"uuid-{MAX_SERVERS - 1}" in client.queries[0]
    assert f"uuid-{MAX_SERVERS}" not in client.queries[0]


def test_some_or_no_servers_without_metrics():
    client = Metrics(answers={"ceilometer_cpu{": [{"resource": "x"}], "topk": [{"vm": "y", "resource": "-"}]})
    some = check_servers(client, Cloud(servers=["x", "y"]), "resource", "ceilometer_cpu")
    assert (some.status, "1 of 2" in some.found) == (Status.WARNING, True)
    client = Metrics(answers={"topk": [{"vm": "y", "resource": "-"}]})
    none = check_servers(client, Cloud(servers=["x", "y"]), "resource", "ceilometer_cpu")
    assert none.status is Status.FAILED
    assert none.remedy == "set [aetos_client] instance_uuid_label = vm, which has the servers"
    nothing = check_servers(Metrics(), Cloud(servers=["x"]), "resource", "ceilometer_cpu")
    assert "that Prometheus has" in nothing.remedy
    assert check_servers(Metrics(), Cloud(), "resource", "ceilometer_cpu").status is Status.OK


def test_metrics_of_existing_hosts_and_servers_are_queried():
    client = Metrics(
        answers={
            "node_cpu": [{"fqdn": "a.example.com"}, {"fqdn": "b"}],
            "node_memory": [{"fqdn": "b"}],
            "ceilometer_cpu": [{"resource": "x"}],
        }
    )
    found = list(check_metrics(client, Cloud(["a", "b"], ["x"]), LABELS, METRICS, 300))
    assert [(f.check, f.status) for f in found] == [
        ("host CPU", Status.OK),
        ("host RAM", Status.WARNING),
        ("instance CPU", Status.OK),
        ("instance RAM", Status.FAILED),
    ]
    assert "[300s]" in client.queries[0]
    assert len(client.queries) == 4


def test_no_queries_without_hosts_and_servers():
    client = Metrics()
    found = list(check_metrics(client, Cloud(), LABELS, METRICS, 300))
    assert [(f.check, f.status) for f in found] == [("hosts", Status.WARNING), ("instances", Status.OK)]
    assert client.queries == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.NotRegistered("none"), "openstack endpoint create"),
        (errors.Unauthorized("no"), "password"),
        (errors.Forbidden("no"), "openstack role add"),
        (errors.Unreachable("no"), "the gateway is running"),
        (errors.NotPrometheus("no"), "the endpoint in the catalog"),
        (errors.ServerError("no"), "the log of the gateway"),
    ],
)
def test_each_error_has_its_remedy(error, message):
    found = explain_failure("catalog", error, "collector_aetos")
    assert found.status is Status.FAILED
    assert found.found == error.message
    assert message in found.remedy


def test_the_remedy_names_the_section_of_the_service():
    found = explain_failure("catalog", errors.NotRegistered("none"), "collector_aetos")
    assert found.remedy.endswith("or set [collector_aetos] interface, region_name")

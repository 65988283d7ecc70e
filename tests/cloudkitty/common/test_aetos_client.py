from __future__ import annotations

import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneauth1.noauth import NoAuth
from oslo_config import cfg
from tests.cloudkitty.conftest import Prometheus, item, limit
from tests.fakes.keystone import FakeKeystone
from tests.fakes.metrics_server import failed

from chrysaetos.cloudkitty.common import aetos_client
from chrysaetos.cloudkitty.common.aetos_client import AetosClient
from chrysaetos.cloudkitty.common.prometheus_client_base import NotPrivilegedError, PrometheusResponseError

ADAPTER = {"interface": "public", "region_name": None, "service_type": "metric-storage"}


@pytest.fixture
def client(prometheus: Prometheus) -> AetosClient:
    return AetosClient(session.Session(NoAuth(prometheus.url)), ADAPTER, timeout=5)


def test_a_complete_result_without_the_guard(client: AetosClient, prometheus: Prometheus):
    prometheus.items = [item("1", project_id="a")]
    assert client.get_instant("cpu")["data"]["result"] == prometheus.items
    assert prometheus.queries[0].startswith("(cpu) or absent(cpu{")


@pytest.mark.parametrize("tenant_label", ["project_id", "project", "tenant"])
def test_credentials_without_access_to_all_projects_are_rejected(
    client, prometheus: Prometheus, tenant_label: str
):
    prometheus.visible_project, prometheus.tenant_label = "reader-project", tenant_label
    with pytest.raises(NotPrivilegedError):
        client.get_instant("cpu")


def test_lost_access_is_detected_by_the_next_query(client: AetosClient, prometheus: Prometheus):
    client.get_instant("cpu")
    prometheus.visible_project = "reader-project"
    with pytest.raises(NotPrivilegedError):
        client.get_instant("cpu")


@pytest.mark.parametrize(("query", "message"), [("sum(", "1:5"), ("scalar(cpu)", "scalar")])
def test_invalid_queries(client: AetosClient, prometheus: Prometheus, query: str, message: str):
    with pytest.raises(PrometheusResponseError, match=message):
        client.get_instant(query)
    assert prometheus.requests == []


def test_errors_have_the_message_of_the_gateway(client: AetosClient, prometheus: Prometheus):
    prometheus.first_replies = [failed(403, "forbidden", "the policy does not allow telemetry:query")]
    with pytest.raises(PrometheusResponseError, match="does not allow telemetry:query"):
        client.get_instant("cpu")


def test_connections_are_reused(client: AetosClient, prometheus: Prometheus):
    for _ in range(5):
        client.get_instant("cpu")
    assert prometheus.connections == 1


def test_a_gateway_that_is_down():
    with pytest.raises(PrometheusResponseError, match=r"127\.0\.0\.1:9"):
        AetosClient(session.Session(NoAuth("http://127.0.0.1:9")), ADAPTER, timeout=1).get_instant("cpu")


def test_errors_have_the_message_of_keystone():
    keystone = FakeKeystone()
    try:
        auth = v3.Password(
            f"{keystone.url}/v3",
            username="nobody",
            password="wrong",
            user_domain_name="D",
            project_name="p",
            project_domain_name="D",
        )
        with pytest.raises(PrometheusResponseError, match="requires authentication"):
            AetosClient(session.Session(auth), ADAPTER, timeout=5).get_instant("cpu")
    finally:
        keystone.stop()


def test_the_client_of_a_section(through: cfg.ConfigOpts, prometheus: Prometheus):
    through.set_override("timeout", 2, "collector_aetos")
    aetos_client.connect(through, "collector_aetos", "project_id").get_instant("cpu")
    assert 1 < limit(prometheus.requests[0]) < 2


def test_the_default_time_limit(through: cfg.ConfigOpts, prometheus: Prometheus):
    aetos_client.connect(through, "collector_aetos", "project_id").get_instant("cpu")
    assert 50 < limit(prometheus.requests[0]) < 60


def test_a_section_without_credentials_is_rejected(through: cfg.ConfigOpts):
    through.set_override("auth_type", None, "collector_aetos")
    with pytest.raises(cfg.RequiredOptError, match=r"auth_type in group .?collector_aetos"):
        aetos_client.connect(through, "collector_aetos", "project_id")

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.fakes.metrics_server import MetricsServer
from tests.watcher.answers import INSTANCE, answering, vector
from tests.watcher.conftest import clients_of, needs_aetos
from watcher.common import exception

from chrysaetos.watcher.connection import RequestFailed
from chrysaetos.watcher.datasource import AetosDatasource, PrometheusDatasource

if TYPE_CHECKING:
    from pathlib import Path

    from oslo_config.fixture import Config

pytestmark = pytest.mark.usefixtures("conf")


def test_prometheus_is_configured_by_its_section(conf: Config) -> None:
    conf.config(group="prometheus_client", username="watcher", password="secret", fqdn_label="node")
    with MetricsServer(answering(vector(("node", "a.example", "4")))) as server:
        host, port = server.url.removeprefix("http://").split(":")
        conf.config(group="prometheus_client", host=host, port=int(port))
        ours = PrometheusDatasource()
        assert ours.get_instance_ram_usage(INSTANCE) is None
        assert {request.headers["authorization"] for request in server.requests} == {
            "Basic d2F0Y2hlcjpzZWNyZXQ=",
        }
        assert ours.prometheus.endpoint == server.url


def test_prometheus_needs_a_host(conf: Config) -> None:
    conf.config(group="prometheus_client", host=None)
    with pytest.raises(exception.MissingParameter, match="host must be set"):
        PrometheusDatasource()


def test_prometheus_with_a_ca_uses_tls(conf: Config, tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    conf.config(group="prometheus_client", host="::1", port=1, cafile=str(missing))
    with pytest.raises(RequestFailed, match="Prometheus: "):
        PrometheusDatasource()


@needs_aetos
@pytest.mark.parametrize("interface", ["internal", "internalURL"])
def test_the_interface_may_have_the_suffix_url(conf: Config, interface: str) -> None:
    conf.config(group="aetos_client", interface=interface)
    with MetricsServer(answering(vector())) as server:
        assert AetosDatasource(clients_of(server.url))._endpoint.interface == "internal"

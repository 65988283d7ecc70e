from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chrysaetos.cloudkitty.collector.prometheus import PrometheusCollector
from chrysaetos.cloudkitty.common.prometheus_client import PrometheusClient

if TYPE_CHECKING:
    from tests.cloudkitty.conftest import Prometheus


@pytest.mark.usefixtures("direct")
def test_it_queries_the_configured_server(prometheus: Prometheus):
    made = PrometheusCollector(period=3600, conf={"metrics": {"cpu": {"unit": "vcpu"}}})
    assert made.collector_name == "prometheus"
    assert isinstance(made._conn, PrometheusClient)
    assert made._conn.url == f"{prometheus.url}/api/v1"

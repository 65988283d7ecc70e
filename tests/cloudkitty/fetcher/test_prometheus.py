from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chrysaetos.cloudkitty.fetcher.prometheus import PrometheusFetcher

if TYPE_CHECKING:
    from tests.cloudkitty.conftest import Prometheus


@pytest.mark.usefixtures("direct")
def test_it_queries_the_configured_server(prometheus: Prometheus):
    made = PrometheusFetcher()
    assert made.name == "prometheus"
    made.get_tenants()
    assert prometheus.requests[0].path == "/api/v1/query"


def test_without_look_back_the_request_is_that_of_cloudkittys_specification(direct, prometheus: Prometheus):
    for name, value in {
        "metric": "container_memory_usage_bytes",
        "scope_attribute": "namespace",
        "filters": {"label1": "foo", "label2": "bar"},
        "look_back": 0,
    }.items():
        direct.set_override(name, value, "fetcher_prometheus")
    PrometheusFetcher().get_tenants()
    assert prometheus.queries == [
        'max(container_memory_usage_bytes{label1="foo", label2="bar"}) by (namespace)'
    ]
    assert prometheus.requests[0].line == (
        "/api/v1/query?query=max%28container_memory_usage_bytes%7Blabel1%3D%22foo%22%2C%20label2%3D%22bar%22%7D"
        "%29%20by%20%28namespace%29"
    )

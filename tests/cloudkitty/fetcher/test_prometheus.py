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

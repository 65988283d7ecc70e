from __future__ import annotations

import pytest
from oslo_config import cfg
from tests.cloudkitty.conftest import Prometheus, item

from chrysaetos.cloudkitty.fetcher.aetos import AetosFetcher, PrometheusFetcherError

pytestmark = pytest.mark.usefixtures("through")


def test_it_queries_the_gateway(prometheus: Prometheus):
    prometheus.items = [item("1", project_id="a"), item("1", project_id="b")]
    made = AetosFetcher()
    assert made.name == "aetos"
    assert sorted(made.get_tenants()) == ["a", "b"]


@pytest.mark.parametrize("label", ["project_id", "project", "tenant"])
def test_nothing_is_found_without_access_to_all_projects(prometheus: Prometheus, label: str):
    prometheus.items = [item("1", project_id="a")]
    prometheus.visible_project, prometheus.tenant_label = "a", label
    with pytest.raises(PrometheusFetcherError, match="do not have access to all projects"):
        AetosFetcher().get_tenants()


@pytest.mark.parametrize("option", ["metric", "auth_type"])
def test_required_options(through, option: str):
    through.set_override(option, None, "fetcher_aetos")
    with pytest.raises(cfg.RequiredOptError, match=option):
        AetosFetcher()

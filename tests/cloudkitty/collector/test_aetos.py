from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cloudkitty.collector.exceptions import CollectError
from oslo_config import cfg
from tests.cloudkitty.conftest import Prometheus, item

from chrysaetos.cloudkitty.collector.aetos import AetosCollector
from chrysaetos.cloudkitty.collector.prometheus import PrometheusCollector

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
END = START + timedelta(hours=1)
pytestmark = pytest.mark.usefixtures("through")

CONF = {"metrics": {"cpu": {"unit": "vcpu", "extra_args": {"range_function": "increase"}}}}


def test_it_queries_the_gateway(prometheus: Prometheus):
    prometheus.items = [item("2", project_id="a")]
    made = AetosCollector(period=3600, conf=CONF)
    assert made.collector_name == "aetos"
    name, (point,) = made.retrieve("cpu", START, END, "a")
    assert (name, point.qty) == ("cpu", 2)


@pytest.mark.parametrize("label", ["project_id", "project", "tenant"])
def test_nothing_is_collected_without_access_to_all_projects(prometheus: Prometheus, label: str):
    # Not even the visible scope is rated: it would be billed, but no other.
    prometheus.items = [item("2", project_id="a")]
    prometheus.visible_project, prometheus.tenant_label = "a", label
    with pytest.raises(CollectError, match="do not have access to all projects"):
        AetosCollector(period=3600, conf=CONF).retrieve("cpu", START, END, "b")


def test_it_does_not_start_without_credentials(through):
    through.set_override("auth_type", None, "collector_aetos")
    with pytest.raises(cfg.RequiredOptError, match="auth_type"):
        AetosCollector(period=3600, conf=CONF)


def test_metrics_yml_is_the_same_for_both_collectors():
    assert AetosCollector.check_configuration(CONF) == PrometheusCollector.check_configuration(CONF)


def test_nothing_is_collected_if_data_are_missing(through: cfg.ConfigOpts, prometheus: Prometheus):
    prometheus.items = [item("2", project_id="a")]
    prometheus.annotations = {"warnings": ["a store did not answer"]}
    with pytest.raises(CollectError, match="a store did not answer"):
        AetosCollector(period=3600, conf=CONF).retrieve("cpu", START, END, "a")
    through.set_override("allow_partial", True, "collector_aetos")
    _, (point,) = AetosCollector(period=3600, conf=CONF).retrieve("cpu", START, END, "a")
    assert point.qty == 2

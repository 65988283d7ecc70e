from __future__ import annotations

import pytest

from chrysaetos.client import promql
from chrysaetos.promql.parser import parse
from chrysaetos.watcher.queries import AGGREGATES, Reading, expression, instance_cpu_percent

ALL_HOSTS = promql.not_equal("fqdn", "")
ALL_INSTANCES = promql.not_equal("resource", "")

HOST_CPU = ("host_cpu_usage", "node_cpu_seconds_total")
HOST_RAM = ("host_ram_usage", "node_memory_MemAvailable_bytes")
INSTANCE_CPU = ("instance_cpu_usage", "ceilometer_cpu")
INSTANCE_RAM = ("instance_ram_usage", "ceilometer_memory_usage")

MEANS = {
    HOST_CPU: '100 - avg by (fqdn) (rate(node_cpu_seconds_total{mode="idle",fqdn!=""}[600s])) * 100',
    HOST_RAM: '(max by (fqdn) (node_memory_MemTotal_bytes{fqdn!=""}) - '
    'avg by (fqdn) (avg_over_time(node_memory_MemAvailable_bytes{fqdn!=""}[600s]))) / 1024',
    INSTANCE_CPU: 'avg by (resource) (rate(ceilometer_cpu{resource!=""}[600s]))',
    INSTANCE_RAM: 'avg by (resource) (avg_over_time(ceilometer_memory_usage{resource!=""}[600s]))',
}


def query(
    metric: str, meter: str, aggregate: str, period: float = 600, granularity: float | None = 300
) -> str:
    label = "fqdn" if metric.startswith("host") else "resource"
    reading = Reading.create(metric, meter, aggregate, period, granularity)
    return expression(reading, label, promql.not_equal(label, ""))


def same(one: str, other: str) -> bool:
    """Return whether two texts are equal except for white space and parentheses."""
    return "".join(one.split()).replace("(", "").replace(")", "") == "".join(other.split()).replace(
        "(", ""
    ).replace(")", "")


@pytest.mark.parametrize(("metric", "meter"), MEANS)
def test_means_are_grouped_expressions_of_watcher(metric: str, meter: str) -> None:
    assert same(query(metric, meter, "mean"), MEANS[metric, meter])


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize(("metric", "meter"), MEANS)
def test_every_expression_is_valid(metric: str, meter: str, aggregate: str) -> None:
    parse(query(metric, meter, aggregate))


@pytest.mark.parametrize("aggregate", ["min", "max"])
def test_minimum_and_maximum_of_cpu_are_over_time(aggregate: str) -> None:
    mean = 'avg by (resource) (rate(ceilometer_cpu{resource!=""}[300s]))'
    assert same(query(*INSTANCE_CPU, aggregate), f"{aggregate}_over_time({mean}[300s:60s])")


def test_a_window_of_the_whole_period_is_the_mean() -> None:
    for granularity in (None, 0, 300, 900):
        assert query(*INSTANCE_CPU, "max", 300, granularity) == query(*INSTANCE_CPU, "mean", 300)


def test_the_step_does_not_exceed_the_range() -> None:
    assert "[10s:10s]" in query(*INSTANCE_CPU, "max", 310, 300)


def test_maximum_used_memory_is_minimum_free_memory() -> None:
    assert "min by (fqdn) (min_over_time(" in query(*HOST_RAM, "max")
    assert "max by (fqdn) (max_over_time(" in query(*HOST_RAM, "min")


@pytest.mark.parametrize(("metric", "meter"), MEANS)
def test_count_counts_samples(metric: str, meter: str) -> None:
    assert "count_over_time" in query(metric, meter, "count")
    assert "avg" not in query(metric, meter, "count")


def test_a_renamed_meter_keeps_its_metric() -> None:
    assert "rate(my_cpu{" in query("host_cpu_usage", "my_cpu", "mean")
    assert "site_MemTotal_bytes{" in query("host_ram_usage", "site_MemAvailable_bytes", "mean")
    assert "node_memory_MemTotal_bytes{" in query("host_ram_usage", "free_memory", "mean")


def test_any_other_metric_is_a_gauge() -> None:
    assert query("host_power", "ipmi_power_watts", "max") == (
        'max by (fqdn) (max_over_time(ipmi_power_watts{fqdn!=""}[600s]))'
    )


def test_readings_with_the_same_result_are_equal() -> None:
    assert Reading.create(*HOST_CPU, "mean", 300, 60) == Reading.create(*HOST_CPU, "mean", 300, None)
    assert Reading.create(*HOST_RAM, "max", 300, 60) == Reading.create(*HOST_RAM, "max", 300, None)
    assert Reading.create(*HOST_CPU, "max", 300, 60) != Reading.create(*HOST_CPU, "max", 300, None)


def test_cpu_percent_is_at_most_100() -> None:
    assert instance_cpu_percent(1e9, 2) == 50
    assert instance_cpu_percent(9e9, 2) == 100
    assert instance_cpu_percent(0, 2) == 0

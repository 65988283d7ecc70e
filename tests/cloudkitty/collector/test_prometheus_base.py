from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import voluptuous
from cloudkitty import collector as ck_collector
from cloudkitty.collector.exceptions import CollectError
from tests.cloudkitty.conftest import Prometheus, item
from tests.fakes.metrics_server import Reply, failed, success

from chrysaetos.cloudkitty.collector.prometheus import PrometheusCollector
from chrysaetos.promql.parser import parse
from chrysaetos.promql.strings import unquote

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
END = START + timedelta(hours=1)
CPU = {"unit": "vcpu", "groupby": ["vm"], "metadata": ["flavor"]}


@pytest.fixture
def collector(direct):
    """Create a collector; without ``bulk``, it queries each scope separately."""

    def make(metrics=None, *, bulk: bool = True, **options: int) -> PrometheusCollector:
        # The first collector registers the options.
        PrometheusCollector(period=3600, conf={"metrics": {"cpu": CPU}})
        for name, value in {"bulk": bulk, **options}.items():
            direct.set_override(name, value, "collector_chrysaetos")
        return PrometheusCollector(period=3600, conf={"metrics": metrics or {"cpu": CPU}})

    return make


def quantities(points) -> list[Decimal]:
    return [point.qty for point in points]


# -- metrics.yml


@pytest.mark.parametrize("function", ["changes", "delta", "deriv", "idelta", "increase", "irate", "rate"])
def test_range_functions(function: str):
    conf = {"metrics": {"cpu": {**CPU, "extra_args": {"range_function": function}}}}
    checked = PrometheusCollector.check_configuration(conf)
    assert checked["cpu"]["extra_args"]["range_function"] == function


def test_an_unknown_range_function_is_rejected():
    conf = {"metrics": {"cpu": {**CPU, "extra_args": {"range_function": "irange"}}}}
    with pytest.raises(voluptuous.Invalid, match="range_function"):
        PrometheusCollector.check_configuration(conf)


def test_defaults():
    checked = PrometheusCollector.check_configuration({"metrics": {"cpu": CPU}})["cpu"]
    assert checked["extra_args"] == {"aggregation_method": "max", "query_prefix": "", "query_suffix": ""}
    assert checked["groupby"] == ["vm", "project_id"]


# -- queries


def test_one_query_serves_all_scopes(collector, prometheus: Prometheus):
    prometheus.items = [
        item("1", project_id="a", vm="v1", flavor="small"),
        item("2", project_id="b", vm="v2", flavor="small"),
        item("3", project_id="a", vm="v3", flavor="large"),
    ]
    made = collector()
    assert quantities(made.fetch_all("cpu", START, END, "a")) == [1, 3]
    assert quantities(made.fetch_all("cpu", START, END, "b")) == [2]
    assert made.fetch_all("cpu", START, END, "c") == []
    assert prometheus.queries == [
        'max(max_over_time(cpu{project_id!=""}[3600s])) by (vm, project_id, flavor)'
    ]
    assert float(prometheus.requests[0].parameters["time"]) == END.timestamp()


def test_each_period_has_its_own_query(collector, prometheus: Prometheus):
    made = collector()
    made.fetch_all("cpu", START, END, "a")
    made.fetch_all("cpu", END, END + timedelta(hours=1), "a")
    assert len(prometheus.queries) == 2


@pytest.mark.parametrize("extra", [{"query_prefix": "topk(1,", "query_suffix": ")"}, {"query_suffix": "> 0"}])
def test_a_query_that_may_mix_scopes_is_sent_for_each_scope(collector, prometheus: Prometheus, extra):
    made = collector({"cpu": {**CPU, "extra_args": extra}})
    for scope in ("a", "b"):
        made.fetch_all("cpu", START, END, scope)
    assert ['project_id="a"' in query for query in prometheus.queries] == [True, False]
    assert len(prometheus.queries) == 2


def test_an_empty_scope_is_queried_separately(collector, prometheus: Prometheus):
    collector().fetch_all("cpu", START, END, "")
    assert prometheus.queries[0].startswith('max(max_over_time(cpu{project_id=""}')


def test_a_filter_is_part_of_the_query(collector, prometheus: Prometheus):
    collector().fetch_all("cpu", START, END, "a", q_filter={"zone": 'z"'})
    (selector,) = parse(prometheus.queries[0]).selectors
    read = {one.name: unquote(one.raw) for one in selector.matchers}
    assert read == {"project_id": "a", "zone": 'z"'}


def test_a_filter_cannot_change_the_scope(collector, prometheus: Prometheus):
    collector().fetch_all("cpu", START, END, "a", q_filter={"project_id": "b"})
    assert '{project_id="a"}' in prometheus.queries[0]


def test_scopes_are_queried_separately_if_the_result_is_too_large(collector, prometheus: Prometheus, caplog):
    prometheus.first_replies = [
        failed(422, "execution", "query processing would load too many samples into memory")
    ]
    prometheus.items = [item("1", project_id="a", vm="v")]
    made = collector()
    with caplog.at_level(logging.WARNING):
        assert quantities(made.fetch_all("cpu", START, END, "a")) == [1]
    assert 'project_id="a"' in prometheus.queries[1]
    assert "Querying metric cpu for each scope separately" in caplog.text


def test_scopes_are_queried_separately_if_the_cache_is_full(collector, prometheus: Prometheus):
    prometheus.items = [item("1", project_id="a", vm="v")]
    made = collector({"cpu": CPU, "memory": CPU}, bulk_cache_series=1)
    made.fetch_all("cpu", START, END, "a")
    made.fetch_all("memory", START, END, "a")
    assert ['project_id="a"' in query for query in prometheus.queries] == [False, True]


# -- results


@pytest.mark.parametrize("bulk", [True, False])
def test_a_data_point(collector, prometheus: Prometheus, bulk):
    prometheus.items = [item("123456789012.5", project_id="a", vm="v1")]
    (point,) = collector(bulk=bulk).fetch_all("cpu", START, END, "a")
    assert point.qty == Decimal("123456789012.5")
    assert point.unit == "vcpu"
    assert dict(point.metadata) == {"flavor": ""}
    assert {"vm": "v1", "project_id": "a", "month": "11", "year": "2026"}.items() <= point.groupby.items()


@pytest.mark.parametrize(
    ("settings", "value", "expected"),
    [
        ({"factor": "1/1048576"}, "3145728", "3"),
        ({"factor": 0.1, "offset": 1}, "5", "1.5"),
        ({"mutate": "CEIL"}, "1.00000000001", "2"),
        ({"mutate": "NUMBOOL"}, "17", "1"),
        ({"mutate": "MAP", "mutate_map": {4: 2.5}}, "4", "2.5"),
    ],
)
def test_the_rated_quantity(collector, prometheus: Prometheus, settings, value, expected):
    prometheus.items = [item(value, project_id="a")]
    points = collector({"cpu": {**CPU, **settings}}).fetch_all("cpu", START, END, "a")
    assert quantities(points) == [Decimal(expected)]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_values_that_are_not_finite_are_not_rated_but_logged(
    collector, prometheus: Prometheus, caplog, value
):
    prometheus.items = [item(value, project_id="a", vm="v1"), item("2", project_id="a", vm="v2")]
    with caplog.at_level(logging.WARNING):
        assert quantities(collector().fetch_all("cpu", START, END, "a")) == [2]
    assert "Metric cpu of scope a is not rated" in caplog.text


def test_a_missing_scope_label_is_the_scope(collector, prometheus: Prometheus):
    prometheus.items = [item("1")]
    (point,) = collector({"cpu": {**CPU, "extra_args": {"query_prefix": "sum"}}}).fetch_all(
        "cpu", START, END, "a"
    )
    assert point.groupby["project_id"] == "a"


@pytest.mark.parametrize("bulk", [True, False])
@pytest.mark.parametrize(
    "reply",
    [
        failed(400, "bad_data", "parse error"),
        failed(500, "internal", "broken"),
        Reply(200, b"<html>", {"Content-Type": "text/html"}),
        Reply(200, b"{}"),
    ],
)
def test_invalid_responses_are_errors(collector, prometheus: Prometheus, bulk, reply):
    prometheus.first_replies = [reply] * 3
    with pytest.raises(CollectError):
        collector(bulk=bulk).retrieve("cpu", START, END, "a")


def test_errors_have_the_message_of_prometheus(collector, prometheus: Prometheus):
    prometheus.first_replies = [failed(400, "bad_data", "1:5: parse error: unexpected identifier")]
    with pytest.raises(CollectError, match=r"bad_data: .*unexpected identifier"):
        collector().retrieve("cpu", START, END, "a")


def test_series_of_another_scope_are_never_rated(collector, prometheus: Prometheus):
    prometheus.items = [item("1", project_id="b")]
    with pytest.raises(CollectError, match="queried scope 'a', got scope 'b'"):
        collector(bulk=False).retrieve("cpu", START, END, "a")


def test_native_histograms_are_not_supported(collector, prometheus: Prometheus):
    histogram = {"metric": {"project_id": "a"}, "histogram": [0, {"count": "1", "sum": "2", "buckets": []}]}
    prometheus.items = [histogram]
    with pytest.raises(CollectError, match="native histograms are not supported"):
        collector().retrieve("cpu", START, END, "a")


def test_a_scope_that_is_not_valid_in_a_query(collector):
    with pytest.raises(CollectError, match="surrogate"):
        collector(bulk=False).retrieve("cpu", START, END, "\ud800")


# -- retrieve


def test_no_data(collector):
    with pytest.raises(ck_collector.NoDataCollected):
        collector().retrieve("cpu", START, END, "a")


def test_metrics_with_the_same_rated_name_are_merged(collector, prometheus: Prometheus):
    prometheus.items = lambda query: [item("1" if "cpu_a" in query else "2", project_id="a")]
    together = {name: {**CPU, "alt_name": "cpu"} for name in ("cpu_a", "cpu_b")}
    made = collector({**together, "cpu_c": CPU})
    # Like CloudKitty's orchestrator, which stores the results in a dictionary by name.
    kept = dict(made.retrieve(metric, START, END, "a") for metric in sorted(made.conf))
    assert sorted(kept) == ["cpu", "cpu_c"]
    assert sorted(quantities(kept["cpu"])) == [1, 2]
    assert len(prometheus.queries) == 3


def test_a_metric_may_be_rated_by_several_names(collector, prometheus: Prometheus):
    prometheus.items = [item("4", project_id="a")]
    made = collector({"cpu": [{**CPU, "alt_name": "one"}, {**CPU, "alt_name": "half", "factor": 0.5}]})
    kept = dict(made.retrieve(metric, START, END, "a") for metric in sorted(made.conf))
    assert {name: quantities(points) for name, points in kept.items()} == {"one": [4], "half": [2]}


# -- incomplete and invalid responses

STORE_DOWN = {"warnings": ["failed to receive any data from Addr: store:10901: connection refused"]}


@pytest.mark.parametrize("bulk", [True, False])
@pytest.mark.parametrize("annotations", [STORE_DOWN, {"isPartial": True}])
def test_a_period_with_missing_data_is_not_rated(collector, prometheus: Prometheus, bulk, annotations):
    prometheus.items = [item("1", project_id="a")]
    prometheus.annotations = annotations
    made = collector(bulk=bulk)
    for scope in ("a", "b"):  # without the missing data, "b" would be rated as nothing
        with pytest.raises(CollectError, match="data are missing in the response"):
            made.retrieve("cpu", START, END, scope)
    prometheus.annotations = {"warnings": ["PromQL info: metric might not be a counter"]}
    assert quantities(made.retrieve("cpu", START, END, "a")[1]) == [1]


def test_missing_data_can_be_allowed(collector, direct, prometheus: Prometheus, caplog):
    collector()
    direct.set_override("allow_partial", True, "collector_prometheus")
    prometheus.items = [item("1", project_id="a")]
    prometheus.annotations = STORE_DOWN
    with caplog.at_level(logging.WARNING):
        assert quantities(collector().retrieve("cpu", START, END, "a")[1]) == [1]
    assert "connection refused" in caplog.text


@pytest.mark.parametrize(
    "result",
    [
        None,
        [None],
        [{"value": [1, "2"]}],
        [{"metric": None, "value": [1, "2"]}],
        [{"metric": {"project_id": "a"}, "value": None}],
        [{"metric": {"project_id": "a"}, "value": [1, "many"]}],
        [{"metric": {"project_id": "a"}, "value": [1, None]}],
    ],
)
def test_an_invalid_result_is_one_clear_error(collector, prometheus: Prometheus, result):
    prometheus.first_replies = [success({"resultType": "vector", "result": result})]
    with pytest.raises(CollectError, match=r"^invalid vector in the response: "):
        collector().retrieve("cpu", START, END, "a")

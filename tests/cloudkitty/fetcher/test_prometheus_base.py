from __future__ import annotations

import pytest
from oslo_config import cfg
from tests.cloudkitty.conftest import Prometheus, item
from tests.fakes.metrics_server import Reply, failed

from chrysaetos.cloudkitty.fetcher.prometheus import PrometheusFetcher, PrometheusFetcherError
from chrysaetos.promql.parser import parse
from chrysaetos.promql.strings import unquote

pytestmark = pytest.mark.usefixtures("direct")

GROUP = "fetcher_prometheus"


def test_scopes_have_no_duplicates(prometheus: Prometheus):
    prometheus.items = [
        item("1", project_id="a"),
        item("1"),
        item("2", project_id="b"),
        item("3", project_id="a"),
    ]
    scopes = PrometheusFetcher().get_tenants()
    assert sorted(scopes) == ["a", "b"]
    scopes.append("CloudKitty shuffles this list")


def test_no_scopes():
    assert PrometheusFetcher().get_tenants() == []


@pytest.mark.parametrize(
    ("options", "look_back"),
    [
        ({}, 4 * 3600),
        ({"wait_periods": 5}, 7 * 3600),
        ({"period": 600, "wait_periods": 0}, 1200),
    ],
)
def test_the_default_look_back_covers_all_unrated_periods(direct, prometheus: Prometheus, options, look_back):
    for name, value in options.items():
        direct.set_override(name, value, "collect")
    PrometheusFetcher().get_tenants()
    assert prometheus.queries == [f"max(present_over_time(up[{look_back}s])) by (project_id)"]


def test_look_back_can_be_configured(direct, prometheus: Prometheus):
    direct.set_override("look_back", 86400, GROUP)
    PrometheusFetcher().get_tenants()
    assert "[86400s]" in prometheus.queries[0]


@pytest.mark.parametrize("value", ['a"} or up{x="', "back\\slash", "new\nline", "{}"])
def test_a_filter_cannot_change_the_query(direct, prometheus: Prometheus, value):
    direct.set_override("filters", {"zone": value, "job": "vm"}, GROUP)
    direct.set_override("scope_attribute", "tenant", GROUP)
    PrometheusFetcher().get_tenants()
    (selector,) = parse(prometheus.queries[0]).selectors
    assert {one.name: unquote(one.raw) for one in selector.matchers} == {"zone": value, "job": "vm"}
    assert prometheus.queries[0].endswith("by (tenant)")


@pytest.mark.parametrize("metric", [None, ""])
def test_it_does_not_start_without_a_metric(direct, metric):
    direct.set_override("metric", metric, GROUP)
    with pytest.raises(cfg.RequiredOptError, match=r"metric in group .?fetcher_prometheus"):
        PrometheusFetcher()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (failed(400, "bad_data", "parse error: bad"), "bad_data: .*parse error"),
        (Reply(200, b"{}"), "not a Prometheus API"),
        (Reply(200, b"<html>", {"Content-Type": "text/html"}), "not a Prometheus API"),
    ],
)
def test_invalid_responses(prometheus: Prometheus, reply, message):
    prometheus.first_replies = [reply]
    with pytest.raises(PrometheusFetcherError, match=message):
        PrometheusFetcher().get_tenants()


def test_a_filter_that_is_not_valid_in_a_query(direct):
    direct.set_override("filters", {"zone": "\ud800"}, GROUP)
    with pytest.raises(PrometheusFetcherError, match="surrogate"):
        PrometheusFetcher().get_tenants()


def test_incomplete_scopes_are_an_error_unless_allowed(direct, prometheus: Prometheus):
    prometheus.items = [item("1", project_id="a")]
    prometheus.annotations = {"warnings": ["a store did not answer"]}
    with pytest.raises(PrometheusFetcherError, match="data are missing in the response: a store"):
        PrometheusFetcher().get_tenants()
    direct.set_override("allow_partial", True, GROUP)
    assert PrometheusFetcher().get_tenants() == ["a"]

"""Targets and metadata of a scope."""

import json

import pytest

from chrysaetos.errors import BadGateway, BadRequest
from chrysaetos.tenancy.filters import filter_metadata, filter_targets
from chrysaetos.tenancy.scope import Scope

A = Scope.of("project", "A")
BOTH = Scope.of("project", "A", "C")


def target(project, vm="a1", **more):
    return {
        "discoveredLabels": {"__address__": "10.0.0.1:9100", "__meta_secret": "s", "__param_token": "t"},
        "labels": {"project": project, "vm": vm, "job": "vm", "instance": f"{vm}:9100"},
        "scrapePool": "vm",
        "scrapeUrl": f"http://{vm}:9100/metrics?token=t",
        "globalUrl": f"http://{vm}:9100/metrics?token=t",
        "lastError": "",
        "lastScrape": "2024-01-01T00:00:00Z",
        "lastScrapeDuration": 0.01,
        "health": "up",
        "scrapeInterval": "15s",
        "scrapeTimeout": "10s",
        "addedLater": "s",
        **more,
    }


def targets(*active, asked=None, scope=A, **more):
    data = {
        "activeTargets": list(active),
        "droppedTargets": [{"discoveredLabels": {"project": "A", "x": "dropped"}, "scrapePool": "vm"}],
        "droppedTargetCounts": {"vm": 7},
        **more,
    }
    return filter_targets(data, scope, asked or {})


def test_only_targets_whose_labels_carry_the_scope_are_shown():
    without = target("A")
    del without["labels"]["project"]
    elsewhere = target("B", discoveredLabels={"project": "A"})
    got = targets(target("A"), target("B"), target(""), without, elsewhere, target("AA"), target("a"))
    assert [one["labels"]["project"] for one in got["activeTargets"]] == ["A"]
    assert got["droppedTargets"] == []
    assert got["droppedTargetCounts"] == {}


def test_every_value_of_the_scope_is_matched():
    got = targets(target("A"), target("B"), target("C"), scope=BOTH)
    assert [one["labels"]["project"] for one in got["activeTargets"]] == ["A", "C"]


def test_the_operators_details_of_a_target_are_not_shown():
    (got,) = targets(target("A", lastError='Get "http://10.0.0.1/?token=t": refused'))["activeTargets"]
    assert got == {
        "discoveredLabels": {},
        "labels": {"project": "A", "vm": "a1", "job": "vm", "instance": "a1:9100"},
        "scrapePool": "vm",
        "scrapeUrl": "http://a1:9100/metrics",
        "globalUrl": "http://a1:9100/metrics",
        "lastError": "the scrape failed",
        "lastScrape": "2024-01-01T00:00:00Z",
        "lastScrapeDuration": 0.01,
        "health": "up",
        "scrapeInterval": "15s",
        "scrapeTimeout": "10s",
    }


@pytest.mark.parametrize(
    "url",
    ["http://proxy:9115/probe", "http://u:p@a1:9100/", "http://a1:9100@proxy/", "http://[", "", "a1:9100"],
)
def test_an_address_that_is_not_the_targets_own_is_not_shown(url):
    (got,) = targets(target("A", scrapeUrl=url, globalUrl="http://inside"))["activeTargets"]
    assert got["scrapeUrl"] == got["globalUrl"] == ""


def test_the_name_of_a_pool_is_shown_if_it_is_the_job():
    (got,) = targets(target("A", scrapePool="b-and-a"))["activeTargets"]
    assert got["scrapePool"] == ""


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"state": [""]}, 1),
        ({"state": ["any"]}, 1),
        ({"state": ["Active"]}, 1),
        ({"state": ["dropped"]}, 0),
        ({"scrapePool": ["vm"]}, 1),
        ({"scrapePool": [""]}, 1),
        ({"scrapePool": ["other"]}, 0),
    ],
)
def test_parameters_are_applied_within_the_scope(asked, count):
    assert len(targets(target("A"), target("B"), asked=asked)["activeTargets"]) == count


def test_a_pool_whose_name_is_not_shown_cannot_be_guessed():
    hidden = target("A", scrapePool="b-and-a")
    assert targets(hidden, asked={"scrapePool": ["b-and-a"]})["activeTargets"] == []


def test_an_unknown_state_is_rejected():
    with pytest.raises(BadRequest, match="state"):
        targets(asked={"state": ["all"]})


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "x",
        {"activeTargets": {}},
        {"activeTargets": [None]},
        {"activeTargets": [{"labels": []}]},
        {"activeTargets": [{"labels": {"project": ["A"]}}]},
        {"activeTargets": [{"labels": {"project": "A"}, "lastError": {"x": 1}}]},
        {"activeTargets": [{"labels": {"project": "A"}, "lastScrapeDuration": "1"}]},
        {"activeTargets": [{"labels": {"project": "A"}, "lastScrapeDuration": True}]},
        {"activeTargets": [{"labels": {"project": "A"}, "health": None}]},
        {"activeTargets": [target("A"), {"labels": {"project": "B"}, "scrapeUrl": 1}]},
    ],
    ids=json.dumps,
)
def test_malformed_targets_are_not_relayed(data):
    with pytest.raises(BadGateway):
        filter_targets(data, A, {})


def test_a_response_without_targets_has_none():
    assert filter_targets({"activeTargets": None}, A, {})["activeTargets"] == []


def about(kind, text="help", unit=""):
    return {"type": kind, "help": text, "unit": unit}


DATA = {
    "cpu": [about("gauge")],
    "secret": [about("gauge", "of B")],
    "requests": [about("counter")],
    "jobs_total": [about("counter")],
    "latency_seconds": [about("histogram", unit="seconds")],
    "size_bytes": [about("summary")],
    "depth": [about("gaugehistogram")],
    "build": [about("info")],
}


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([], []),
        (["cpu"], ["cpu"]),
        (["cpu_total", "cpu_bucket", "cp", "cpus"], []),
        (["requests_total"], ["requests"]),
        (["requests_created"], ["requests"]),
        (["requests_bucket"], []),
        (["jobs_total"], ["jobs_total"]),
        (["latency_seconds_bucket"], ["latency_seconds"]),
        (["latency_seconds_sum"], ["latency_seconds"]),
        (["latency_seconds_count"], ["latency_seconds"]),
        (["latency_seconds"], ["latency_seconds"]),  # a native histogram
        (["size_bytes"], ["size_bytes"]),
        (["size_bytes_count"], ["size_bytes"]),
        (["size_bytes_bucket"], []),
        (["depth_gcount"], ["depth"]),
        (["build_info"], ["build"]),
        (["cpu", "latency_seconds_bucket", "ghost"], ["cpu", "latency_seconds"]),
    ],
)
def test_metadata_of_the_own_metrics_are_shown(names, shown):
    got = filter_metadata(DATA, frozenset(names), {})
    assert list(got) == shown
    assert all(got[name] == DATA[name] for name in shown)


def test_if_descriptions_differ_only_equal_parts_are_shown():
    data = {"cpu": [about("gauge", "of A", "cores"), about("gauge", "of B", "cores")]}
    assert filter_metadata(data, {"cpu"}, {}) == {"cpu": [about("gauge", "", "cores")]}
    data = {"cpu": [about("gauge"), about("counter", unit="x")]}
    assert filter_metadata(data, {"cpu"}, {}) == {"cpu": [about("unknown", "help", "")]}


def test_metadata_of_metrics_outside_the_scope_are_omitted():
    """B has a gauge with the name of A's family."""
    data = {"cpu": [about("counter", "of A"), about("gauge", "of B")]}
    assert filter_metadata(data, {"cpu_total"}, {}) == {"cpu": [about("counter", "of A")]}


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"limit": ["0"]}, []),
        ({"limit": ["1"]}, ["cpu"]),
        ({"limit": ["9"]}, ["cpu", "requests"]),
        ({"limit": ["1"], "limit_per_metric": ["1"]}, ["cpu"]),
        ({"metric": ["requests"]}, ["requests"]),
        ({"metric": ["secret"]}, []),
        ({"metric": [""]}, ["cpu", "requests"]),
    ],
)
def test_limits_apply_to_visible_entries(asked, shown):
    data = {"a": [about("gauge")], **DATA}
    assert list(filter_metadata(data, {"cpu", "requests_total"}, asked)) == shown


@pytest.mark.parametrize(
    "data",
    [None, [], {"cpu": {}}, {"cpu": ["x"]}, {"cpu": [{"type": 1}]}, {"cpu": [about("gauge", {"x": 1})]}],
    ids=json.dumps,
)
def test_malformed_metadata_are_not_relayed(data):
    with pytest.raises(BadGateway):
        filter_metadata(data, {"cpu"}, {})

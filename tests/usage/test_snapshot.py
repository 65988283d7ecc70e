"""The exported metrics."""

import gzip
import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chrysaetos.queued_log import QueuedHandler
from chrysaetos.usage.records import Project, ServerUsage
from chrysaetos.usage.snapshot import METRICS, Exposition, take_snapshot
from chrysaetos.usage.tally import SimpleVMProject, tally

ONE = Project("p", 'na"me\\ \n', "d", "default")
EMPTY = Project("q", "empty", "d", "default")


def usage(instance="i", project="p"):
    return ServerUsage(instance, project, 2, 512, 10, 3.0, 0.0, exists=True)


def text_of(snapshot):
    return b"".join(header + samples for header, samples in snapshot.text)


def read(text):
    return {
        (
            sample.name,
            *(sample.labels.get(label) for label in ("project_id", "project_name", "domain_name")),
        ): (sample.value)
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_project_has_every_metric():
    values = read(text_of(take_snapshot(1.0, [ONE, EMPTY], tally([usage()]))))
    assert len(values) == 2 * len(METRICS)
    assert values["project_vcpu_usage", "p", ONE.name, "default"] == 6
    assert values["project_mb_usage", "p", ONE.name, "default"] == 1536
    assert values["project_disk_gb_usage", "p", ONE.name, "default"] == 30
    assert values["project_current_mb_usage", "p", ONE.name, "default"] == 512
    assert values["project_vcpu_usage", "q", "empty", "default"] == 0


def test_deleted_projects_are_not_exported():
    assert "gone" not in text_of(take_snapshot(1.0, [ONE], tally([usage("i", "gone")]))).decode()


def test_series_have_four_labels():
    family = next(iter(text_string_to_metric_families(text_of(take_snapshot(1.0, [EMPTY], {})).decode())))
    assert set(family.samples[0].labels) == {"project_id", "project_name", "domain_name", "domain_id"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"i": "a", "j": "b"}, {"a", "b"}),
        ({"i": "a"}, {"a", "simplevm"}),
        ({}, {"simplevm"}),
    ],
)
def test_projects_inside_a_simplevm_project(names, expected):
    simplevm = Project("p", "simplevm", "d", "default")
    sums = tally([usage(), usage("j")], simple_vm=SimpleVMProject("p", names))
    values = read(text_of(take_snapshot(1.0, [simplevm], sums)))
    assert {name for metric, _, name, _ in values if metric == "project_vcpu_usage"} == expected


def test_a_project_named_like_its_simplevm_project_shares_its_series():
    simplevm = Project("p", "simplevm", "d", "default")
    sums = tally([usage(), usage("j")], simple_vm=SimpleVMProject("p", {"i": "simplevm"}))
    text = text_of(take_snapshot(1.0, [simplevm], sums)).decode()
    lines = [line for line in text.splitlines() if line.startswith("project_vcpu_usage")]
    assert len(lines) == 1
    assert lines[0].endswith(" 12.0")


def test_old_usage_is_not_exported():
    exposition = Exposition(max_age=60)
    assert not exposition.is_fresh(1000)
    assert read(exposition.render(1000, compressed=False))["usage_exporter_up", None, None, None] == 0
    exposition.publish(take_snapshot(1000, [ONE], {}))
    assert read(exposition.render(1060, compressed=False))["usage_exporter_up", None, None, None] == 1
    assert b"project_vcpu_usage{" in exposition.render(1060, compressed=False)
    old = exposition.render(1061, compressed=False)
    assert b"project_vcpu_usage{" not in old
    assert read(old)["usage_exporter_up", None, None, None] == 0
    assert read(old)["usage_exporter_counted_until_timestamp_seconds", None, None, None] == 1000


def test_compressed_metrics_are_the_same():
    exposition = Exposition(max_age=60)
    exposition.publish(take_snapshot(1000, [ONE], tally([usage()])))
    for now in (1000, 2000):
        assert gzip.decompress(exposition.render(now, compressed=True)) == exposition.render(
            now, compressed=False
        )


def test_health_contains_the_reason():
    exposition = Exposition(max_age=60)
    exposition.health.problem = "truncated"
    exposition.health.failures.update(truncated=2, nova=1)
    text = exposition.render(0, compressed=False).decode()
    assert 'usage_exporter_problem{reason="truncated"} 1.0' in text
    assert 'usage_exporter_update_failures_total{reason="nova"} 1.0' in text
    assert "usage_exporter_truncated 1.0" in text


def test_lost_lines_of_the_log_are_counted(monkeypatch):
    handler = QueuedHandler(logging.NullHandler(), "process")
    handler.dropped, handler.failed = 3, 4
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    text = Exposition(max_age=60).render(0, compressed=False).decode()
    assert 'usage_exporter_log_lines_lost_total{reason="queue_full"} 3.0' in text
    assert 'usage_exporter_log_lines_lost_total{reason="write_failed"} 4.0' in text

"""Watcher's metric map."""

import pytest

from chrysaetos.findings import Status
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.metric_map import METRICS, check_metric_map, metric_names, read_metric_map


def test_no_map_has_no_findings(tmp_path):
    assert check_metric_map(tmp_path / "none.yaml") == []
    assert metric_names(tmp_path / "none.yaml") == METRICS


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("prometheus: {host_cpu_usage: cpu}", Status.WARNING),
        (
            "prometheus: {host_cpu_usage: cpu, host_ram_usage: ram}\naetos: {host_cpu_usage: cpu}",
            Status.WARNING,
        ),
        ("prometheus: {host_cpu_usage: cpu}\naetos: {host_cpu_usage: other}", Status.OK),
        ("gnocchi: {host_cpu_usage: cpu}", Status.OK),
    ],
)
def test_names_for_prometheus_are_required_for_aetos(tmp_path, text, status):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    assert [finding.status for finding in check_metric_map(path)] == [status]


@pytest.mark.parametrize("text", ["", "[]", "text", "aetos: text"])
def test_an_invalid_map_has_no_names(tmp_path, text):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    assert read_metric_map(path) == {}
    assert check_metric_map(path) == []


def test_names_for_aetos_are_used(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text("prometheus: {host_cpu_usage: a}\naetos: {host_cpu_usage: b, host_power: c}")
    assert metric_names(path) == {**METRICS, "host_cpu_usage": "b"}


def test_an_unreadable_map_is_an_error(tmp_path):
    (tmp_path / "map.yaml").write_text("a: [")
    with pytest.raises(MigrateError, match="is not YAML, so Watcher ignores it"):
        read_metric_map(tmp_path / "map.yaml")
    with pytest.raises(MigrateError, match="cannot be read: Is a directory"):
        read_metric_map(tmp_path)

from __future__ import annotations

from typing import Any

import pytest

from chrysaetos.watcher import base

OfWatcher: Any = pytest.importorskip(
    "watcher.decision_engine.datasources.prometheus_base", reason="Watcher 14 has no PrometheusBase"
).PrometheusBase


class Datasource(base._PrometheusBase14):
    def _setup_prometheus_client(self) -> str:
        return "client"

    def _get_fqdn_label(self) -> str:
        return "fqdn"

    def _build_prometheus_fqdn_labels(self) -> set[str]:
        return {self.prometheus_fqdn_label, self.prometheus}

    def _build_prometheus_host_instance_map(self) -> dict[str, Any]:
        return dict.fromkeys(self.prometheus_fqdn_labels)


def test_the_base_class_is_watchers_own_if_it_has_one() -> None:
    assert base.PrometheusBase is OfWatcher


def test_the_substitute_has_the_same_metrics_and_order() -> None:
    assert base._PrometheusBase14.METRIC_MAP == OfWatcher.METRIC_MAP
    assert Datasource().prometheus_host_instance_map == {"fqdn": None, "client": None}

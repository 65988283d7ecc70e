from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tests.watcher.alone import actions, load
from tests.watcher.conftest import clients_of, needs_aetos
from tests.watcher.sample import SampleCloud

if TYPE_CHECKING:
    import pytest
    from oslo_config.fixture import Config

    from chrysaetos.demo.prometheus import Prometheus


@needs_aetos
def test_resources_with_data_are_logged_and_nothing_is_proposed(
    conf: Config, prometheus: Prometheus, caplog: pytest.LogCaptureFixture
) -> None:
    conf.config(group="watcher_datasources", datasources=["aetos"])
    caplog.set_level(logging.INFO)
    larger = SampleCloud(20, 201)
    assert actions(load("aetos_check", larger, clients_of(prometheus.url))) == []
    assert "host_cpu_usage from datasource aetos: 20 of 20 have data\n" in caplog.text
    missing = larger.instances[-1].uuid
    assert (
        f"instance_ram_usage from datasource aetos: 200 of 201 have data; without data: {missing}"
        in caplog.text
    )

import time
from pathlib import Path
from typing import Any

import pytest
import requests

from chrysaetos.demo.cloud import Cloud, Tenant
from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.processes import DemoError
from chrysaetos.demo.prometheus import Prometheus

START = 1_700_000_000


def text(start: int, count: int) -> list[str]:
    return [*(f'm{{project="p"}} {i} {start + 60 * i}\n' for i in range(count)), "# EOF\n"]


def query(server: Prometheus, expression: str, moment: float) -> Any:
    parameters = {"query": expression, "time": str(moment)}
    response = requests.get(f"{server.url}/api/v1/query", params=parameters, timeout=10)
    return response.json()["data"]["result"]


def test_history_can_be_queried_and_extended(tmp_path: Path) -> None:
    server = Prometheus(tmp_path)
    assert server.end_of_blocks() is None
    server.backfill(text(START, 300))
    assert server.end_of_blocks() == pytest.approx(START + 299 * 60, abs=0.01)
    with server:
        found = query(server, "count_over_time(m[1d])", START + 300 * 60)
        assert [sample["value"][1] for sample in found] == ["300"]
    assert server.last_write() is not None
    server.forget_head()
    assert server.last_write() is None
    server.backfill(text(START + 300 * 60, 10))
    with server:
        found = query(server, "count_over_time(m[1d])", START + 310 * 60)
        assert [sample["value"][1] for sample in found] == ["310"]


def test_text_that_promtool_rejects_is_reported(tmp_path: Path) -> None:
    server = Prometheus(tmp_path)
    with pytest.raises(DemoError, match="promtool could not write the history"):
        server.backfill(["this is not a sample\n"])
    assert [path.name for path in tmp_path.glob("history-*")] == []


def test_a_missing_prometheus_is_reported_with_the_command_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoError, match=r"apt-get install .*prometheus"):
        Prometheus(tmp_path)


def test_all_targets_are_scraped_after_the_wait(tmp_path: Path) -> None:
    tenants = [Tenant("aquila", "p", "u")]
    with (
        Exporter(Cloud(tenants, time.time()).targets, 0) as exporter,
        Prometheus(tmp_path, scrape_configs=exporter.scrape_configs()) as server,
    ):
        server.wait_scraped()
        found = query(server, "up", time.time())
    assert [sample["value"][1] for sample in found] == ["1"] * 6

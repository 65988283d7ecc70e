"""Move a running Watcher from Prometheus to Aetos and back, in its own environment."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.test_watcher import WITH_AETOS, Site, engine, in_order, is_ready, site
from tests.e2e.watcher_engine import Engine, environment_of
from tests.support.commands import run
from tests.support.deep import first_of

from chrysaetos.demo.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["site"]


def migrate(release: str, watcher: Engine, action: str, *arguments: str) -> dict[str, Any]:
    """Run the command as an operator would; it must succeed."""
    command = [str(environment_of(release) / "chrysaetos"), "migrate", "watcher", action]
    done = run(
        [*command, "--conf", str(watcher._config), *arguments, "-f", "json"],
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "PYTHONWARNINGS": "ignore"},
    )
    report: dict[str, Any] = done.json
    return report


def audited(watcher: Engine) -> list[str]:
    """Return the actions of a plan, from an engine that is started for it."""
    with watcher:
        assert wait_for(partial(is_ready, watcher), timeout=90), watcher.log.read_text()[-5000:]
        return in_order(watcher.audit("workload_balance", {})["actions"])


@pytest.mark.parametrize("release", first_of(WITH_AETOS))
def test_the_plan_is_the_same_before_and_after_the_move_and_back(
    release: str, site: Site, tmp_path: Path
) -> None:
    host, port = site.prometheus.url.removeprefix("http://").split(":")
    watcher = engine(
        site,
        tmp_path / "watcher",
        release,
        watcher_datasources={"datasources": "prometheus"},
        prometheus_client={"host": host, "port": port},
    )
    before = watcher._config.read_bytes()
    expected = audited(watcher)
    assert expected

    checked = migrate(release, watcher, "check")
    assert {f["check"] for f in checked["findings"] if f["status"] != "ok"} == set()
    assert f"Watcher {release} has" in json.dumps(checked)
    migrate(release, watcher, "apply", "--yes")
    requests = site.count()
    assert audited(watcher) == expected
    assert site.count() > requests
    verified = migrate(release, watcher, "verify")
    assert {f["check"]: f["status"] for f in verified["findings"]}["instance CPU"] == "ok"

    migrate(release, watcher, "rollback", "--yes")
    assert watcher._config.read_bytes() == before
    requests = site.count()
    assert audited(watcher) == expected
    assert site.count() == requests

"""The usage exporter as a process, and conditions to wait for."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, ClassVar

import requests
from prometheus_client.parser import text_string_to_metric_families

from chrysaetos.demo.processes import LOOPBACK, Server, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chrysaetos.demo.keystone import Keystone

__all__ = ["UsageExporter", "admin_environ", "counted_until", "eventually", "wait_for_update"]


class UsageExporter(Server):
    """``chrysaetos usage``, started as by an operator."""

    name: ClassVar[str] = "Usage"
    ready_path: ClassVar[str] = "/-/healthy"

    def __init__(self, directory: Path, environ: dict[str, str], *arguments: str) -> None:
        super().__init__(directory)
        self._environ = environ
        self._arguments = arguments

    def command(self) -> list[str]:
        state = ("--state", str(self.directory / "state"))
        listening = ("--bind", LOOPBACK, "--port", str(self.port))
        return [sys.executable, "-m", "chrysaetos", "usage", *listening, *state, *self._arguments]

    def environment(self) -> dict[str, str]:
        return self._environ

    def page(self) -> str:
        return requests.get(f"{self.root_url}/metrics", timeout=30).text

    def metrics(self) -> dict[tuple[str, str], float]:
        """Return the value of each metric, by name and project id."""
        return {
            (sample.name, sample.labels.get("project_id", sample.labels.get("reason", ""))): sample.value
            for family in text_string_to_metric_families(self.page())
            for sample in family.samples
        }


def admin_environ(keystone: Keystone) -> dict[str, str]:
    """Return the credentials of the administrator."""
    return {
        "OS_AUTH_URL": keystone.url,
        "OS_USERNAME": "admin",
        "OS_PASSWORD": keystone.admin_password,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_REGION_NAME": "RegionOne",
    }


def eventually(condition: Callable[[], bool], failure: str) -> None:
    assert wait_for(condition, timeout=40), failure


def counted_until(exporter: UsageExporter) -> float:
    return exporter.metrics()["usage_exporter_counted_until_timestamp_seconds", ""]


def wait_for_update(exporter: UsageExporter) -> None:
    """Wait for an update that started after this call."""
    now = time.time()
    eventually(lambda: counted_until(exporter) > now, "no update")

"""Each name loads one class, whatever else is installed (docs/decisions/0013-cloudkitty-names.md)."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import cloudkitty.collector
import pytest
from stevedore.driver import DriverManager

COLLECTORS, FETCHERS = "cloudkitty.collector.backends", "cloudkitty.fetchers"
OURS = "chrysaetos.cloudkitty"
RELEASE = int(importlib.metadata.version("cloudkitty").partition(".")[0])


@pytest.mark.parametrize(
    ("group", "name", "module"),
    [
        (COLLECTORS, "chrysaetos", f"{OURS}.collector.aetos"),
        (COLLECTORS, "chrysaetos-prometheus", f"{OURS}.collector.prometheus"),
        (COLLECTORS, "prometheus", "cloudkitty.collector.prometheus"),
        (FETCHERS, "aetos", f"{OURS}.fetcher.aetos"),
        (FETCHERS, "chrysaetos", f"{OURS}.fetcher.aetos"),
        (FETCHERS, "chrysaetos-prometheus", f"{OURS}.fetcher.prometheus"),
        (FETCHERS, "prometheus", "cloudkitty.fetcher.prometheus"),
    ],
)
def test_each_name_loads_one_class(group: str, name: str, module: str):
    assert DriverManager(group, name).driver.__module__ == module


def test_two_packages_may_register_the_collector_aetos():
    registered = importlib.metadata.entry_points(group=COLLECTORS, name="aetos")
    assert len(registered) == (2 if RELEASE >= 25 else 1)
    assert len(set(registered)) == 1
    upstream = RELEASE >= 25
    manager: DriverManager[Any] = DriverManager(COLLECTORS, "aetos")
    driver = manager.driver
    assert driver.__module__ == ("cloudkitty" if upstream else OURS) + ".collector.aetos"


def test_the_add_on_does_not_replace_cloudkittys_own_module():
    folder = Path(cloudkitty.collector.__file__).parent
    assert (folder / "aetos" / "__init__.py").exists()
    assert (folder / "aetos.py").exists() is (RELEASE >= 25)
    import cloudkitty.collector.aetos as loaded  # noqa: PLC0415  # under test

    assert Path(loaded.__file__) == folder / ("aetos.py" if RELEASE >= 25 else "aetos/__init__.py")

"""Settings for all tests."""

from __future__ import annotations

import gc
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from tests.support.leftovers import pytest_configure
from tests.support.warm import end_shared

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["pytest_collection", "pytest_configure", "pytest_runtest_teardown", "pytest_sessionfinish"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without garbage collections, and exempt the tests from later ones: each takes half a second."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        _exempt()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Exempt what is left after each file, so that a garbage collection looks only at a file's objects."""
    if nextitem is None or nextitem.path != item.path:
        _exempt()


def _exempt() -> None:
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """End the interpreters that tests share."""
    end_shared()


# The environments of Watcher and CloudKitty do not have Hypothesis.
if find_spec("hypothesis"):
    from hypothesis import HealthCheck, settings

    # A busy machine is not a failure: without this, an example fails after 200 ms.
    settings.register_profile("no-time-limit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("no-time-limit")

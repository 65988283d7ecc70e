"""Settings for all tests."""

import gc
from importlib.util import find_spec

from tests.support.leftovers import pytest_configure
from tests.support.warm import end_shared

__all__ = ["pytest_collection_finish", "pytest_configure", "pytest_sessionfinish"]


def pytest_collection_finish() -> None:
    """Exempt the collected tests from garbage collection, which takes half a second for all of them."""
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

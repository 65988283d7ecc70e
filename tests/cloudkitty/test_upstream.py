"""CloudKitty's own unit tests, run on our classes instead of its own."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys

import pytest

RELEASE = int(importlib.metadata.version("cloudkitty").partition(".")[0])
MODULES = (
    "collectors.test_aetos",
    "collectors.test_prometheus",
    "fetchers.test_prometheus",
    "collectors.test_validation",
)

_LABEL = "a result without the scope's label gets an empty scope; ours gets the scope of the query"
_NOW = "the fetcher queries the current time only; ours looks back to find scopes that have ended"
DIFFERENT = {
    "collectors.test_aetos.AetosCollectorTest.test_format_data_instant_query": _LABEL,
    "collectors.test_prometheus.PrometheusCollectorTest.test_format_data_instant_query": _LABEL,
    "collectors.test_prometheus.PrometheusCollectorTest.test_format_data_instant_query_2": _LABEL,
    "collectors.test_prometheus.PrometheusCollectorTest.test_format_retrieve": _LABEL,
    "fetchers.test_prometheus.PrometheusFetcherTest.test_get_tenants_build_query": _NOW,
    "fetchers.test_prometheus.PrometheusFetcherTest.test_get_tenants_build_query_with_filter": _NOW,
}
"""The tests that fail with our classes, and the behaviour that they assert."""


@pytest.mark.skipif(RELEASE < 25, reason="the tests are those of 25.0.0")
def test_only_the_listed_tests_of_cloudkitty_fail():
    modules = [f"cloudkitty.tests.{module}" for module in MODULES]
    command = [sys.executable, "-W", "ignore", "-m", "tests.cloudkitty.swapped", *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    ran = {module: sum(name.startswith(f"{module}.") for name in outcome) for module in MODULES}
    assert ran == dict(zip(MODULES, (7, 9, 5, 12), strict=True))
    assert {name for name, result in outcome.items() if result != "ok"} == set(DIFFERENT)

"""Runs CloudKitty's own unit tests with our classes in the place of its own.

    python -m tests.cloudkitty.swapped MODULE…

prints JSON: id of each test → `ok`, or the last line of why it failed. It needs a process of its own.
"""

from __future__ import annotations

import json
import sys
import unittest

import cloudkitty.common.config  # noqa: F401  # it imports every module that is exchanged below
from keystoneauth1 import loading
from oslo_config import cfg

from chrysaetos.cloudkitty.collector import aetos, prometheus
from chrysaetos.cloudkitty.common import aetos_client, options, prometheus_client, prometheus_client_base
from chrysaetos.cloudkitty.fetcher import prometheus as prometheus_fetcher

EXCHANGED = {
    "cloudkitty.collector.aetos": aetos,
    "cloudkitty.collector.prometheus": prometheus,
    "cloudkitty.common.aetos_client": aetos_client,
    "cloudkitty.common.prometheus_client": prometheus_client,
    "cloudkitty.common.prometheus_client_base": prometheus_client_base,
    "cloudkitty.fetcher.prometheus": prometheus_fetcher,
}


def exchange() -> None:
    """Put our modules where CloudKitty's tests look for its own."""
    for name, module in EXCHANGED.items():
        package, _, own = name.rpartition(".")
        sys.modules[name] = module
        setattr(sys.modules[package], own, module)
    aetos.ks_loading = loading  # the tests replace its functions by this path
    # They look at the query for a single scope. What is registered first stays.
    cfg.CONF.register_opt(cfg.BoolOpt("bulk", default=False), options.COLLECTOR_CHRYSAETOS)


def run(modules: list[str]) -> dict[str, str]:
    """Run tests."""
    outcome: dict[str, str] = {}
    for test in _flat(unittest.defaultTestLoader.loadTestsFromNames(modules)):
        result = unittest.TestResult()
        test.run(result)
        failures = [text for _, text in result.errors + result.failures]
        name = test.id().removeprefix("cloudkitty.tests.").removesuffix("(sqlite)")
        outcome[name] = failures[0].strip().splitlines()[-1] if failures else "ok"
    return outcome


def _flat(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    return [test for one in suite for test in (_flat(one) if isinstance(one, unittest.TestSuite) else [one])]


if __name__ == "__main__":
    exchange()
    json.dump(run(sys.argv[1:]), sys.stdout)

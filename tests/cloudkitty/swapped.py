"""Run CloudKitty's own unit tests on our classes instead of its own.

    python -m tests.cloudkitty.swapped MODULE…

prints a JSON object: for each test ``ok``, or the last line of its failure. It has to run in its own process.
"""

from __future__ import annotations

import json
import sys
import unittest

import cloudkitty.common.config  # noqa: F401  # imports every module that is replaced below
from keystoneauth1 import loading
from oslo_config import cfg

from chrysaetos.cloudkitty.collector import aetos, prometheus
from chrysaetos.cloudkitty.common import aetos_client, options, prometheus_client, prometheus_client_base
from chrysaetos.cloudkitty.fetcher import prometheus as prometheus_fetcher

REPLACEMENTS = {
    "cloudkitty.collector.aetos": aetos,
    "cloudkitty.collector.prometheus": prometheus,
    "cloudkitty.common.aetos_client": aetos_client,
    "cloudkitty.common.prometheus_client": prometheus_client,
    "cloudkitty.common.prometheus_client_base": prometheus_client_base,
    "cloudkitty.fetcher.prometheus": prometheus_fetcher,
}


def replace_modules() -> None:
    """Replace CloudKitty's modules by ours."""
    for name, module in REPLACEMENTS.items():
        package, _, own = name.rpartition(".")
        sys.modules[name] = module
        setattr(sys.modules[package], own, module)
    vars(aetos)["ks_loading"] = loading  # the tests replace its functions by this path
    # The tests expect the query for a single scope. The first registration of an option is used.
    cfg.CONF.register_opt(cfg.BoolOpt("bulk", default=False), options.COLLECTOR_CHRYSAETOS)


def run(modules: list[str]) -> dict[str, str]:
    """Run the tests of modules and return their outcome by name."""
    outcome: dict[str, str] = {}
    for test in _flat(unittest.defaultTestLoader.loadTestsFromNames(modules)):
        result = unittest.TestResult()
        test.run(result)
        failures = [text for _, text in result.errors + result.failures]
        name = test.id().removeprefix("cloudkitty.tests.").removesuffix("(sqlite)")
        outcome[name] = failures[0].strip().splitlines()[-1] if failures else "ok"
    return outcome


def _flat(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    return [
        test for item in suite for test in (_flat(item) if isinstance(item, unittest.TestSuite) else [item])
    ]


if __name__ == "__main__":
    replace_modules()
    json.dump(run(sys.argv[1:]), sys.stdout)

from __future__ import annotations

import subprocess
import sys

import pytest
from oslo_config import cfg

from chrysaetos.cloudkitty.common import options


def test_all_options_are_listed():
    listed = {group: {option.dest for option in opts} for group, opts in options.list_opts()}
    assert listed["collector_aetos"] >= {"interface", "region_name", "auth_type", "cafile", "timeout"}
    assert listed["collector_chrysaetos"] == {"bulk", "bulk_cache_seconds", "bulk_cache_series"}
    assert listed["fetcher_aetos"] >= {
        "metric",
        "scope_attribute",
        "filters",
        "interface",
        "auth_type",
        "look_back",
    }
    assert listed["fetcher_prometheus"] == {
        *("metric", "scope_attribute", "filters", "look_back", "allow_partial"),
        *("prometheus_url", "prometheus_user", "prometheus_password", "cafile", "insecure", "timeout"),
    }


def test_the_choices_of_the_interface():
    conf = cfg.ConfigOpts()
    options.register_keystone(conf, options.COLLECTOR_AETOS)
    conf([])
    assert conf.collector_aetos.interface == "public"
    assert conf.collector_aetos.region_name is None
    with pytest.raises(ValueError, match="internal, public, admin"):
        conf.set_override("interface", "private", "collector_aetos")


def test_options_of_cloudkitty_are_not_replaced():
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.FloatOpt("timeout", default=7), options.FETCHER_PROMETHEUS)
    options.register(conf, options.FETCHER_PROMETHEUS)
    conf([])
    assert conf.fetcher_prometheus.timeout == 7
    assert conf.fetcher_prometheus.scope_attribute == "project_id"


@pytest.mark.parametrize("ours_first", [True, False])
def test_our_modules_and_cloudkittys_can_be_imported_together(ours_first):
    theirs = ["cloudkitty.common.config"]
    ours = [
        f"chrysaetos.cloudkitty.{kind}.{name}"
        for kind in ("collector", "fetcher")
        for name in ("aetos", "prometheus")
    ]
    modules = [*ours, *theirs] if ours_first else [*theirs, *ours]
    lines = "".join(f"import {module}\n" for module in modules)
    command = [sys.executable, "-W", "ignore", "-c", f"{lines}cloudkitty.common.config.list_opts()"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr

from __future__ import annotations

from oslo_config import cfg

from chrysaetos.watcher.options import list_opts, register_options


def test_the_defaults() -> None:
    conf = cfg.ConfigOpts()
    register_options(conf)
    register_options(conf)
    conf([])
    assert conf.aetos_client.require_at_start is None
    assert conf.aetos_client.max_series == 10000
    assert conf.aetos_client.timeout == 60
    assert conf.prometheus_client.grouped_queries is False


def test_every_option_has_help() -> None:
    assert all(option.help for _, options in list_opts() for option in options)

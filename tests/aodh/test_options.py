"""The options in Aodh's configuration."""

from oslo_config import cfg

from chrysaetos.aodh.options import GROUP, list_opts, register_options


def test_defaults():
    conf = cfg.ConfigOpts()
    register_options(conf)
    register_options(conf)
    conf([])
    assert conf[GROUP].unrestricted_projects == []
    assert conf[GROUP].timeout == 10
    assert [group for group, _ in list_opts()] == [GROUP]

"""Options of the evaluation, in ``[aetos]`` of Aodh's configuration."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

__all__ = ["GROUP", "list_opts", "register_options"]

GROUP = "aetos"

_OPTIONS = [
    cfg.ListOpt(
        "unrestricted_projects",
        default=[],
        help="The ids of projects whose alarms see the series of all projects, such as the cloud's own "
        "project. All other alarms see only the series of the project that they belong to, even if an "
        "administrator created them.",
    ),
    cfg.FloatOpt(
        "timeout",
        default=10,
        min=1,
        help="Time limit of a query in seconds, including its retry. After a query that took longer, the "
        "other alarms of its project are not evaluated until the next evaluation interval.",
    ),
]


def register_options(conf: cfg.ConfigOpts) -> None:
    """Register the options. Calling it again has no effect."""
    conf.register_opts(_OPTIONS, group=GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the options for ``oslo-config-generator --namespace chrysaetos.aodh``."""
    return [(GROUP, _OPTIONS)]

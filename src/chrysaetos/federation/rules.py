"""The recording and alerting rules of a portal, from the templates in ``templates/rules``.

A site sends one series for each project: its total usage since a start date. Totals rise, with three
exceptions:

- a **dip**: the exporter reports a lower total for a while, then the correct total again. The rise back to
  the correct total must not be billed.
- a **reset**: the total falls permanently, because the start date was changed or servers are no longer
  counted. Every rise after the reset must be billed.
- a **gap**: there are no samples for a while. The usage during the gap must be billed afterwards.

A dip and a reset look the same until the dip ends, so the rules wait for one day. ``high1d``, the highest
total of the last day, ignores shorter dips and follows a reset one day later. Therefore nothing is billed
twice, and one day of usage after a reset is not billed.

``increase1h`` is the rise of ``high1d`` within an hour. If ``high1d`` had no value an hour ago, it is the
rise since the last value at a full hour within the last week. The sum of ``increase1h`` at the full hours
therefore covers each moment exactly once, whatever the gaps. A project that appears for the first time starts
at its first total. ``[23h59m59s999ms:1h]`` has 24 full hours at any time of evaluation: before Prometheus 3,
a range included its left end.

Each project is one series, identified by (location, location_id, domain_id, project_id). Names are not part
of this key, so a renamed project continues its series, and projects with the same name at two sites are two
series. If a project has several series at a time (two exporters, or an old name that an exporter still
reports), the highest total counts.

The rules for credits and quotas are the same at a site and at a portal. The exporter charges usage to the
grants of credits and exports the result, so they only choose one series for each project, drop the names, and
estimate when the credits end. At a site, the projects inside a SimpleVM project have one id, and differ in
the label ``part``.
"""

from __future__ import annotations

from functools import partial

from chrysaetos.federation.registry import MAX_INTERVAL
from chrysaetos.promql.units import duration_milliseconds
from chrysaetos.scaffold import fill_template

__all__ = [
    "JOB_PREFIX",
    "KEY",
    "RESOURCES",
    "alert_rules",
    "credit_rules",
    "quota_rules",
    "recording_rules",
]

JOB_PREFIX = "site-"
"""The name of the job that scrapes a site's gate is this prefix and the site's name."""
KEY = "location, location_id, domain_id, project_id"
RESOURCES = ("vcpu", "mb", "volume_gb", "floating_ip")
"""The billed resources; the metric of each is ``project_…_usage``. Sites may export only some of them."""

_fill = partial(fill_template, "chrysaetos.federation")


def recording_rules(interval: str) -> str:
    """Return the file of recording rules.

    Args:
        interval: the evaluation interval; at most ``MAX_INTERVAL``.
    """
    # The 30-day rules cost more, so they are evaluated half as often, if possible.
    doubled = 2 * duration_milliseconds(interval)
    slower = "4m" if doubled >= MAX_INTERVAL else f"{doubled}ms"
    values = {"INTERVAL": interval, "KEY": KEY, "SLOWER": slower}
    resources = [_fill("rules/usage-resource.yml", {**values, "RESOURCE": each}) for each in RESOURCES]
    return _fill("rules/usage.yml", {**values, "RESOURCES": "".join(resources)})


def alert_rules() -> str:
    """Return the file of alerting rules."""
    return _fill("rules/alerts.yml", {"JOB_PREFIX": JOB_PREFIX})


def credit_rules(interval: str) -> str:
    """Return the file of rules for credits.

    Args:
        interval: the evaluation interval.
    """
    return _fill("rules/credits.yml", {"INTERVAL": interval, "KEY": KEY})


def quota_rules(interval: str) -> str:
    """Return the file of rules for quotas.

    Args:
        interval: the evaluation interval.
    """
    return _fill("rules/quotas.yml", {"INTERVAL": interval, "KEY": KEY})

"""The portal's recording and alerting rules.

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
at its first total.

Each project is one series, identified by (location, location_id, domain_id, project_id). Names are not part
of this key, so a renamed project continues its series, and projects with the same name at two sites are two
series. If a project has several series at a time (two exporters, or an old name that an exporter still
reports), the highest total counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from chrysaetos.federation.registry import MAX_INTERVAL
from chrysaetos.promql.units import duration_milliseconds
from chrysaetos.scaffold import yaml_scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "JOB_PREFIX",
    "KEY",
    "RESOURCES",
    "Rule",
    "alert_rules",
    "alerts",
    "group",
    "monthly",
    "names",
    "recording_rules",
    "recordings",
    "rule_file",
]

JOB_PREFIX = "site-"
"""The name of the job that scrapes a site's gate is this prefix and the site's name."""
KEY = "location, location_id, domain_id, project_id"
RESOURCES = ("vcpu", "mb", "volume_gb", "floating_ip")
"""The billed resources; the metric of each is ``project_…_usage``. Sites may export only some of them."""

_LEVELS = {"location": "location, location_id", "domain": "location, location_id, domain_id"}
_HOURS_OF_DAY = "23h59m59s999ms:1h"
"""24 full hours at any time of evaluation. Before Prometheus 3, a range included its left end."""
_HOURS_OF_MONTH = "29d23h59m59s999ms:1h"
_GATES = f'up{{job=~"{JOB_PREFIX}.+"}}'


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording or alerting rule.

    Attributes:
        name: name of the recorded metric or of the alert.
        expression: PromQL.
        description: comment of a recording rule, or summary of an alert.
        hold: how long an alert's expression must hold before the alert fires; None for a recording rule.
        severity: severity of an alert.
    """

    name: str
    expression: str
    description: str
    hold: str | None = None
    severity: str = "warning"


def recordings(resource: str) -> Iterator[Rule]:
    """Yield the recording rules of a resource, in the order of evaluation."""
    own = f"project:{resource}_usage"
    yield Rule(f"{own}:total", f"max by ({KEY}) (project_{resource}_usage)", "hours since the start date")
    yield Rule(f"{own}:high1d", f"max_over_time({own}:total[1d])", "the highest total of the last day")
    yield Rule(
        f"{own}:base1h",
        f"{own}:high1d offset 1h\n"
        f"or last_over_time({own}:high1d[1w:1h] offset 1h)\n"
        f"or min_over_time({own}:total[1h])",
        "high1d an hour ago, or its last known value, or the project's first total",
    )
    yield Rule(
        f"{own}:increase1h",
        f"clamp_min({own}:high1d - {own}:base1h, 0)",
        "usage of the last hour; a sum over full hours covers each moment once",
    )
    yield Rule(
        f"{own}:increase1d",
        f"sum_over_time({own}:increase1h[{_HOURS_OF_DAY}])",
        "usage of the last 24 full hours; at midnight (UTC), the usage of the day",
    )
    yield Rule(
        f"{own}:burn1h",
        f"clamp_min(deriv({own}:total[1h]), 0) * 3600 and {own}:total",
        "current usage of the current projects: hours per hour",
    )
    yield from _by_level(resource, "increase1d", "burn1h")


def monthly(resource: str) -> Iterator[Rule]:
    """Yield the recording rules of a resource over 30 days."""
    own = f"project:{resource}_usage"
    yield Rule(
        f"{own}:increase30d",
        f"sum_over_time({own}:increase1h[{_HOURS_OF_MONTH}])",
        "usage of the last 30 days of full hours",
    )
    yield from _by_level(resource, "increase30d")


def _by_level(resource: str, *names: str) -> Iterator[Rule]:
    for level, labels in _LEVELS.items():
        for name in names:
            expression = f"sum by ({labels}) (project:{resource}_usage:{name})"
            yield Rule(f"{level}:{resource}_usage:{name}", expression, f"{name} by {level}")


def names() -> Iterator[Rule]:
    """Yield the rule that records each project's current name, to be joined with ``group_left``."""
    present = f"topk by ({KEY}) (1, max by ({KEY}, project_name, domain_name) (project_vcpu_usage))"
    yield Rule(
        "project:name:info",
        f"(0 * {present} + 1)\n"
        f"or (project:name:info unless on ({KEY}) project_vcpu_usage)\n"
        f"  and on ({KEY}) project:vcpu_usage:increase30d",
        "1 for each project, with its current name; kept for 30 days after the project disappears",
    )


def alerts() -> Iterator[Rule]:
    """Yield the alerting rules."""
    on_location = "on (location, location_id)"
    yield Rule(
        "SiteGateRefused",
        f"{_GATES} == 0",
        "Scraping the site {{ $labels.location }} fails: its gate is down, it rejects the token or the "
        "query, or the response is too large. Prometheus' targets page shows the reason.",
        hold="10m",
        severity="critical",
    )
    yield Rule(
        "SiteStale",
        f"({_GATES} == 1) unless {on_location} project_vcpu_usage",
        "The gate of {{ $labels.location }} responds without usage: the site's exporter or its Prometheus is "
        "down, or the exporter's usage is outdated.",
        hold="15m",
        severity="critical",
    )
    yield Rule(
        "SiteExporterFailing",
        'up{job="project_usages"} == 0 or usage_exporter_up == 0 or usage_exporter_problem == 1',
        "The exporter of {{ $labels.location }} is down or cannot update its usage {{ $labels.reason }}.",
        hold="15m",
    )
    yield Rule(
        "SiteUsageOld",
        "time() - max by (location, location_id) (usage_exporter_counted_until_timestamp_seconds > 0) > 3600",
        "The usage of {{ $labels.location }} is {{ $value | humanizeDuration }} old.",
        hold="15m",
    )
    yield Rule(
        "SiteTotalsFell",
        "count by (location, location_id) (project:vcpu_usage:total < project:vcpu_usage:high1d) > 0",
        "Totals of {{ $value }} projects of {{ $labels.location }} are lower than they were in the last day. "
        "If this lasts longer than a day, it counts as a reset.",
        hold="1h",
    )
    yield Rule(
        "SiteProjectsOfOneId",
        "count by (location, location_id) (count by (location, location_id, project_id) "
        "(count by (location, location_id, project_id, project_name) (project_vcpu_usage)) > 1) > 0",
        "{{ $value }} projects of {{ $labels.location }} have several names at the same time, and only the "
        "name with the highest usage counts. If the site splits a project by server tags, add the site with "
        "--simple-vm-id.",
        hold="15m",
    )


def recording_rules(interval: str) -> str:
    """Return the file of recording rules.

    Args:
        interval: the evaluation interval; at most ``MAX_INTERVAL``.
    """
    groups = []
    for resource in RESOURCES:
        groups.append(group(f"usage-{resource}", recordings(resource), interval))
        groups.append(group(f"usage-{resource}-month", monthly(resource), _slower(interval)))
    return rule_file(
        "Project usage: recording rules, explained in docs/explanation/usage-accounting.md.",
        *groups,
        group("usage-names", names(), interval),
    )


def alert_rules() -> str:
    """Return the file of alerting rules."""
    return rule_file("Project usage: alerting rules.", group("usage-alerts", alerts(), None))


def _slower(interval: str) -> str:
    """Return the evaluation interval of the 30-day rules, which cost more: twice as long, if possible."""
    doubled = 2 * duration_milliseconds(interval)
    return "4m" if doubled >= MAX_INTERVAL else f"{doubled}ms"


def rule_file(title: str, *groups: Iterable[str]) -> str:
    """Return a file of rules.

    Args:
        title: a comment at its start.
        groups: the lines of its groups, from ``group``.
    """
    return "\n".join([f"# {title}", "groups:", *chain.from_iterable(groups)]) + "\n"


def group(name: str, rules: Iterable[Rule], interval: str | None) -> Iterator[str]:
    """Yield the lines of a group of rules."""
    yield f"  - name: {name}"
    if interval is not None:
        yield f"    interval: {interval}"
    yield "    rules:"
    for rule in rules:
        if rule.hold is None:
            yield f"      # {rule.description}"
            yield f"      - record: {rule.name}"
        else:
            yield f"      - alert: {rule.name}"
        yield "        expr: |"
        yield from (f"          {line}" for line in rule.expression.splitlines())
        if rule.hold is not None:
            yield f"        for: {rule.hold}"
            yield "        labels:"
            yield f"          severity: {rule.severity}"
            yield "        annotations:"
            yield f"          summary: {yaml_scalar(rule.description)}"

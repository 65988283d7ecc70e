"""The portal's recording and alerting rules.

What sites send are totals since a start date, one series for each project. They rise, but for three things:

- a **dip**: the exporter has answered less for a while, then the total is where it would be. What it rises
  by on its way back is no use, and must not be billed;
- a **reset**: the total is lower for good, since the start date is another, or servers vanished from the
  count. What it rises by from then on is use;
- a **gap**: there are no samples for a while, and what was used meanwhile has to be billed afterwards.

A dip and a reset look the same until one has ended, so a time has to decide: here a day. ``high1d``, the
highest total of the last day, does not see shorter dips, and follows a reset a day later. So nothing is
billed twice, and after a reset the use of one day is not billed.

``increase1h`` is what ``high1d`` has risen by in an hour, and where nothing was known an hour ago, since it
was last known at a full hour within a week. Taken at the full hours, the sums of ``increase1h`` cover each
moment once, whatever was missing in between. A project that has not been seen before begins with what it
has then.

One project is one series, keyed by (location, location_id, domain_id, project_id): names are not part of
it. So a project that is renamed goes on, and projects of one name on two sites are two. Of several series
of one project at one time (two exporters; the old name that an exporter still shows) the highest counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.federation.scaffold import scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "JOB_PREFIX",
    "KEY",
    "RESOURCES",
    "Rule",
    "alert_rules",
    "alerts",
    "monthly",
    "names",
    "recording_rules",
    "recordings",
]

JOB_PREFIX = "site-"
"""Before the site's name, in the job that scrapes its gate."""
KEY = "location, location_id, domain_id, project_id"
RESOURCES = ("vcpu", "mb")
"""What is billed: ``project_…_usage`` of each."""

_LEVELS = {"location": "location, location_id", "domain": "location, location_id, domain_id"}
_MONTH_INTERVAL = "4m"
_HOURS_OF_DAY = "23h59m59s999ms:1h"
"""24 full hours at whatever time. Before Prometheus 3 a range had its left end, too."""
_HOURS_OF_MONTH = "29d23h59m59s999ms:1h"
_GATES = f'up{{job=~"{JOB_PREFIX}.+"}}'


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording or alerting rule.

    Attributes:
        name: what is recorded, or the alert's name.
        expression: PromQL.
        why: for a comment, or for people who get the alert.
        wait: how long an alert's expression holds before it fires; None for a recording.
        severity: of an alert.
    """

    name: str
    expression: str
    why: str
    wait: str | None = None
    severity: str = "warning"


def recordings(resource: str) -> Iterator[Rule]:
    """What is recorded of a resource, in the order of evaluation."""
    own = f"project:{resource}_usage"
    yield Rule(f"{own}:total", f"max by ({KEY}) (project_{resource}_usage)", "hours since the start date")
    yield Rule(f"{own}:high1d", f"max_over_time({own}:total[1d])", "the highest total of the last day")
    yield Rule(
        f"{own}:base1h",
        f"{own}:high1d offset 1h\n"
        f"or last_over_time({own}:high1d[1w:1h] offset 1h)\n"
        f"or min_over_time({own}:total[1h])",
        "that an hour ago, or when it was last known, or where it began",
    )
    yield Rule(
        f"{own}:increase1h",
        f"clamp_min({own}:high1d - {own}:base1h, 0)",
        "use of the last hour; a sum over full hours covers each moment once",
    )
    yield Rule(
        f"{own}:increase1d",
        f"sum_over_time({own}:increase1h[{_HOURS_OF_DAY}])",
        "use of the last 24 full hours; at midnight (UTC), of the day",
    )
    yield Rule(
        f"{own}:burn1h",
        f"clamp_min(deriv({own}:total[1h]), 0) * 3600",
        "what is used now: hours per hour",
    )
    yield from _by_level(resource, "increase1d", "burn1h")


def monthly(resource: str) -> Iterator[Rule]:
    """What is recorded of a resource over 30 days."""
    own = f"project:{resource}_usage"
    yield Rule(
        f"{own}:increase30d",
        f"sum_over_time({own}:increase1h[{_HOURS_OF_MONTH}])",
        "use of the last 30 days of full hours",
    )
    yield from _by_level(resource, "increase30d")


def _by_level(resource: str, *names: str) -> Iterator[Rule]:
    for level, labels in _LEVELS.items():
        for name in names:
            expression = f"sum by ({labels}) (project:{resource}_usage:{name})"
            yield Rule(f"{level}:{resource}_usage:{name}", expression, f"the same by {level}")


def names() -> Iterator[Rule]:
    """The present name of each project, to be joined with ``group_left``."""
    present = f"topk by ({KEY}) (1, max by ({KEY}, project_name, domain_name) (project_vcpu_usage))"
    yield Rule(
        "project:name:info",
        f"(0 * {present} + 1)\n"
        f"or (project:name:info unless on ({KEY}) project_vcpu_usage)\n"
        f"  and on ({KEY}) project:vcpu_usage:increase30d",
        "1 with the name of each project; the last one for 30 days after it has gone",
    )


def alerts() -> Iterator[Rule]:
    """The alerts."""
    on_location = "on (location, location_id)"
    yield Rule(
        "SiteGateRefused",
        f"{_GATES} == 0",
        "The site {{ $labels.location }} does not answer: its gate is down, refuses the token or the "
        "query, or the answer is too large. Prometheus' page of targets says which.",
        wait="10m",
        severity="critical",
    )
    yield Rule(
        "SiteStale",
        f"({_GATES} == 1) unless {on_location} project_vcpu_usage",
        "The gate of {{ $labels.location }} answers, and has no usage: its Prometheus or exporter is down, "
        "or the exporter shows nothing since it is too old.",
        wait="15m",
        severity="critical",
    )
    yield Rule(
        "SiteExporterFailing",
        'up{job="project_usages"} == 0 or usage_exporter_up == 0 or usage_exporter_problem == 1',
        "The exporter of {{ $labels.location }} is down or its updates fail {{ $labels.reason }}.",
        wait="15m",
    )
    yield Rule(
        "SiteUsageOld",
        "time() - max by (location, location_id) (usage_exporter_counted_until_timestamp_seconds > 0) > 3600",
        "The usage of {{ $labels.location }} counts up to {{ $value | humanizeDuration }} ago.",
        wait="15m",
    )
    yield Rule(
        "SiteTotalsFell",
        "count by (location, location_id) (project:vcpu_usage:total < project:vcpu_usage:high1d) > 0",
        "Totals of {{ $value }} projects of {{ $labels.location }} are lower than they were in the last day. "
        "If that lasts for longer than a day it counts as a new start.",
        wait="1h",
    )
    yield Rule(
        "SiteProjectsOfOneId",
        "count by (location, location_id) (count by (location, location_id, project_id) "
        "(count by (location, location_id, project_id, project_name) (project_vcpu_usage)) > 1) > 0",
        "{{ $value }} projects of {{ $labels.location }} have several names at a time. If it splits one "
        "by the tags of servers, add the site with --simple-vm-id: now only the largest of them counts.",
        wait="15m",
    )


def recording_rules(interval: str) -> str:
    """The file of recording rules.

    Args:
        interval: how often they are evaluated.
    """
    lines = [
        "# Project usage: what is recorded. docs/explanation/usage-accounting.md says how it counts.",
        "groups:",
    ]
    for resource in RESOURCES:
        lines += _group(f"usage-{resource}", recordings(resource), interval)
        lines += _group(f"usage-{resource}-month", monthly(resource), _slower(interval))
    lines += _group("usage-names", names(), interval)
    return "\n".join(lines) + "\n"


def alert_rules() -> str:
    """The file of alerting rules."""
    lines = [
        "# Project usage: what somebody should know.",
        "groups:",
        *_group("usage-alerts", alerts(), None),
    ]
    return "\n".join(lines) + "\n"


def _slower(interval: str) -> str:
    """Months are heavier to sum up than days."""
    return _MONTH_INTERVAL if interval.endswith("m") else interval


def _group(name: str, rules: Iterator[Rule], interval: str | None) -> Iterator[str]:
    yield f"  - name: {name}"
    if interval is not None:
        yield f"    interval: {interval}"
    yield "    rules:"
    for rule in rules:
        if rule.wait is None:
            yield f"      # {rule.why}"
            yield f"      - record: {rule.name}"
        else:
            yield f"      - alert: {rule.name}"
        yield "        expr: |"
        yield from (f"          {line}" for line in rule.expression.splitlines())
        if rule.wait is not None:
            yield f"        for: {rule.wait}"
            yield "        labels:"
            yield f"          severity: {rule.severity}"
            yield "        annotations:"
            yield f"          summary: {scalar(rule.why)}"

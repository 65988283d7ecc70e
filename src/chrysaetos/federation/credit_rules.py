"""Recording and alerting rules for credits, the same at a site and at a portal.

The exporter charges usage to the grants and exports the result, so the rules only choose one series for each
project, drop the names, and estimate when the credits end. At a site, the projects inside a SimpleVM project
have one id, and differ in the label ``part``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.federation.rules import KEY, Rule, group, rule_file

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["credit_alerts", "credit_recordings", "credit_rules"]


def credit_recordings() -> Iterator[Rule]:
    """Yield the recording rules, in the order of evaluation."""
    for name, text in (
        ("granted", "hours of the grants that have not expired"),
        ("used", "hours used since the first grant"),
        ("left", "hours that are left; below 0 if more was used than granted"),
    ):
        expression = f"max by ({KEY}, part, resource) (usage_exporter_credits_{name}_hours)"
        yield Rule(f"project:credits:{name}", expression, text)
    yield Rule(
        "project:credits:left_ratio",
        "project:credits:left / (project:credits:granted > 0)",
        "the part of the grants that is left",
    )
    yield Rule(
        "project:credits:burn1d",
        "clamp_min(deriv(project:credits:used[1d]), 0) * 3600",
        "hours used per hour, over the last day",
    )
    yield Rule(
        "project:credits:end_timestamp_seconds",
        "time() + 3600 * clamp_min(project:credits:left, 0) / (project:credits:burn1d > 0)",
        "when the credits end if the usage stays as it was in the last day",
    )


def credit_alerts() -> Iterator[Rule]:
    """Yield the alerting rules: at most one fires for a project and a resource."""
    left = "project:credits:left"
    where = "Project {{ $labels.project_id }}{{ with $labels.part }}/{{ . }}{{ end }} {{ $labels.location }}"
    for name, expression, severity in (
        ("CreditsBelow20Percent", f"{left}_ratio <= 0.2 > 0.1", "info"),
        ("CreditsBelow10Percent", f"{left}_ratio <= 0.1 > 0", "warning"),
    ):
        rest = "{{ $value | humanizePercentage }} of its {{ $labels.resource }} credits"
        summary = f"{where} has {rest} left."
        yield Rule(name, expression, summary, hold="5m", severity=severity)
    yield Rule(
        "CreditsUsedUp",
        f"{left} <= 0",
        f"{where} has no {{{{ $labels.resource }}}} credits left: they are used or have expired.",
        hold="5m",
        severity="critical",
    )


def credit_rules(interval: str) -> str:
    """Return the file of rules.

    Args:
        interval: the evaluation interval.
    """
    return rule_file(
        "Credits of projects: recording and alerting rules.",
        group("credits", credit_recordings(), interval),
        group("credits-alerts", credit_alerts(), interval),
    )

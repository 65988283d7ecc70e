"""Recording and alerting rules for quotas, the same at a site and at a portal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.federation.rules import KEY, Rule, group, rule_file

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["quota_alerts", "quota_recordings", "quota_rules"]


def quota_recordings() -> Iterator[Rule]:
    """Yield the recording rules, in the order of evaluation."""
    for name, text in (
        ("limit", "the limit of the project's quota; +Inf if there is none"),
        ("used", "what the project uses of its quota"),
    ):
        expression = f"max by ({KEY}, service, resource) (usage_exporter_quota_{name})"
        yield Rule(f"project:quota:{name}", expression, text)
    yield Rule(
        "project:quota:used_ratio",
        "project:quota:used / (project:quota:limit > 0)",
        "the part of the quota that is used; 0 if there is no limit",
    )


def quota_alerts() -> Iterator[Rule]:
    """Yield the alerting rule."""
    yield Rule(
        "QuotaNearlyUsedUp",
        "project:quota:used_ratio >= 0.9",
        "Project {{ $labels.project_id }} {{ $labels.location }} uses "
        "{{ $value | humanizePercentage }} of its quota of {{ $labels.resource }} ({{ $labels.service }}).",
        hold="1h",
        severity="info",
    )


def quota_rules(interval: str) -> str:
    """Return the file of rules.

    Args:
        interval: the evaluation interval.
    """
    return rule_file(
        "Quotas of projects: recording and alerting rules.",
        group("quotas", quota_recordings(), interval),
        group("quotas-alerts", quota_alerts(), interval),
    )

"""The rules of the sample cloud: what Prometheus records of each tenant, and of what it warns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrysaetos.demo.cloud import Tenant

__all__ = ["rule_groups"]

_SERVER = "project, resource, resource_name"


def rule_groups(tenants: Sequence[Tenant]) -> list[dict[str, Any]]:
    """Return the groups of a rule file: one for each tenant, whose rules select its series only."""
    return [_group(tenant) for tenant in tenants]


def _group(tenant: Tenant) -> dict[str, Any]:
    own = f'project="{tenant.project_id}"'
    labels = {"project": tenant.project_id, "severity": "warning"}
    buckets = f"rate(http_server_request_duration_seconds_bucket{{{own}}}[5m])"
    busy = f"sum by ({_SERVER}) (rate(ceilometer_cpu{{{own}}}[5m])) / 1e9"
    return {
        "name": tenant.name,
        "interval": "15s",
        "rules": [
            {
                "alert": "SlowRequests",
                "expr": f"histogram_quantile(0.95, sum by ({_SERVER}, le) ({buckets})) > 0.3",
                "for": "30s",
                "labels": labels,
                "annotations": {
                    "summary": "{{ $labels.resource_name }}: 95 % of the requests take up to "
                    "{{ $value | humanizeDuration }}."
                },
            },
            {
                "alert": "ServerBusy",
                "expr": f"{busy} / sum by ({_SERVER}) (ceilometer_vcpus{{{own}}}) > 0.9",
                "for": "5m",
                "labels": labels,
                "annotations": {"summary": "{{ $labels.resource_name }} uses more than 90 % of its vCPUs."},
            },
            {
                "record": "project:cpu:vcpus",
                "expr": f"sum by (project) ({busy})",
                "labels": {"project": tenant.project_id},
            },
        ],
    }

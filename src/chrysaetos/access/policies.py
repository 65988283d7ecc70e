"""The policy rules: names, defaults and what each is for.

The names that Aetos has mean what they mean there, so its deployments' policy files work as they are.
Endpoints that Aetos does not have get rules of their own. Their defaults refer to the rule of ``query``,
which guards the same data: a deployment that narrowed that rule has narrowed these, too.

No rule names scope types (system, domain, project). The defaults ask for a token with a project all the
same, and an operator can let other tokens in by the check alone.
"""

from __future__ import annotations

from typing import Any, Final

from oslo_policy import policy

__all__ = ["ALL_PROJECTS", "list_rules"]

ALL_PROJECTS: Final = ":all_projects"
"""What stands behind a rule's name for callers whose requests are not scoped."""

_READER: Final = "(role:reader or role:member) and project_id:%(project_id)s"
_ADMIN_OR_SERVICE: Final = "(role:admin or role:service) and project_id:%(project_id)s"

_OPERATIONS: Final = {
    "query": ("Instant queries", ("GET", "POST"), "/api/v1/query"),
    "query_range": ("Range queries", ("GET", "POST"), "/api/v1/query_range"),
    "query_exemplars": ("Exemplars", ("GET", "POST"), "/api/v1/query_exemplars"),
    "federate": ("Federation: the latest samples of series", ("GET",), "/federate"),
    "series": ("Finding series", ("GET", "POST"), "/api/v1/series"),
    "labels": ("Names of labels", ("GET", "POST"), "/api/v1/labels"),
    "label": ("Values of a label", ("GET",), "/api/v1/label/{name}/values"),
    "format_query": ("Formatting a query, without any data", ("GET", "POST"), "/api/v1/format_query"),
    "buildinfo": ("The version of Prometheus", ("GET",), "/api/v1/status/buildinfo"),
}

_INHERITED: Final = {
    "query_range": "query",
    "query_exemplars": "query",
    "federate": "query",
    "format_query": "query",
    "buildinfo": "query",
}


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """All rules, for oslo.policy's enforcer and its command line tools."""
    rules: list[policy.DocumentedRuleDefault] = []
    for name, (what, methods, path) in _OPERATIONS.items():
        operations: Any = [{"path": path, "method": method} for method in methods]
        for suffix, check, whose in (
            ("", _READER, "within the caller's project"),
            (ALL_PROJECTS, _ADMIN_OR_SERVICE, "across all projects"),
        ):
            parent = _INHERITED.get(name)
            rules.append(
                policy.DocumentedRuleDefault(
                    name=f"telemetry:{name}{suffix}",
                    check_str=check if parent is None else f"rule:telemetry:{parent}{suffix}",
                    description=f"{what}, {whose}.",
                    operations=operations,
                )
            )
    return rules

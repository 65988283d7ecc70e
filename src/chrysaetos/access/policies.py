"""The policy rules, derived from the endpoint table.

Rules that Aetos has keep their names and meaning, so existing policy files work unchanged. The defaults of
the other rules refer to the rules of Aetos that guard the same data, so narrowing those narrows these.

No rule names scope types (system, domain, project). The defaults require a token with a project. Operators
can admit other tokens by the check alone: ``system_scope:all`` in a rule for all projects, or
``domain_id:%(domain_id)s`` in a rule for the own project, which then grants the projects of the domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from oslo_policy import policy

from chrysaetos.tenancy.endpoints import ENDPOINTS, Action

if TYPE_CHECKING:
    from chrysaetos.tenancy.endpoints import Endpoint

__all__ = ["list_rules"]

_READER: Final = "(role:reader or role:member) and project_id:%(project_id)s"
_ADMIN: Final = "role:admin and project_id:%(project_id)s"
_ADMIN_OR_SERVICE: Final = "(role:admin or role:service) and project_id:%(project_id)s"
_NOBODY: Final = "!"
_TARGETS: Final = "rule:telemetry:targets and rule:telemetry:query:all_projects"
_STATUS: Final = "rule:telemetry:status and rule:telemetry:query:all_projects"

_CHECKS: Final = {
    # The rules of Aetos.
    **{f"telemetry:{name}": _READER for name in ("query", "series", "labels", "label")},
    **{
        f"telemetry:{name}:all_projects": _ADMIN_OR_SERVICE for name in ("query", "series", "labels", "label")
    },
    "telemetry:targets": _ADMIN_OR_SERVICE,
    "telemetry:status": _ADMIN_OR_SERVICE,
    "telemetry:admin_delete_metrics": _ADMIN,
    "telemetry:admin_clean_tombstones": _ADMIN,
    "telemetry:admin_snapshot": _ADMIN,
    # Rules that cannot be derived from the table.
    "telemetry:admin_delete_metrics:own_project": _NOBODY,
    "telemetry:targets_metadata": _TARGETS,
    "telemetry:targets_relabel_steps": _TARGETS,
    "telemetry:scrape_pools": _TARGETS,
}
"""The check of each rule that does not refer to another rule."""

_PARENTS: Final = {
    "search_metric_names": "label",
    "search_label_names": "labels",
    "search_label_values": "label",
}
"""Endpoints that guard the same data as an endpoint other than ``query``."""


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Return all rules, for oslo.policy's enforcer and its command line tools."""
    return [_rule(endpoint, name) for endpoint in ENDPOINTS if endpoint.guarded for name in endpoint.rules]


def _rule(endpoint: Endpoint, name: str) -> policy.DocumentedRuleDefault:
    operations: Any = [{"path": endpoint.path, "method": method} for method in endpoint.methods]
    return policy.DocumentedRuleDefault(
        name=name,
        check_str=_CHECKS.get(name) or _inherited(endpoint, name),
        description=f"{endpoint.summary}{_extent(endpoint, name)}.",
        operations=operations,
    )


def _inherited(endpoint: Endpoint, name: str) -> str:
    """Return the check of a rule that refers to the rules for the same data."""
    if endpoint.action is Action.OPERATOR:
        return _STATUS
    suffix = ":all_projects" if name == endpoint.all_rule else ""
    return f"rule:telemetry:{_PARENTS.get(endpoint.name, 'query')}{suffix}"


def _extent(endpoint: Endpoint, name: str) -> str:
    if endpoint.own_rule is None:
        return ""
    return ", across all projects" if name == endpoint.all_rule else ", within the caller's project"

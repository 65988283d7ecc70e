"""The policy rules: names, defaults and what each is for.

The names that Aetos has mean what they mean there, so its deployments' policy files work as they are.
Endpoints that Aetos does not have get rules of their own. Their defaults refer to the rules of Aetos that
guard the same data: a deployment that narrowed those has narrowed these, too.

No rule names scope types (system, domain, project). The defaults ask for a token with a project all the
same, and an operator can let other tokens in by the check alone: ``system_scope:all`` in a rule for all
projects, ``domain_id:%(domain_id)s`` in a rule for the own project, which then means those of the domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from oslo_policy import policy

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["list_rules"]

_READER: Final = "(role:reader or role:member) and project_id:%(project_id)s"
_ADMIN: Final = "role:admin and project_id:%(project_id)s"
_ADMIN_OR_SERVICE: Final = "(role:admin or role:service) and project_id:%(project_id)s"

_GET: Final = ("GET",)
_GET_POST: Final = ("GET", "POST")
_POST_PUT: Final = ("POST", "PUT")

# Name, what it is for, methods, path, and whose rules are the default: None for those of Aetos itself.
_SCOPED: Final = (
    ("query", "Instant queries", _GET_POST, "/api/v1/query", None),
    ("query_range", "Range queries", _GET_POST, "/api/v1/query_range", "query"),
    ("query_exemplars", "Exemplars", _GET_POST, "/api/v1/query_exemplars", "query"),
    ("federate", "Federation: the latest samples of series", _GET, "/federate", "query"),
    ("read", "Remote read: samples of series", ("POST",), "/api/v1/read", "query"),
    ("series", "Finding series", _GET_POST, "/api/v1/series", None),
    ("labels", "Names of labels", _GET_POST, "/api/v1/labels", None),
    ("label", "Values of a label", _GET, "/api/v1/label/{name}/values", None),
    ("search_metric_names", "Searching metrics", _GET_POST, "/api/v1/search/metric_names", "label"),
    ("search_label_names", "Searching names of labels", _GET_POST, "/api/v1/search/label_names", "labels"),
    ("search_label_values", "Searching values of a label", _GET_POST, "/api/v1/search/label_values", "label"),
    ("metadata", "Types, units and help texts of metrics", _GET, "/api/v1/metadata", "query"),
    ("rules", "Recording and alerting rules", _GET, "/api/v1/rules", "query"),
    ("alerts", "Active alerts", _GET, "/api/v1/alerts", "query"),
    ("format_query", "Formatting a query, without any data", _GET_POST, "/api/v1/format_query", "query"),
    ("parse_query", "The tree of a query, without any data", _GET_POST, "/api/v1/parse_query", "query"),
    ("features", "What Prometheus has switched on", _GET, "/api/v1/features", "query"),
    ("buildinfo", "The version of Prometheus", _GET, "/api/v1/status/buildinfo", "query"),
)

_STATUS: Final = "rule:telemetry:status and rule:telemetry:query:all_projects"
_TARGETS: Final = "rule:telemetry:targets and rule:telemetry:query:all_projects"

# Rules that stand alone: name, check, description, methods, path.
_SINGLE: Final = (
    ("targets", _ADMIN_OR_SERVICE, "Scrape targets, all of them.", _GET, "/api/v1/targets"),
    (
        "targets:own_project",
        "rule:telemetry:query",
        "Scrape targets whose labels carry the caller's project.",
        _GET,
        "/api/v1/targets",
    ),
    (
        "targets_metadata",
        _TARGETS,
        "Metadata of the metrics of all targets.",
        _GET,
        "/api/v1/targets/metadata",
    ),
    (
        "targets_relabel_steps",
        _TARGETS,
        "How the labels of a target came about.",
        _GET,
        "/api/v1/targets/relabel_steps",
    ),
    ("scrape_pools", _TARGETS, "Names of all scrape pools.", _GET, "/api/v1/scrape_pools"),
    (
        "scrape_pools_config",
        _STATUS,
        "Configuration of a scrape pool.",
        _GET,
        "/api/v1/scrape_pools/config",
    ),
    ("alertmanagers", _STATUS, "Alertmanagers that Prometheus knows.", _GET, "/api/v1/alertmanagers"),
    (
        "status",
        _ADMIN_OR_SERVICE,
        "Runtime information of Prometheus.",
        _GET,
        "/api/v1/status/runtimeinfo",
    ),
    ("status_config", _STATUS, "Configuration of Prometheus.", _GET, "/api/v1/status/config"),
    ("status_flags", _STATUS, "Flags that Prometheus runs with.", _GET, "/api/v1/status/flags"),
    ("status_tsdb", _STATUS, "Statistics of the store.", _GET, "/api/v1/status/tsdb"),
    ("status_tsdb_blocks", _STATUS, "Blocks of the store.", _GET, "/api/v1/status/tsdb/blocks"),
    (
        "status_walreplay",
        _STATUS,
        "State of the replay of the write-ahead log.",
        _GET,
        "/api/v1/status/walreplay",
    ),
    ("status_self_metrics", _STATUS, "Prometheus' own metrics.", _GET, "/api/v1/status/self_metrics"),
    ("notifications", _STATUS, "Notifications of Prometheus.", _GET, "/api/v1/notifications"),
    (
        "notifications_live",
        _STATUS,
        "Notifications of Prometheus, as they come.",
        _GET,
        "/api/v1/notifications/live",
    ),
    (
        "admin_delete_metrics",
        _ADMIN,
        "Delete series, of all projects.",
        _POST_PUT,
        "/api/v1/admin/tsdb/delete_series",
    ),
    (
        "admin_delete_metrics:own_project",
        "!",
        "Delete series of the caller's project. Nobody may, unless this is set.",
        _POST_PUT,
        "/api/v1/admin/tsdb/delete_series",
    ),
    (
        "admin_clean_tombstones",
        _ADMIN,
        "Remove deleted data from the disk.",
        _POST_PUT,
        "/api/v1/admin/tsdb/clean_tombstones",
    ),
    (
        "admin_snapshot",
        _ADMIN,
        "Take a snapshot of the store, on the disk of Prometheus.",
        _POST_PUT,
        "/api/v1/admin/tsdb/snapshot",
    ),
)


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """All rules, for oslo.policy's enforcer and its command line tools."""
    return [
        _rule(name, check, description, methods, path)
        for name, check, description, methods, path in (*_pairs(), *_SINGLE)
    ]


def _pairs() -> Iterator[tuple[str, str, str, tuple[str, ...], str]]:
    for name, what, methods, path, parent in _SCOPED:
        for suffix, check, whose in (
            ("", _READER, "within the caller's project"),
            (":all_projects", _ADMIN_OR_SERVICE, "across all projects"),
        ):
            inherited = check if parent is None else f"rule:telemetry:{parent}{suffix}"
            yield f"{name}{suffix}", inherited, f"{what}, {whose}.", methods, path


def _rule(
    name: str, check: str, description: str, methods: tuple[str, ...], path: str
) -> policy.DocumentedRuleDefault:
    operations: Any = [{"path": path, "method": method} for method in methods]
    return policy.DocumentedRuleDefault(
        name=f"telemetry:{name}", check_str=check, description=description, operations=operations
    )

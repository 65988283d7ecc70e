"""The endpoint table: each path that the gateway serves.

A row has the path, its methods, policy rules and parameters, and what tenancy does with them. A path that is
not in the table is 404.

Source: Prometheus 3.16, ``web/api/v1/api.go`` (Register) and ``web/web.go``; documentation, "HTTP API".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from chrysaetos.errors import MethodNotAllowed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENDPOINTS", "Action", "Endpoint", "Kind", "Parameter"]


class Kind(Enum):
    """The kind of a parameter, which decides how it is scoped."""

    QUERY = "query"
    """An expression: scoped."""
    SELECTOR = "selector"
    """A vector selector: scoped."""
    TIME = "time"
    """Seconds since the epoch, or RFC 3339: checked."""
    DURATION = "duration"
    """Seconds, or Prometheus' duration: checked."""
    COUNT = "count"
    """A whole number, 0 or more: checked."""
    TEXT = "text"
    """Passed on as it is."""


class Action(Enum):
    """Who responds to a request, and how a scoped caller's request is restricted."""

    SCOPE = "scope"
    """The upstream responds. The parameters are scoped, so the response is relayed as it is."""
    FORWARD = "forward"
    """The upstream responds. The response contains no tenant's data."""
    FILTER = "filter"
    """The upstream responds. The gateway filters the response and applies the parameters itself."""
    READ = "read"
    """The upstream responds. The request's body is a remote read message, and its queries are scoped."""
    OPERATOR = "operator"
    """The upstream responds. Scoped callers are refused, even if the policy admits them."""
    INTROSPECT = "introspect"
    """The gateway responds to authenticated callers: who they are, and how it would scope a request."""
    PUBLIC = "public"
    """The gateway responds to everybody, without authentication."""
    WEB = "web"
    """The gateway responds to browsers: the web page, its log-in and its files. Only if it is enabled."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that a scoped caller may send. Other parameters are dropped.

    Attributes:
        name: its exact name.
        kind: its kind.
        required: whether it must be given.
        repeated: whether it may be given more than once. A repeated selector that is not given defaults to
            the scope.
        is_promql: whether it is scoped.
    """

    name: str
    kind: Kind
    required: bool = False
    repeated: bool = False
    is_promql: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_promql", self.kind in {Kind.QUERY, Kind.SELECTOR})


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One row of the table.

    Attributes:
        name: its name in policies, metrics and the audit log.
        path: its path; ``{name}`` is the name of a label.
        methods: the supported methods.
        summary: what it returns or does, as the start of a sentence.
        action: who responds.
        parameters: its parameters by name.
        own_rule: the policy rule for callers who see their own project; None if the endpoint is not for them.
        all_rule: the policy rule for callers who see everything.
        idempotent: whether a request may be sent to the upstream again after a failure.
        evaluates: whether the upstream evaluates the query; otherwise it takes only the selectors from it.
        expected: the parameters that are required, or default to the scope.
    """

    name: str
    path: str
    methods: tuple[str, ...]
    summary: str
    action: Action
    parameters: Mapping[str, Parameter]
    own_rule: str | None
    all_rule: str
    idempotent: bool = True
    evaluates: bool = False
    expected: tuple[Parameter, ...] = field(init=False)

    def __post_init__(self) -> None:
        parameters = self.parameters.values()
        expected = tuple(each for each in parameters if each.required or each.kind is Kind.SELECTOR)
        object.__setattr__(self, "expected", expected)

    @property
    def rule(self) -> str:
        """The weakest of the policy rules that admit a caller."""
        return self.own_rule or self.all_rule

    @property
    def rules(self) -> tuple[str, ...]:
        """Its policy rules. The one for callers who see their own project comes first, if there is one."""
        return (self.all_rule,) if self.own_rule is None else (self.own_rule, self.all_rule)

    @property
    def guarded(self) -> bool:
        """Whether its rules decide who is admitted. They do if the upstream responds."""
        return self.action not in {Action.INTROSPECT, Action.PUBLIC, Action.WEB}

    def check_method(self, method: str) -> None:
        """Check that it supports a method.

        Raises:
            MethodNotAllowed: the method is not supported.
        """
        if method not in self.methods:
            raise MethodNotAllowed(f"this path supports only {' and '.join(self.methods)}", self.methods)


_TELEMETRY = "telemetry:"

_GET = ("GET",)
_GET_POST = ("GET", "POST")
_GET_HEAD = ("GET", "HEAD")
_POST = ("POST",)
_POST_PUT = ("POST", "PUT")

_START_END = (Parameter("start", Kind.TIME), Parameter("end", Kind.TIME))
_LIMIT = Parameter("limit", Kind.COUNT)
_MATCH = Parameter("match[]", Kind.SELECTOR, repeated=True)
_QUERY = Parameter("query", Kind.QUERY, required=True)
_EVALUATION = (
    Parameter("timeout", Kind.DURATION),
    _LIMIT,
    Parameter("lookback_delta", Kind.DURATION),
    Parameter("stats", Kind.TEXT),
    Parameter("cost", Kind.TEXT),
    Parameter("max_series", Kind.COUNT),
    Parameter("max_samples_read", Kind.COUNT),
    Parameter("max_query_duration", Kind.DURATION),
)
"""``stats`` and ``cost`` count only what the scoped query reads."""
_INSTANT = (_QUERY, Parameter("time", Kind.TIME))
_RANGE = (
    _QUERY,
    Parameter("start", Kind.TIME, required=True),
    Parameter("end", Kind.TIME, required=True),
    Parameter("step", Kind.DURATION, required=True),
)

_SEARCH = (
    _MATCH,
    Parameter("search[]", Kind.TEXT, repeated=True),
    Parameter("fuzz_threshold", Kind.COUNT),
    Parameter("fuzz_alg", Kind.TEXT),
    Parameter("case_sensitive", Kind.TEXT),
    Parameter("include_score", Kind.TEXT),
    Parameter("sort_by", Kind.TEXT),
    Parameter("sort_dir", Kind.TEXT),
    Parameter("batch_size", Kind.COUNT),
    *_START_END,
    _LIMIT,
)
"""Without ``include_metadata``: a help text may be another tenant's."""


def _by_name(parameters: tuple[Parameter, ...]) -> Mapping[str, Parameter]:
    return {parameter.name: parameter for parameter in parameters}


def _row(
    name: str, path: str, methods: tuple[str, ...], summary: str, action: Action, *parameters: Parameter
) -> Endpoint:
    """Return a row whose rules are its name, and its name with ``:all_projects``."""
    rule = _TELEMETRY + name
    return Endpoint(name, path, methods, summary, action, _by_name(parameters), rule, f"{rule}:all_projects")


def _evaluation(name: str, summary: str, *parameters: Parameter) -> Endpoint:
    """Return a row of an endpoint that evaluates a query."""
    row = _row(name, f"/api/v1/{name}", _GET_POST, summary, Action.SCOPE, *parameters, *_EVALUATION)
    return replace(row, evaluates=True)


def _operator(name: str, path: str, summary: str, rule: str | None = None) -> Endpoint:
    """Return a row for operators."""
    return Endpoint(name, path, _GET, summary, Action.OPERATOR, {}, None, _TELEMETRY + (rule or name))


def _admin(name: str, rule: str, summary: str) -> Endpoint:
    """Return a row for operators that changes the store."""
    path = f"/api/v1/admin/tsdb/{name}"
    rule = _TELEMETRY + rule
    return Endpoint(name, path, _POST_PUT, summary, Action.OPERATOR, {}, None, rule, idempotent=False)


ENDPOINTS = (
    _evaluation("query", "Instant queries", *_INSTANT),
    _evaluation("query_range", "Range queries", *_RANGE),
    _evaluation("query_cost", "Estimates of what instant queries will read", *_INSTANT),
    _evaluation("query_range_cost", "Estimates of what range queries will read", *_RANGE),
    _row(
        "query_exemplars",
        "/api/v1/query_exemplars",
        _GET_POST,
        "Exemplars",
        Action.SCOPE,
        _QUERY,
        *_START_END,
    ),
    _row("series", "/api/v1/series", _GET_POST, "Series", Action.SCOPE, _MATCH, *_START_END, _LIMIT),
    _row("labels", "/api/v1/labels", _GET_POST, "Names of labels", Action.SCOPE, _MATCH, *_START_END, _LIMIT),
    _row(
        "label",
        "/api/v1/label/{name}/values",
        _GET,
        "Values of a label",
        Action.SCOPE,
        _MATCH,
        *_START_END,
        _LIMIT,
    ),
    _row(
        "search_metric_names",
        "/api/v1/search/metric_names",
        _GET_POST,
        "Search for metrics",
        Action.SCOPE,
        *_SEARCH,
    ),
    _row(
        "search_label_names",
        "/api/v1/search/label_names",
        _GET_POST,
        "Search for names of labels",
        Action.SCOPE,
        *_SEARCH,
    ),
    _row(
        "search_label_values",
        "/api/v1/search/label_values",
        _GET_POST,
        "Search for values of a label",
        Action.SCOPE,
        Parameter("label", Kind.TEXT, required=True),
        *_SEARCH,
    ),
    _row("federate", "/federate", _GET, "Federation: the latest samples of series", Action.SCOPE, _MATCH),
    _row("read", "/api/v1/read", _POST, "Remote read: samples of series", Action.READ),
    _row(
        "format_query",
        "/api/v1/format_query",
        _GET_POST,
        "Formatting of a query, without any data",
        Action.FORWARD,
        Parameter("query", Kind.TEXT),
    ),
    _row(
        "parse_query",
        "/api/v1/parse_query",
        _GET_POST,
        "The syntax tree of a query, without any data",
        Action.FORWARD,
        Parameter("query", Kind.TEXT),
    ),
    _row("features", "/api/v1/features", _GET, "Features that Prometheus has enabled", Action.FORWARD),
    _row("buildinfo", "/api/v1/status/buildinfo", _GET, "The version of Prometheus", Action.FORWARD),
    _row(
        "metadata",
        "/api/v1/metadata",
        _GET,
        "Types, units and help texts of metrics",
        Action.FILTER,
        Parameter("metric", Kind.TEXT),
        _LIMIT,
        Parameter("limit_per_metric", Kind.COUNT),
    ),
    _row(
        "rules",
        "/api/v1/rules",
        _GET,
        "Recording and alerting rules",
        Action.FILTER,
        Parameter("type", Kind.TEXT),
        Parameter("rule_name[]", Kind.TEXT, repeated=True),
        Parameter("rule_group[]", Kind.TEXT, repeated=True),
        Parameter("file[]", Kind.TEXT, repeated=True),
        Parameter("match[]", Kind.TEXT, repeated=True),
        Parameter("exclude_alerts", Kind.TEXT),
        Parameter("group_limit", Kind.COUNT),
        Parameter("group_next_token", Kind.TEXT),
    ),
    _row("alerts", "/api/v1/alerts", _GET, "Active alerts", Action.FILTER),
    # Aetos has telemetry:targets, which shows all targets.
    Endpoint(
        "targets",
        "/api/v1/targets",
        _GET,
        "Scrape targets",
        Action.FILTER,
        _by_name((Parameter("state", Kind.TEXT), Parameter("scrapePool", Kind.TEXT))),
        "telemetry:targets:own_project",
        "telemetry:targets",
    ),
    _operator("targets_metadata", "/api/v1/targets/metadata", "Metadata of the metrics of all targets"),
    _operator("targets_relabel_steps", "/api/v1/targets/relabel_steps", "The relabeling steps of a target"),
    _operator("scrape_pools", "/api/v1/scrape_pools", "Names of all scrape pools"),
    _operator("scrape_pools_config", "/api/v1/scrape_pools/config", "Configuration of a scrape pool"),
    _operator("alertmanagers", "/api/v1/alertmanagers", "Alertmanagers that Prometheus knows"),
    # The only status endpoint that Aetos has.
    _operator(
        "status_runtimeinfo", "/api/v1/status/runtimeinfo", "Runtime information of Prometheus", "status"
    ),
    _operator("status_config", "/api/v1/status/config", "Configuration of Prometheus"),
    _operator("status_flags", "/api/v1/status/flags", "Flags that Prometheus runs with"),
    _operator("status_tsdb", "/api/v1/status/tsdb", "Statistics of the TSDB"),
    _operator("status_tsdb_blocks", "/api/v1/status/tsdb/blocks", "Blocks of the TSDB"),
    _operator("status_walreplay", "/api/v1/status/walreplay", "State of the replay of the write-ahead log"),
    _operator("status_self_metrics", "/api/v1/status/self_metrics", "Prometheus' own metrics"),
    # It contains no tenant's data, but Prometheus' address. The gateway has its own document.
    _operator("prometheus_openapi", "/api/v1/openapi.yaml", "The API of Prometheus as an OpenAPI document"),
    _operator("notifications", "/api/v1/notifications", "Notifications of Prometheus"),
    _operator(
        "notifications_live", "/api/v1/notifications/live", "Notifications of Prometheus, as they occur"
    ),
    # The selector is required: with the scope alone, all series of a project would be deleted.
    Endpoint(
        "delete_series",
        "/api/v1/admin/tsdb/delete_series",
        _POST_PUT,
        "Deletion of series",
        Action.SCOPE,
        _by_name((Parameter("match[]", Kind.SELECTOR, required=True, repeated=True), *_START_END)),
        "telemetry:admin_delete_metrics:own_project",
        "telemetry:admin_delete_metrics",
        idempotent=False,
    ),
    _admin("clean_tombstones", "admin_clean_tombstones", "Removal of deleted data from the disk"),
    _admin("snapshot", "admin_snapshot", "A snapshot of the TSDB, on the disk of Prometheus"),
    _row("whoami", "/-/whoami", _GET, "The caller, and what the policy allows", Action.INTROSPECT),
    # It also takes the PromQL parameters of that path, and for the cost all of its parameters.
    _row(
        "explain",
        "/-/explain",
        _GET_POST,
        "What the gateway sends to Prometheus for a request",
        Action.INTROSPECT,
        Parameter("path", Kind.TEXT),
        Parameter("cost", Kind.TEXT),
    ),
    _row("version", "/", _GET_HEAD, "The versions of the API", Action.PUBLIC),
    _row("openapi", "/openapi.json", _GET_HEAD, "The API as an OpenAPI document", Action.PUBLIC),
    _row("healthcheck", "/healthcheck", _GET_HEAD, "Whether the process serves", Action.PUBLIC),
    _row("healthy", "/-/healthy", _GET_HEAD, "Whether the process serves", Action.PUBLIC),
    _row("web", "/ui", _GET_HEAD, "The web page", Action.WEB),
    _row("web_file", "/ui/static/{name}", _GET_HEAD, "A file of the web page", Action.WEB),
    _row("web_session", "/ui/session", _GET, "The session of the web page", Action.WEB),
    _row("web_login", "/ui/login", _POST, "Log-in to the web page", Action.WEB),
    _row("web_logout", "/ui/logout", _POST, "Log-out of the web page", Action.WEB),
    _row("web_projects", "/ui/projects", _GET, "The projects that the user may enter", Action.WEB),
    _row("web_project", "/ui/project", _POST, "Change to another project", Action.WEB),
    _row("web_exporters", "/ui/exporters", _GET, "The metrics of servers, by exporter", Action.WEB),
    _row("web_credential", "/ui/credential", _POST, "A new application credential", Action.WEB),
    _row("web_websso", "/ui/websso/{name}", _GET, "Log-in through an identity provider", Action.WEB),
    _row("web_websso_token", "/ui/websso", _POST, "The end of such a log-in", Action.WEB),
    _row("ready", "/-/ready", _GET_HEAD, "Whether Keystone and Prometheus can be reached", Action.PUBLIC),
)

"""The endpoint table: the only door.

Each path that the gateway answers stands here, with its methods, its policy rule, its parameters and what
tenancy does with them. What is not here is 404. A path is looked up as the client sent it, undecoded: no
percent-encoding, dot segment or doubled slash makes it another one. The only part of a path that is decoded
is a label's name, after its place was found.

Source: Prometheus 3.16, ``web/api/v1/api.go`` (Register) and ``web/web.go``; documentation, "HTTP API".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from chrysaetos.errors import MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENDPOINTS", "Action", "Endpoint", "Kind", "Parameter", "Target", "find", "find_path"]


class Kind(Enum):
    """What a parameter is, and so what is done with it for a scoped caller."""

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
    """Who answers, and what a scoped caller gets."""

    SCOPE = "scope"
    """The upstream answers; its parameters are scoped, so that its answer needs no look."""
    FORWARD = "forward"
    """The upstream answers; the answer holds no tenant's data."""
    FILTER = "filter"
    """The upstream answers; the gateway keeps what is within the scope, and applies the parameters itself."""
    READ = "read"
    """The upstream answers; the body is a remote read message, whose queries are scoped."""
    OPERATOR = "operator"
    """The upstream answers; a scoped caller is refused, whatever the policy says."""
    ABOUT = "about"
    """The gateway answers callers who are known: about themselves, and about what it makes of a request."""
    OWN = "own"
    """The gateway answers everybody."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that a scoped caller may send. Parameters that the endpoint does not have are dropped.

    Attributes:
        name: its name, to the letter.
        kind: what it is.
        required: whether it must be there.
        repeated: whether it may be there more than once. A repeated selector that is not there at all
            stands for the scope alone.
    """

    name: str
    kind: Kind
    required: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One row of the table.

    Attributes:
        name: its name in policies, metrics and the audit log.
        path: its path; ``{name}`` stands for a label's name.
        methods: the methods it takes.
        summary: what it gives or does, as the start of a sentence.
        action: who answers.
        parameters: what it takes, by name.
        own_rule: the policy rule for callers who see their own project; None where there are none.
        all_rule: the policy rule for callers who see everything.
        idempotent: whether a request may be sent to the upstream a second time.
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

    @property
    def rule(self) -> str:
        """The least of the policy rules that let a caller in."""
        return self.own_rule or self.all_rule

    @property
    def rules(self) -> tuple[str, ...]:
        """Its policy rules: first the one for callers who see their own project, where there are any."""
        return (self.all_rule,) if self.own_rule is None else (self.own_rule, self.all_rule)

    @property
    def guarded(self) -> bool:
        """Whether its rules decide who is let in. They do wherever the upstream answers."""
        return self.action not in {Action.ABOUT, Action.OWN}

    def check_method(self, method: str) -> None:
        """Check that it takes a method.

        Raises:
            MethodNotAllowed: it does not.
        """
        if method not in self.methods:
            raise MethodNotAllowed(
                f"this path takes {' and '.join(self.methods)}, not this method", self.methods
            )


@dataclass(frozen=True, slots=True)
class Target:
    """A row of the table as one request means it.

    Attributes:
        endpoint: the row.
        path: the path to ask the upstream for. It is the row's own, but for a label's name, which is one
            segment, percent-encoded anew.
    """

    endpoint: Endpoint
    path: str


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
"""What an evaluation read and took, ``stats`` and ``cost``, counts the series of the scoped query alone."""
_INSTANT = (_QUERY, Parameter("time", Kind.TIME), *_EVALUATION)
_RANGE = (
    _QUERY,
    Parameter("start", Kind.TIME, required=True),
    Parameter("end", Kind.TIME, required=True),
    Parameter("step", Kind.DURATION, required=True),
    *_EVALUATION,
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
"""All but ``include_metadata``: a help text may be another tenant's."""


def _by_name(parameters: tuple[Parameter, ...]) -> Mapping[str, Parameter]:
    return {parameter.name: parameter for parameter in parameters}


def _row(
    name: str, path: str, methods: tuple[str, ...], summary: str, action: Action, *parameters: Parameter
) -> Endpoint:
    """A row whose rules are its name, and that with ``:all_projects``."""
    rule = _TELEMETRY + name
    return Endpoint(name, path, methods, summary, action, _by_name(parameters), rule, f"{rule}:all_projects")


def _operator(name: str, path: str, summary: str, rule: str | None = None) -> Endpoint:
    """A row for those who run the cloud."""
    return Endpoint(name, path, _GET, summary, Action.OPERATOR, {}, None, _TELEMETRY + (rule or name))


def _admin(name: str, rule: str, summary: str) -> Endpoint:
    """A row that changes the store, for those who run the cloud."""
    path = f"/api/v1/admin/tsdb/{name}"
    rule = _TELEMETRY + rule
    return Endpoint(name, path, _POST_PUT, summary, Action.OPERATOR, {}, None, rule, idempotent=False)


ENDPOINTS = (
    _row("query", "/api/v1/query", _GET_POST, "Instant queries", Action.SCOPE, *_INSTANT),
    _row("query_range", "/api/v1/query_range", _GET_POST, "Range queries", Action.SCOPE, *_RANGE),
    _row(
        "query_cost",
        "/api/v1/query_cost",
        _GET_POST,
        "Estimates of what instant queries will read",
        Action.SCOPE,
        *_INSTANT,
    ),
    _row(
        "query_range_cost",
        "/api/v1/query_range_cost",
        _GET_POST,
        "Estimates of what range queries will read",
        Action.SCOPE,
        *_RANGE,
    ),
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
    # Aetos has telemetry:targets, and who holds it sees all.
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
    # The only one that Aetos has.
    _operator(
        "status_runtimeinfo", "/api/v1/status/runtimeinfo", "Runtime information of Prometheus", "status"
    ),
    _operator("status_config", "/api/v1/status/config", "Configuration of Prometheus"),
    _operator("status_flags", "/api/v1/status/flags", "Flags that Prometheus runs with"),
    _operator("status_tsdb", "/api/v1/status/tsdb", "Statistics of the TSDB"),
    _operator("status_tsdb_blocks", "/api/v1/status/tsdb/blocks", "Blocks of the TSDB"),
    _operator("status_walreplay", "/api/v1/status/walreplay", "State of the replay of the write-ahead log"),
    _operator("status_self_metrics", "/api/v1/status/self_metrics", "Prometheus' own metrics"),
    # It holds no tenant's data, but the address of Prometheus; the gateway has a document of its own.
    _operator("prometheus_openapi", "/api/v1/openapi.yaml", "The API of Prometheus as an OpenAPI document"),
    _operator("notifications", "/api/v1/notifications", "Notifications of Prometheus"),
    _operator(
        "notifications_live", "/api/v1/notifications/live", "Notifications of Prometheus, as they occur"
    ),
    # Without a selector nothing is deleted: the scope alone would mean all of a project's series.
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
    _row("whoami", "/-/whoami", _GET, "The caller, and what the policy allows", Action.ABOUT),
    # And the PromQL texts of the path that it is asked about.
    _row(
        "explain",
        "/-/explain",
        _GET_POST,
        "What the gateway sends to Prometheus for a request",
        Action.ABOUT,
        Parameter("path", Kind.TEXT),
    ),
    _row("version", "/", _GET_HEAD, "The versions of the API", Action.OWN),
    _row("openapi", "/openapi.json", _GET_HEAD, "The API as an OpenAPI document", Action.OWN),
    _row("healthcheck", "/healthcheck", _GET_HEAD, "Whether the process serves", Action.OWN),
    _row("healthy", "/-/healthy", _GET_HEAD, "Whether the process serves", Action.OWN),
    _row("ready", "/-/ready", _GET_HEAD, "Whether Keystone and Prometheus can be reached", Action.OWN),
)

# One segment of a path as clients may send it: visible ASCII, and whole escapes.
_LABEL_VALUES = re.compile(r"/api/v1/label/((?:[!\"$&-.0->@-~]|%[0-9A-Fa-f]{2}){1,3072})/values")
_LONGEST_NAME = 1024
"""Bytes of a label's name."""
_DOTS = {".": "U___2e_", "..": "U___2e__2e_"}
"""Names that a server on the way may take for a dot segment even when they are percent-encoded (RFC 3986,
6.2.2.2), in the form that means the same to Prometheus (proposal 2023-08-21, "UTF-8 support")."""


def _fixed_paths() -> dict[str, Target]:
    table: dict[str, Target] = {}
    for endpoint in ENDPOINTS:
        if "{" not in endpoint.path:
            table[endpoint.path] = Target(endpoint, endpoint.path)
            if endpoint.path.startswith("/api/"):
                # Some clients end a path with a slash, and follow no redirect.
                table[f"{endpoint.path}/"] = table[endpoint.path]
    return table


_FIXED = _fixed_paths()
_LABEL = next(endpoint for endpoint in ENDPOINTS if endpoint.name == "label")


def find_path(raw_path: str) -> Target:
    """Look a path up.

    Args:
        raw_path: the path as it was sent, without the query and without the configured prefix.

    Raises:
        NotFound: no row has it.
    """
    target = _FIXED.get(raw_path)
    if target is None:
        match = _LABEL_VALUES.fullmatch(raw_path.removesuffix("/"))
        name = None if match is None else _label_name(match[1])
        if name is None:
            raise NotFound("this path is not served here")
        target = Target(_LABEL, f"/api/v1/label/{_DOTS.get(name) or quote(name, safe='')}/values")
    return target


def _label_name(segment: str) -> str | None:
    """Return the label's name that a segment of a path spells, None if it spells none.

    Prometheus 3 takes any UTF-8 (``web/api/v1/api.go``, ``labelValues``). It decodes the path before it finds
    the segment, so a name with a slash can only be sent in the ``U__`` form, which is a name like any other
    here.
    """
    raw = unquote_to_bytes(segment)
    if len(raw) > _LONGEST_NAME or b"/" in raw or segment in {".", ".."}:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def find(method: str, raw_path: str) -> Target:
    """Look a request up.

    Args:
        method: its method.
        raw_path: its path, as for :func:`find_path`.

    Raises:
        NotFound: no row has this path.
        MethodNotAllowed: the row does not take this method.
    """
    target = find_path(raw_path)
    target.endpoint.check_method(method)
    return target

"""The endpoint table: the only door.

Each path that the gateway answers stands here, with its methods, its policy rule, its parameters and what
tenancy does with them. What is not here is 404. A path is looked up as the client sent it, undecoded: no
percent-encoding, dot segment or doubled slash makes it another one.

Source: Prometheus 3.14, ``web/api/v1/api.go`` (Register) and ``web/web.go``; documentation, "HTTP API".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from chrysaetos.errors import MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENDPOINTS", "Action", "Endpoint", "Kind", "Parameter", "Target", "find"]


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
    OWN = "own"
    """The gateway answers."""


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
        action: who answers.
        parameters: what it takes, by name.
    """

    name: str
    path: str
    methods: tuple[str, ...]
    action: Action
    parameters: Mapping[str, Parameter]

    @property
    def rule(self) -> str:
        """The policy rule for callers who see their own project; ``:all_projects`` behind it for the rest."""
        return f"telemetry:{self.name}"


@dataclass(frozen=True, slots=True)
class Target:
    """A row of the table as one request means it.

    Attributes:
        endpoint: the row.
        path: the path to ask the upstream for. It is the row's own, but for a label's name, which consists
            of ASCII letters, digits and underscores.
    """

    endpoint: Endpoint
    path: str


_GET = ("GET",)
_GET_POST = ("GET", "POST")
_GET_HEAD = ("GET", "HEAD")

_START_END = (Parameter("start", Kind.TIME), Parameter("end", Kind.TIME))
_LIMIT = Parameter("limit", Kind.COUNT)
_MATCH = Parameter("match[]", Kind.SELECTOR, repeated=True)
_QUERY = Parameter("query", Kind.QUERY, required=True)
_EVALUATION = (Parameter("timeout", Kind.DURATION), _LIMIT, Parameter("lookback_delta", Kind.DURATION))


def _row(name: str, path: str, methods: tuple[str, ...], action: Action, *parameters: Parameter) -> Endpoint:
    return Endpoint(name, path, methods, action, {parameter.name: parameter for parameter in parameters})


ENDPOINTS = (
    _row(
        "query", "/api/v1/query", _GET_POST, Action.SCOPE, _QUERY, Parameter("time", Kind.TIME), *_EVALUATION
    ),
    _row(
        "query_range",
        "/api/v1/query_range",
        _GET_POST,
        Action.SCOPE,
        _QUERY,
        Parameter("start", Kind.TIME, required=True),
        Parameter("end", Kind.TIME, required=True),
        Parameter("step", Kind.DURATION, required=True),
        *_EVALUATION,
    ),
    _row("query_exemplars", "/api/v1/query_exemplars", _GET_POST, Action.SCOPE, _QUERY, *_START_END),
    _row("series", "/api/v1/series", _GET_POST, Action.SCOPE, _MATCH, *_START_END, _LIMIT),
    _row("labels", "/api/v1/labels", _GET_POST, Action.SCOPE, _MATCH, *_START_END, _LIMIT),
    _row("label", "/api/v1/label/{name}/values", _GET, Action.SCOPE, _MATCH, *_START_END, _LIMIT),
    _row("federate", "/federate", _GET, Action.SCOPE, _MATCH),
    _row("format_query", "/api/v1/format_query", _GET_POST, Action.FORWARD, Parameter("query", Kind.TEXT)),
    _row("buildinfo", "/api/v1/status/buildinfo", _GET, Action.FORWARD),
    _row("version", "/", _GET_HEAD, Action.OWN),
    _row("healthcheck", "/healthcheck", _GET_HEAD, Action.OWN),
    _row("healthy", "/-/healthy", _GET_HEAD, Action.OWN),
    _row("ready", "/-/ready", _GET_HEAD, Action.OWN),
)

# Prometheus' data model: a legacy name, or the U__ form of any other (proposal 2023-08-21, "UTF-8 support").
# Both are written with the same characters.
_LABEL_VALUES = re.compile(r"/api/v1/label/[A-Za-z_][A-Za-z0-9_]{0,1023}/values", re.ASCII)


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


def find(method: str, raw_path: str) -> Target:
    """Look a request up.

    Args:
        method: its method.
        raw_path: its path as it was sent, without the query and without the configured prefix.

    Raises:
        NotFound: no row has this path.
        MethodNotAllowed: the row does not take this method.
    """
    target = _FIXED.get(raw_path)
    if target is None:
        path = raw_path.removesuffix("/")
        if _LABEL_VALUES.fullmatch(path) is None:
            raise NotFound("this path is not served here")
        target = Target(_LABEL, path)
    if method not in target.endpoint.methods:
        allowed = target.endpoint.methods
        raise MethodNotAllowed(f"this path takes {' and '.join(allowed)}, not this method", allowed)
    return target

"""The API as an OpenAPI 3.1 document, generated from the endpoint table.

The document is the same for every caller: it is generated from the code alone.

Source: OpenAPI Specification 3.1.1, https://spec.openapis.org/oas/v3.1.1
"""

from __future__ import annotations

import inspect
from typing import Any

from chrysaetos import __version__, errors
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action, Endpoint, Kind, Parameter

__all__ = ["document"]

_SCHEMAS: dict[Kind, dict[str, Any]] = {
    Kind.QUERY: {"type": "string"},
    Kind.SELECTOR: {"type": "string", "description": 'A vector selector, such as `cpu{vm="a1"}`.'},
    Kind.TIME: {"type": "string", "description": "Seconds since the epoch, or RFC 3339."},
    Kind.DURATION: {"type": "string", "description": "Seconds, or a duration such as `5m` or `1h30m`."},
    Kind.COUNT: {"type": "integer", "minimum": 0},
    Kind.TEXT: {"type": "string"},
}

_PARAMETERS = {
    "batch_size": "The preferred number of results in each batch.",
    "case_sensitive": "Whether the search distinguishes upper and lower case: `true` or `false`.",
    "cost": "Whether to return the cost of the query: `true` or `false`.",
    "end": "The end of the time range.",
    "exclude_alerts": "Whether to leave out the active alerts: `true` or `false`.",
    "file[]": "The rule files to return.",
    "fuzz_alg": "The algorithm of the fuzzy search: `subsequence` (the default) or `jarowinkler`.",
    "fuzz_threshold": "How similar a result must be, from 0 to 100.",
    "group_limit": "The maximum number of groups to return.",
    "group_next_token": "The token of the next page, from the previous response.",
    "include_score": "Whether to return the score of each result: `true` or `false`.",
    "label": "The label whose values to search.",
    "limit": "The maximum number of results.",
    "limit_per_metric": "The maximum number of entries for each metric.",
    "lookback_delta": "How far to look back for the latest sample of a series.",
    "match[]": "The series to select.",
    "max_query_duration": "The maximum time of the query. It can only lower the limit of Prometheus.",
    "max_samples_read": "The maximum number of samples to read. It can only lower the limit of Prometheus.",
    "max_series": "The maximum number of series to read. It can only lower the limit of Prometheus.",
    "metric": "The name of the metric to return.",
    "name": "The name of the label.",
    "path": "The path to explain; `/api/v1/query` by default. Send that path's `query` or `match[]` with it.",
    "query": "The PromQL expression.",
    "rule_group[]": "The names of the groups to return.",
    "rule_name[]": "The names of the rules to return.",
    "scrapePool": "The scrape pool whose targets to return.",
    "search[]": "The texts to search for.",
    "sort_by": "The order of the results: `alpha` or `score`.",
    "sort_dir": "The direction of `sort_by=alpha`: `asc` or `dsc`.",
    "start": "The start of the time range.",
    "state": "The state of the targets to return: `active`, `dropped` or `any`.",
    "stats": "Return statistics of the evaluation: `true`, or `all` for each step as well.",
    "step": "The time between two points.",
    "time": "The time of the evaluation; now by default.",
    "timeout": "The maximum time of the evaluation.",
    "type": "The type of the rules to return: `alert` or `record`.",
}
"""What each parameter means, by its name: a name has the same meaning wherever it occurs."""

_ACTIONS = {
    Action.SCOPE: "For a tenant, the gateway scopes the parameters.",
    Action.FORWARD: "The response contains no tenant's data, and is the same for every caller.",
    Action.FILTER: "For a tenant, the gateway filters the response.",
    Action.READ: "The body is a remote read message. For a tenant, the gateway scopes its queries.",
    Action.OPERATOR: "Only for callers who may see all projects.",
    Action.INTROSPECT: "For every caller with valid credentials. The gateway itself responds.",
    Action.PUBLIC: "For everybody, without credentials. The gateway itself responds.",
}

_FORM = "application/x-www-form-urlencoded"
_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_TEXT = "text/plain"
_MEDIA = {
    "federate": _TEXT,
    "healthcheck": _TEXT,
    "healthy": _TEXT,
    "notifications_live": "text/event-stream",
    "read": _PROTOBUF,
    **dict.fromkeys(
        ("search_metric_names", "search_label_names", "search_label_values"), "application/x-ndjson"
    ),
}
"""The media types of responses that are not JSON, by endpoint."""

_PLAIN = (errors.NotFound, errors.MethodNotAllowed, errors.UriTooLong, errors.HeadersTooLarge)
"""The errors of every endpoint."""
_IDENTIFIED = (errors.BadRequest, errors.Unauthorized, errors.TooManyRequests, errors.Unavailable)
"""Additional errors of endpoints that require credentials."""
_GUARDED = (
    errors.Forbidden,
    errors.ResponseTooLarge,
    errors.BudgetExceeded,
    errors.BadGateway,
    errors.GatewayTimeout,
)
"""Additional errors of endpoints that the upstream serves."""
_WITH_BODY = (errors.RequestTimeout, errors.ContentTooLarge, errors.UnsupportedMediaType)
"""Additional errors of requests with a body."""
_KINDS = (*_PLAIN, *_IDENTIFIED, *_GUARDED, *_WITH_BODY)
_RELAYED_TYPES = (
    "bad_data",
    "canceled",
    "execution",
    "internal",
    "not_acceptable",
    "not_found",
    "timeout",
    "unavailable",
)
"""Types of errors of Prometheus (``web/api/v1/api.go``), which are relayed."""


def document(prefix: str = "") -> dict[str, Any]:
    """Return the document.

    Args:
        prefix: the path below which the gateway serves the API, such as ``/metric-storage``.
    """
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        if endpoint.action is Action.WEB:  # it is the page's own, and no API
            continue
        paths[endpoint.path] = {method.lower(): _operation(endpoint, method) for method in endpoint.methods}
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Chrysaetos",
            "version": __version__,
            "summary": "The Prometheus HTTP API, scoped to the caller's OpenStack project.",
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": prefix or "/"}],
        "security": [{"token": []}, {"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "bearer": {"type": "http", "scheme": "bearer", "description": "A Keystone token."},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The id and the secret of an application credential, or "
                    "`user@domain|project@domain` and the user's password.",
                },
            },
            "schemas": {"Error": _error_schema()},
            "responses": {_response_name(kind.status): _error_response(kind.status) for kind in _KINDS},
        },
    }


def _operation(endpoint: Endpoint, method: str) -> dict[str, Any]:
    has_body = method in {"POST", "PUT"}
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{endpoint.name}",
        "summary": endpoint.summary,
        "description": _ACTIONS[endpoint.action],
        "parameters": [*_path_parameters(endpoint), *_header_parameters(endpoint)],
        "responses": {
            "2XX": {"description": "The response.", "content": {_MEDIA.get(endpoint.name, _JSON): {}}}
        },
    }
    if not has_body:
        operation["parameters"] += [_query_parameter(each) for each in endpoint.parameters.values()]
    elif endpoint.action is Action.READ:
        message = {"schema": {"type": "string", "contentEncoding": "binary"}}
        operation["requestBody"] = {"required": True, "content": {_PROTOBUF: message}}
    elif endpoint.parameters:
        operation["requestBody"] = {"content": {_FORM: {"schema": _form(endpoint)}}}
    if endpoint.guarded:
        operation["x-policy-rules"] = list(endpoint.rules)
    if endpoint.action is Action.PUBLIC:
        operation["security"] = []
    if endpoint.name == "ready":
        operation["responses"]["503"] = {"description": "Keystone or Prometheus cannot be reached."}
    for kind in _errors(endpoint, has_body=has_body):
        name = _response_name(kind.status)
        operation["responses"][str(kind.status)] = {"$ref": f"#/components/responses/{name}"}
    return operation


def _errors(endpoint: Endpoint, *, has_body: bool) -> list[type[errors.ApiError]]:
    kinds = list(_PLAIN)
    if endpoint.action is not Action.PUBLIC:
        kinds += _IDENTIFIED
    if endpoint.guarded:
        kinds += _GUARDED
    if has_body:
        kinds += _WITH_BODY
    return kinds


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if "{name}" not in endpoint.path:
        return []
    schema = {"type": "string"}
    return [
        {"name": "name", "in": "path", "required": True, "description": _PARAMETERS["name"], "schema": schema}
    ]


def _header_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.own_rule is None and endpoint.name != "explain":
        return []
    return [
        {
            "name": "X-Chrysaetos-Project",
            "in": "header",
            "required": False,
            "description": "The id of a project that you may see: the request is restricted to it.",
            "schema": {"type": "string"},
        }
    ]


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": _PARAMETERS[parameter.name],
        "schema": _schema(parameter),
    }


def _form(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            each.name: {**_schema(each), "description": _PARAMETERS[each.name]}
            for each in endpoint.parameters.values()
        },
        "required": [each.name for each in endpoint.parameters.values() if each.required],
    }


def _schema(parameter: Parameter) -> dict[str, Any]:
    schema = _SCHEMAS[parameter.kind]
    return {"type": "array", "items": schema} if parameter.repeated else schema


def _error_schema() -> dict[str, Any]:
    known = sorted({kind.error_type for kind in _KINDS}.union(_RELAYED_TYPES))
    return {
        "type": "object",
        "properties": {
            "status": {"const": "error"},
            "errorType": {
                "type": "string",
                "description": f"The type of the error: {', '.join(f'`{each}`' for each in known)}, or "
                "another one of Prometheus, whose errors are relayed.",
            },
            "error": {"type": "string", "description": "What happened, and what to do."},
        },
        "required": ["status", "errorType", "error"],
    }


def _of_status(status: int) -> list[type[errors.ApiError]]:
    return [kind for kind in _KINDS if kind.status == status]


def _response_name(status: int) -> str:
    return "Or".join(kind.__name__ for kind in _of_status(status))


def _error_response(status: int) -> dict[str, Any]:
    meanings = (
        f"{(inspect.getdoc(kind) or '').partition(chr(10))[0]} (`{kind.error_type}`)"
        for kind in _of_status(status)
    )
    content = {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": " ".join(meanings), "content": content}

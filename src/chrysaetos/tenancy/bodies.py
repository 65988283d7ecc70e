"""Filter the body of a response that contains the data of several tenants: bytes → bytes.

A response that is not JSON or not in Prometheus' format is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import BadGateway
from chrysaetos.tenancy.filters import filter_metadata, filter_targets
from chrysaetos.tenancy.rules import filter_alerts, filter_rules
from chrysaetos.tenancy.shapes import as_list, as_object, as_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from chrysaetos.promql.parser import Bounds
    from chrysaetos.tenancy.scope import Scope
    from chrysaetos.tenancy.shapes import Asked

__all__ = ["filter_body", "refuse"]


def filter_body(name: str, bodies: Sequence[bytes], scope: Scope, asked: Asked, bounds: Bounds) -> bytes:
    """Return the body for a scoped caller.

    Args:
        name: the endpoint: ``targets``, ``rules``, ``alerts`` or ``metadata``.
        bodies: the body of the upstream's response; before it, for ``metadata``, that of a response with the
            names of the scope's metrics.
        scope: the caller's scope.
        asked: the request's parameters.
        bounds: limits on the query of a rule.

    Raises:
        BadRequest: a parameter is invalid.
        BadGateway: a body is invalid. The message contains nothing of it.
    """
    data = _data(bodies[-1])
    kept: object
    if name == "targets":
        kept = filter_targets(data, scope, asked)
    elif name == "rules":
        kept = filter_rules(data, scope, asked, bounds)
    elif name == "alerts":
        kept = filter_alerts(data, scope, bounds)
    else:
        kept = filter_metadata(data, frozenset(map(as_text, as_list(_data(bodies[0])))), asked)
    try:
        return json.dumps({"status": "success", "data": kept}, allow_nan=False, separators=(",", ":")).encode(
            "ascii"
        )
    except ValueError:
        refuse("it contains a number that JSON cannot represent")


def refuse(reason: str) -> NoReturn:
    """Refuse a response of the upstream.

    Raises:
        BadGateway: always.
    """
    raise BadGateway(f"the response of Prometheus is invalid: {reason}")


def _data(body: bytes) -> object:
    """Return the data of a successful response."""
    try:
        answer = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        refuse("it is not JSON")
    fields = as_object(answer)
    if fields.get("status") != "success":
        refuse("it is an error")
    return fields.get("data")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; reject duplicate names, which parsers treat differently."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate name")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

"""Query budgets: what one query of a scoped caller may read, and how long it may take.

The gateway adds the budget to the parameters of each query, and the engine enforces it. A caller may send a
lower limit, which is kept. Limits are always written by the gateway in one form, so that the engine reads
the number that the gateway has compared.

Source: Prometheus 3.16, ``web/api/v1/api.go`` (extractQueryOpts); VictoriaMetrics, "Query args": ``timeout``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from oslo_config import cfg

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.proxy.engine_options import ENGINE_NAMES
from chrysaetos.lru import Lru, size_of
from chrysaetos.promql.units import duration_milliseconds
from chrysaetos.regular_file import read_toml, why_unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.identity.caller import Caller
    from chrysaetos.tenancy.parameters import BoundParameters

__all__ = ["BUDGET_OPTIONS", "QueryBudget", "QueryBudgets", "load_budgets"]

_COUNTS: Final = ("max_series", "max_samples_read")
_DURATIONS: Final = ("max_query_duration", "timeout")
_LIMITS: Final = (*_COUNTS, *_DURATIONS)
_KINDS: Final = ("role", "domain", "project")
_MAX_KEPT = 10_000
_MAX_KEPT_BYTES = 16 * 1024 * 1024
_BUDGET_BYTES = 600
"""About the memory of a cached budget without the caller's project, domain and roles."""

BUDGET_OPTIONS = [
    cfg.StrOpt(
        "budgets_file",
        help="TOML file with query budgets: max_series, max_samples_read, max_query_duration and timeout, in "
        "the tables [default], [role.NAME], [domain.ID] and [project.ID]. They limit what one query of a "
        "caller who does not see all projects may read, and how long it may take. The file is read only at "
        "start. Unset: no budgets.",
    ),
]


class QueryBudget:
    """The limits on one query.

    Args:
        limits: the limits by parameter: counts, and durations in milliseconds.
    """

    __slots__ = ("_limits",)

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)

    def applied(self, bound: BoundParameters) -> BoundParameters:
        """Return a request's parameters with the limits.

        Args:
            bound: the scoped parameters.
        """
        if not self._limits:
            return bound
        if bound.body is None:
            return bound._replace(url=self._applied(bound.url))
        return bound._replace(body=self._applied(bound.body))

    def _applied(self, encoded: bytes) -> bytes:
        limits: dict[str, float] = dict(self._limits)
        pieces = []
        for piece in encoded.split(b"&"):
            name, _, value = piece.decode("ascii").partition("=")
            limit = limits.get(name)
            if limit is None:
                pieces.append(piece)
            else:
                given = _given(name, value)
                # Prometheus takes 0, and a time that it rounds to 0, for "no limit".
                limits[name] = min(given, limit) if given >= 1 else limit
        pieces += [_piece(name, limit) for name, limit in limits.items()]
        return b"&".join(piece for piece in pieces if piece)

    def in_force(self, bound: BoundParameters) -> dict[str, str]:
        """Return the limits of the budget that can stop a query, by parameter.

        They are those that the caller has not lowered. Of the durations, only the shortest in the request.

        Args:
            bound: the parameters with the limits.
        """
        sent = (bound.url if bound.body is None else bound.body).split(b"&")
        shortest = min(map(_duration, sent))
        return {
            name: _text(name, limit)
            for name, limit in self._limits.items()
            if _piece(name, limit) in sent and (name in _COUNTS or limit <= shortest)
        }

    def shown(self) -> dict[str, str]:
        """Return the limits by parameter, with units."""
        return {name: _text(name, limit) for name, limit in self._limits.items()}


class QueryBudgets:
    """The budgets of all callers.

    For each limit, the budget of the caller's project comes first, then that of its domain, then that of its
    roles, then the default. Of several roles, the one with the highest limit counts.

    Args:
        default: limits by parameter.
        named: limits by parameter, by name, for ``role``, ``domain`` and ``project``.
    """

    def __init__(
        self, default: Mapping[str, int], named: Mapping[str, Mapping[str, Mapping[str, int]]]
    ) -> None:
        self._default = default
        self._named = named
        self._kept: Lru[tuple[object, ...], QueryBudget] = Lru(
            _MAX_KEPT, weigh=lambda key, _: _BUDGET_BYTES + size_of(key), max_weight=_MAX_KEPT_BYTES
        )

    def of(self, caller: Caller, project_id: str | None = None) -> QueryBudget:
        """Return the budget of a caller's request.

        Args:
            caller: the caller.
            project_id: the project that the request is restricted to, one of the caller's; None for what the
                caller may see.
        """
        project = project_id or caller.project_id
        domain = caller.domain_id or caller.project_domain_id
        key = (project, domain, caller.roles)
        kept = self._kept.get(key)
        if kept is None:
            roles: dict[str, int] = {}
            for role in caller.roles:
                for name, limit in self._named["role"].get(role.lower(), {}).items():
                    roles[name] = max(limit, roles.get(name, 0))
            of_domain = self._named["domain"].get(domain or "", {})
            of_project = self._named["project"].get(project or "", {})
            kept = QueryBudget({**self._default, **roles, **of_domain, **of_project})
            self._kept.put(key, kept)
        return kept

    def of_project(self, project_id: str) -> QueryBudget:
        """Return the budget of a caller who sees all projects, for a request that is restricted to one.

        The caller's own project, domain and roles do not count.
        """
        return QueryBudget({**self._default, **self._named["project"].get(project_id, {})})


def load_budgets(path: str | None, engine: str) -> QueryBudgets | None:
    """Return the budgets of a file; None if there is no file.

    Args:
        path: the path of the file.
        engine: the engine, as in the option.

    Raises:
        ConfigError: the file cannot be read, or an entry is invalid, or the engine does not have a limit.
    """
    if not path:
        return None
    try:
        return _budgets(read_toml(path), engine)
    except (OSError, ValueError) as error:
        raise ConfigError(f"[gateway] budgets_file: {path}: {why_unreadable(error)}") from error


def _budgets(tables: Mapping[str, Any], engine: str) -> QueryBudgets:
    unknown = set(tables) - {"default", *_KINDS}
    if unknown:
        raise ValueError(f"[{min(unknown)}] is not [default], [role.NAME], [domain.ID] or [project.ID]")
    named = {
        kind: {
            name.lower() if kind == "role" else name: _limits(f"{kind}.{name}", limits, engine)
            for name, limits in _table(kind, tables.get(kind, {})).items()
        }
        for kind in _KINDS
    }
    return QueryBudgets(_limits("default", tables.get("default", {}), engine), named)


def _table(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a table")  # noqa: TRY004  # the caller reports it with the file
    return value


def _limits(table: str, values: object, engine: str) -> dict[str, int]:
    limits = {}
    for name, value in _table(table, values).items():
        if name not in _LIMITS:
            raise ValueError(f"[{table}] {name}: a limit is one of {', '.join(_LIMITS)}")
        if engine == "mimir":
            advice = "set -querier.timeout, and limits of its tenants such as max_fetched_series_per_query"
            raise ValueError(f"[{table}] {name}: Mimir ignores limits in a query; in Mimir, {advice}")
        if name != "timeout" and engine != "prometheus":
            raise ValueError(f"[{table}] {name}: {ENGINE_NAMES[engine]} has only timeout")
        limits[name] = _limit(f"[{table}] {name}", name, value)
    return limits


def _limit(where: str, name: str, value: object) -> int:
    if name in _COUNTS:
        if type(value) is not int or not 0 < value < 10**18:
            raise ValueError(f"{where}: {value!r} should be a whole number, 1 or more")
        return value
    try:
        length = duration_milliseconds(value) if isinstance(value, str) else 0
    except (ValueError, OverflowError):
        length = 0
    if not length:
        raise ValueError(f'{where}: {value!r} should be a duration such as "30s"')
    return length


def _given(name: str, value: str) -> float:
    """Return a caller's limit, which the endpoint table has checked: a count, or milliseconds.

    Args:
        name: the parameter.
        value: its encoded value.
    """
    value = unquote_plus(value)
    if name in _COUNTS:
        return int(value)
    try:
        return float(value) * 1000
    except ValueError:
        pass
    try:
        return duration_milliseconds(value)
    except OverflowError:
        return float("inf")


def _duration(piece: bytes) -> float:
    """Return the milliseconds of a parameter that limits the duration of a query; else infinity."""
    name, _, value = piece.decode("ascii").partition("=")
    if name not in _DURATIONS:
        return float("inf")
    given = _given(name, value)
    return given if given >= 1 else float("inf")


def _piece(name: str, limit: float) -> bytes:
    """Return a limit as a parameter; durations are in seconds."""
    text = str(int(limit)) if name in _COUNTS else f"{int(limit) / 1000:.3f}"
    return f"{name}={text}".encode("ascii")


def _text(name: str, limit: int) -> str:
    return str(limit) if name in _COUNTS else f"{limit / 1000:g}s"

"""What a scoped request tells the engine behind the gateway, so that the engine enforces the tenant as well.

The gateway scopes each PromQL text. Some engines can restrict a request to a tenant by themselves: by a
parameter (VictoriaMetrics, ``extra_filters[]``) or by a header (Thanos, Mimir). Where both do it, a
difference between two parsers is not a leak.

Templates say what is sent. They are filled from the scope alone; an unrestricted request carries none of it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote_plus

from chrysaetos.errors import BadRequest, Forbidden
from chrysaetos.promql.strings import quote
from chrysaetos.tenancy.endpoints import ENDPOINTS
from chrysaetos.tenancy.labels import OPEN
from chrysaetos.tenancy.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ALONE", "NOTHING", "Additions", "EngineScoping", "Tenants", "hash_bucket", "selectors"]

_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_SELECTOR: Final = "selector"
_TENANT: Final = frozenset({"tenant", "tenants"})
_PLACEHOLDERS: Final = frozenset({_SELECTOR, "project", "projects"}) | _TENANT
_TAKEN: Final = frozenset(name.lower() for endpoint in ENDPOINTS for name in endpoint.parameters)
"""Names of parameters that a scoped caller may send: one more of that name would widen what is asked for."""
_WRITTEN: Final = frozenset(
    {
        *("host", "user-agent", "accept-encoding", "content-type", "content-encoding", "content-length"),
        *("transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"),
        *("expect", "x-prometheus-remote-read-version"),
    }
)
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 5.6.2: token."""
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
"""RFC 9110, 5.5: field-value, in ASCII."""
_TENANT_NAME = re.compile(r"[A-Za-z0-9!_.*'()-]{1,150}")
"""Mimir, "About tenant IDs"."""
_MOST_KEPT = 1024
_LONGEST_KEPT = 8 * 1024
"""Bytes of the longest additions that are kept."""


class Additions(NamedTuple):
    """What one request carries for the engine.

    Attributes:
        parameters: percent-encoded, as ``name=value&name=value``; may be empty.
        headers: names and values.
    """

    parameters: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def added_to(self, target: bytes) -> bytes:
        """Return a path and its query with the parameters."""
        if not self.parameters:
            return target
        return target + (b"&" if b"?" in target else b"?") + self.parameters


NOTHING = Additions()


class Tenants:
    """The engine's tenant of each project.

    Args:
        by_project: tenants by project id; ``*`` stands for all projects that are not named.
        buckets: how many tenants share the projects that are not named, by hash; 0 for none.

    Raises:
        ValueError: a name cannot be a tenant's, or both ``*`` and buckets are given.
    """

    def __init__(self, by_project: Mapping[str, str], buckets: int = 0) -> None:
        for name in by_project.values():
            if _TENANT_NAME.fullmatch(name) is None or name in {".", ".."}:
                raise ValueError(f"{name!r} cannot be the name of a tenant")
        if buckets and "*" in by_project:
            raise ValueError("the tenant of * and buckets are for the same projects: set one of them")
        self._by_project = dict(by_project)
        self._buckets = buckets

    def __bool__(self) -> bool:
        """Whether any project has a tenant."""
        return bool(self._by_project or self._buckets)

    def of(self, project: str) -> str:
        """Return the tenant of a project.

        Raises:
            Forbidden: it has none.
        """
        tenant = self._by_project.get(project)
        if tenant is None:
            if self._buckets:
                return f"bucket-{hash_bucket(project, self._buckets)}"
            tenant = self._by_project.get("*")
            if tenant is None:
                raise Forbidden("no tenant of the metrics engine is configured for your project")
        return tenant


class EngineScoping:
    """Fills the templates of parameters and headers from a scope.

    Args:
        parameters: templates by the parameter's name.
        headers: templates by the header's name.
        tenants: what ``{tenant}`` and ``{tenants}`` are filled from.

    A template holds text and placeholders: ``{selector}`` (of parameters only; where metrics differ in the
    label that holds the project, there are several, and the parameter is repeated), ``{project}``,
    ``{projects}``, ``{tenant}`` and ``{tenants}``. The plural ones join several with ``|``.

    Attributes:
        parameter_names: names of the parameters, in lower case.
        header_names: names of the headers, in lower case.

    Raises:
        ValueError: a name or a template cannot be used.
    """

    def __init__(
        self,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        tenants: Tenants | None = None,
    ) -> None:
        self._parameters = dict(parameters or {})
        self._headers = dict(headers or {})
        self._tenants = tenants or Tenants({})
        self.parameter_names = _names(self._parameters)
        self.header_names = _names(self._headers)
        used: set[str] = set()
        for name, template in self._parameters.items():
            if not name or name.lower() in _TAKEN:
                raise ValueError(f"the parameter {name!r} is a caller's own: choose another name")
            used |= _placeholders(name, template)
        for name, template in self._headers.items():
            found = _placeholders(name, template)
            if _FIELD_NAME.fullmatch(name) is None or _FIELD_VALUE.fullmatch(template) is None:
                raise ValueError(f"{name!r} and its template cannot be sent as a header")
            if name.lower() in _WRITTEN:
                raise ValueError(f"the header {name!r} is one that the gateway writes itself")
            if _SELECTOR in found:
                raise ValueError(f"the template of {name!r}: {{{_SELECTOR}}} is for parameters")
            used |= found
        if bool(used & _TENANT) is not bool(self._tenants):
            raise ValueError(
                "{tenant} or {tenants} in a template, and the tenants of projects, need each other"
            )
        self._kept: dict[str, Additions] = {}

    def additions(self, scope: Scope) -> Additions:
        """Return what a request within a scope carries; nothing if the scope is unrestricted.

        Raises:
            BadRequest: the scope has several projects or tenants, and the engine takes one.
            Forbidden: a project has no tenant, or cannot be named in a header.
        """
        if scope.unrestricted or not (self._parameters or self._headers):
            return NOTHING
        kept = self._kept.get(scope.matcher)
        if kept is None:
            kept = Additions(self._filled_parameters(scope), tuple(self._filled_headers(scope)))
            if len(kept.parameters) + sum(len(value) for _, value in kept.headers) <= _LONGEST_KEPT:
                if len(self._kept) >= _MOST_KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[scope.matcher] = kept
        return kept

    def _filled_parameters(self, scope: Scope) -> bytes:
        pairs = [
            f"{quote_plus(name)}={quote_plus(self._filled(template, scope, selector))}"
            for name, template in self._parameters.items()
            for selector in (selectors(scope) if f"{{{_SELECTOR}}}" in template else ("",))
        ]
        return "&".join(pairs).encode("ascii")

    def _filled_headers(self, scope: Scope) -> Iterator[tuple[bytes, bytes]]:
        for name, template in self._headers.items():
            value = self._filled(template, scope, "")
            if _FIELD_VALUE.fullmatch(value) is None:
                raise Forbidden("the id of your project cannot be sent to the metrics engine")
            yield name.encode("ascii"), value.encode("ascii")

    def _filled(self, template: str, scope: Scope, selector: str) -> str:
        def value(match: re.Match[str]) -> str:
            return selector if match[1] == _SELECTOR else self._value(match[1], scope)

        return _PLACEHOLDER.sub(value, template)

    def _value(self, placeholder: str, scope: Scope) -> str:
        """Return what stands for a placeholder."""
        values = scope.values
        if placeholder in _TENANT:
            values = tuple(sorted({self._tenants.of(project) for project in values}))
        if not placeholder.endswith("s") and len(values) > 1:
            raise BadRequest(
                f"you may see {len(scope.values)} projects, and the metrics engine answers for one "
                f"{placeholder} at a time: use a token of one project"
            )
        return "|".join(values)


def selectors(scope: Scope) -> list[str]:
    """Return selectors that together match what a scope may show, and nothing else.

    The first one matches what carries the scope's own label. Each entry of the scope's label table adds one
    for its metrics, without those that have a more specific entry.

    Args:
        scope: not unrestricted.
    """
    found = [f"{{{scope.matcher}}}"]
    patterns = [pattern for pattern, _ in scope.labels.entries]
    for pattern, label in scope.labels.entries:
        matchers = [_name_matcher("=", [pattern])]
        specific = [
            other
            for other in patterns
            if other != pattern and pattern.endswith("*") and other.startswith(pattern[:-1])
        ]
        if specific:
            matchers.append(_name_matcher("!", specific))
        if label != OPEN:
            matchers.append(Scope(label, scope.values).matcher)
        found.append(f"{{{','.join(matchers)}}}")
    return found


def _name_matcher(operator: str, patterns: list[str]) -> str:
    """Return a matcher of metrics by names, and by beginnings with ``*``.

    No other character of a pattern is special in a regular expression.
    """
    return f"__name__{operator}~{quote('|'.join(pattern.replace('*', '.*') for pattern in patterns))}"


def hash_bucket(value: str, buckets: int) -> int:
    """Return the bucket of a value, from 0 on.

    It is the one that Prometheus' relabelling action ``hashmod`` puts the value into, so that series can be
    written to the same tenant (Prometheus, ``model/relabel/relabel.go``: ``sum64`` keeps the last 64 bits).
    """
    digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "big") % buckets


def _names(templates: Mapping[str, str]) -> frozenset[str]:
    names = frozenset(name.lower() for name in templates)
    if len(names) != len(templates):
        raise ValueError("a name is there twice")
    return names


def _placeholders(name: str, template: str) -> set[str]:
    """Return the placeholders of a template.

    Raises:
        ValueError: one is unknown, or a brace belongs to none.
    """
    found = set(_PLACEHOLDER.findall(template))
    rest = _PLACEHOLDER.sub("", template)
    if not found <= _PLACEHOLDERS or "{" in rest or "}" in rest:
        raise ValueError(f"the template of {name!r}: {template!r} may hold {_listed()}")
    return found


def _listed() -> str:
    return ", ".join(f"{{{placeholder}}}" for placeholder in sorted(_PLACEHOLDERS))


ALONE = EngineScoping()
"""For engines that are told nothing: the gateway scopes alone."""

"""Parameters and headers that make the upstream's engine enforce a scope as well.

The gateway scopes each PromQL text. Some engines can restrict a request to a tenant by themselves: by a
parameter (VictoriaMetrics, ``extra_filters[]``) or by a header (Thanos, Mimir). If both do it, a difference
between two parsers is not a leak.

Parameters and headers are templates. Only the scope fills them in, and an unrestricted request has none.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote_plus

from chrysaetos.errors import BadRequest, Forbidden
from chrysaetos.lru import Lru
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
"""Names of parameters that scoped callers may send: an added one with the same name would widen a request."""
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
_MAX_KEPT = 1024
_MAX_KEPT_BYTES = 32 * 1024 * 1024
"""Maximum size of the cached additions of all scopes together. Those of a thousand projects take 100 KiB."""


class Additions(NamedTuple):
    """The parameters and headers of a request that make the engine enforce its scope.

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
        by_project: tenants by project id; ``*`` stands for all other projects.
        buckets: the number of tenants that all other projects are distributed over, by hash; 0 for none.

    Raises:
        ValueError: a tenant's name is invalid, or both ``*`` and buckets are given.
    """

    def __init__(self, by_project: Mapping[str, str], buckets: int = 0) -> None:
        for name in by_project.values():
            if _TENANT_NAME.fullmatch(name) is None or name in {".", ".."}:
                raise ValueError(f"{name!r} cannot be the name of a tenant")
        if buckets and "*" in by_project:
            raise ValueError("the tenant of * and the buckets are for the same projects: set only one")
        self._by_project = dict(by_project)
        self._buckets = buckets

    def __bool__(self) -> bool:
        """Whether any project has a tenant."""
        return bool(self._by_project or self._buckets)

    def of(self, project: str) -> str:
        """Return the tenant of a project.

        Raises:
            Forbidden: the project has no tenant.
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
        tenants: the tenants of projects, for ``{tenant}`` and ``{tenants}``.

    A template consists of text and placeholders: ``{selector}`` (only in parameters; a parameter is repeated
    for each selector if not all metrics have the project in the same label), ``{project}``, ``{projects}``,
    ``{tenant}`` and ``{tenants}``. The plural ones stand for several values, joined with ``|``.

    Attributes:
        parameter_names: names of the parameters, in lower case.
        header_names: names of the headers, in lower case.

    Raises:
        ValueError: a name or a template is invalid.
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
                raise ValueError(f"callers can send the parameter {name!r} themselves: choose another name")
            used |= _placeholders(name, template)
        for name, template in self._headers.items():
            found = _placeholders(name, template)
            if _FIELD_NAME.fullmatch(name) is None or _FIELD_VALUE.fullmatch(template) is None:
                raise ValueError(f"{name!r} and its template cannot be sent as a header")
            if name.lower() in _WRITTEN:
                raise ValueError(f"the gateway sets the header {name!r} itself")
            if _SELECTOR in found:
                raise ValueError(f"the template of {name!r}: {{{_SELECTOR}}} is for parameters")
            used |= found
        if bool(used & _TENANT) is not bool(self._tenants):
            raise ValueError(
                "{tenant} or {tenants} in a template requires the tenants of projects, and vice versa"
            )
        self._kept: Lru[str, Additions] = Lru(_MAX_KEPT, weigh=_size, max_weight=_MAX_KEPT_BYTES)

    def additions(self, scope: Scope) -> Additions:
        """Return the additions to the requests of a scope; none if the scope is unrestricted.

        Raises:
            BadRequest: the scope has several projects or tenants, and the engine accepts only one.
            Forbidden: a project has no tenant, or its id is not valid in a header.
        """
        if scope.unrestricted or not (self._parameters or self._headers):
            return NOTHING
        kept = self._kept.get(scope.matcher)
        if kept is None:
            kept = Additions(self._filled_parameters(scope), tuple(self._filled_headers(scope)))
            self._kept.put(scope.matcher, kept)
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
        """Return the value of a placeholder."""
        values = scope.values
        if placeholder in _TENANT:
            values = tuple(sorted({self._tenants.of(project) for project in values}))
        if not placeholder.endswith("s") and len(values) > 1:
            raise BadRequest(
                f"you may see {len(scope.values)} projects, and the metrics engine answers for one "
                f"{placeholder} at a time: use a token of one project"
            )
        return "|".join(values)


def _size(matcher: str, kept: Additions) -> int:
    """Return about how many bytes the additions for a scope take."""
    return len(matcher) + len(kept.parameters) + sum(len(value) for _, value in kept.headers)


def selectors(scope: Scope) -> list[str]:
    """Return selectors that together match exactly the series of a scope.

    The first one matches the series with the scope's own label. Each entry of the scope's label table adds a
    selector for its metrics, without those that have a more specific entry.

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
    """Return a matcher for the names of metrics, and for prefixes that end with ``*``.

    A pattern contains no other character that is special in a regular expression.
    """
    return f"__name__{operator}~{quote('|'.join(pattern.replace('*', '.*') for pattern in patterns))}"


def hash_bucket(value: str, buckets: int) -> int:
    """Return the bucket of a value, counted from 0.

    Prometheus' relabelling action ``hashmod`` assigns the same bucket, so that series can be written to the
    same tenant (Prometheus, ``model/relabel/relabel.go``: ``sum64`` keeps the last 64 bits).
    """
    digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "big") % buckets


def _names(templates: Mapping[str, str]) -> frozenset[str]:
    names = frozenset(name.lower() for name in templates)
    if len(names) != len(templates):
        raise ValueError("duplicate name")
    return names


def _placeholders(name: str, template: str) -> set[str]:
    """Return the placeholders of a template.

    Raises:
        ValueError: a placeholder is unknown, or a brace is unbalanced.
    """
    found = set(_PLACEHOLDER.findall(template))
    rest = _PLACEHOLDER.sub("", template)
    if not found <= _PLACEHOLDERS or "{" in rest or "}" in rest:
        raise ValueError(f"the template of {name!r}: {template!r} may contain only {_listed()}")
    return found


def _listed() -> str:
    return ", ".join(f"{{{placeholder}}}" for placeholder in sorted(_PLACEHOLDERS))


ALONE = EngineScoping()
"""For engines that cannot enforce a scope: only the gateway does."""

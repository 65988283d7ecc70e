"""Caller + endpoint → scope."""

from __future__ import annotations

import logging
import time
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from oslo_config import cfg
from oslo_policy import opts, policy

from chrysaetos.access.policies import list_rules
from chrysaetos.access.policy_files import check_named_file, files_with_rules, fingerprint, load_enforcer
from chrysaetos.errors import ConfigError, Forbidden
from chrysaetos.lru import Lru, size_of
from chrysaetos.tenancy.labels import UNIFORM, LabelTable
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.identity.caller import Caller
    from chrysaetos.tenancy.endpoints import Endpoint

__all__ = ["Access", "Domains", "PolicyAccess", "get_enforcer"]

_LOG = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""Minimum interval between two looks at the policy files."""

_MAX_DOMAINS = 256
"""Number of cached scopes of domains."""
_MAX_PROJECTS = 50_000
"""Number of cached scopes of single projects."""
_MAX_CACHED_BYTES = 32 * 1024 * 1024
"""Maximum memory of the scopes of all domains together, and of those of all single projects. A scope of a
thousand projects takes some hundred KiB."""
_MAX_DECISIONS_BYTES = 128 * 1024 * 1024
"""Maximum memory of the decisions about all callers together."""
_DECISIONS_BYTES = 1900
"""About the memory of the decisions about a caller at all endpoints, without the caller and the scopes."""
_SCOPE_BYTES = 600
"""About the memory of a scope without its values."""


class _Verdict(Enum):
    """A decision that does not yet have a scope, or denies access."""

    REFUSED = "refused"
    DOMAIN = "all projects of the token's domain"


class Access(Protocol):
    """Grants scopes to callers."""

    async def grant(self, caller: Caller, endpoint: Endpoint) -> Scope:
        """Return the scope of a caller at an endpoint.

        Raises:
            Forbidden: the caller may not use the endpoint.
            Unavailable: Keystone cannot be reached for what the scope depends on.
        """
        ...

    def narrow(self, scope: Scope, project_id: str) -> Scope:
        """Return the scope of one of the projects of a scope.

        Raises:
            Forbidden: the scope does not include the project.
        """
        ...


class Domains(Protocol):
    """Lists the projects of domains."""

    async def of(self, domain_id: str) -> tuple[str, ...]:
        """Return the ids of a domain's projects: the identical tuple until they are listed again.

        Raises:
            Forbidden: the domain has no projects, or too many.
            Unavailable: Keystone cannot list the projects.
        """
        ...


def _size(scope: Scope) -> int:
    """Return about how many bytes a scope takes: each label's two matchers, and their text."""
    return _SCOPE_BYTES + 4 * len(scope.matcher) * (1 + len(scope.labels.entries))


class PolicyAccess:
    """Access by oslo.policy.

    A check takes some hundred microseconds, so decisions are cached until a policy file changes. If a changed
    file is invalid, or a file with rules is removed or emptied, that is logged and the previous rules stay in
    force: without them the defaults would grant what the file had denied.

    Args:
        conf: the configuration. Its section ``[oslo_policy]`` names the files.
        label: the label that holds the project.
        labels: the metrics that have another label, or are open to all.
        domains: lists the projects of domains; None to deny access to all domain tokens.
        size: the number of callers whose decisions are cached.
        clock: seconds, monotonic.

    Attributes:
        stale: whether the rules in force are not those of the policy files.

    Raises:
        ConfigError: a policy file is invalid.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        label: str,
        labels: LabelTable = UNIFORM,
        *,
        domains: Domains | None = None,
        size: int = 50_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._conf = conf
        self._label = label
        self._labels = labels
        self._clock = clock
        self._domains = domains
        # By caller, and then by endpoint: a dashboard uses several.
        self._decisions: Lru[tuple[object, ...], dict[str, Scope | _Verdict]] = Lru(
            size, weigh=lambda key, _: _DECISIONS_BYTES + size_of(key), max_weight=_MAX_DECISIONS_BYTES
        )
        self._domain_scopes: Lru[str, tuple[tuple[str, ...], Scope]] = Lru(
            _MAX_DOMAINS, weigh=lambda _, kept: _size(kept[1]), max_weight=_MAX_CACHED_BYTES
        )
        self._project_scopes: Lru[str, Scope] = Lru(
            _MAX_PROJECTS, weigh=lambda _, scope: _size(scope), max_weight=_MAX_CACHED_BYTES
        )
        opts.set_defaults(conf)
        self._looked = clock()
        self.stale = False
        try:
            check_named_file(conf)
            self._fingerprint = fingerprint(conf)
            self._files = files_with_rules(conf)
            self._enforcer = load_enforcer(conf)
        except Exception as error:
            raise ConfigError(f"[oslo_policy] policy_file cannot be used: {error}") from error

    async def grant(self, caller: Caller, endpoint: Endpoint) -> Scope:
        """Return the scope of a caller at an endpoint.

        The endpoint's rule for all projects grants everything. Else its rule for the own project grants the
        project of the token, or the projects of the token's domain if it passes because of the domain.

        Raises:
            Forbidden: neither rule lets the caller in, or the domain has no projects, or too many.
            Unavailable: Keystone cannot list the projects of the domain.
        """
        if self._clock() - self._looked >= _LOOK_SECONDS:
            self.reload()
        key = (
            caller.user_id,
            caller.project_id,
            caller.domain_id,
            caller.system_scope,
            caller.roles,
            caller.service_roles,
        )
        decisions = self._decisions.get(key)
        if decisions is None:
            decisions = {}
            self._decisions.put(key, decisions)
        decision = decisions.get(endpoint.name)
        if decision is None:
            decision = decisions[endpoint.name] = self._decide(caller, endpoint)
        if isinstance(decision, Scope):
            return decision
        if decision is _Verdict.DOMAIN and self._domains is not None and caller.domain_id is not None:
            return self._scope_of(caller.domain_id, await self._domains.of(caller.domain_id))
        if caller.project_id is None:
            raise Forbidden("this needs a token with a project: ask Keystone for a project-scoped one")
        raise Forbidden(
            f"the policy rule {endpoint.rule} lets none of your roles in: ask the cloud's operator for one"
        )

    def narrow(self, scope: Scope, project_id: str) -> Scope:
        """Return the scope of one of the projects of a scope. All projects include every id.

        Raises:
            Forbidden: the scope does not include the project.
        """
        if not scope.unrestricted:
            if scope.values == (project_id,):
                return scope
            if project_id not in scope.values:
                raise Forbidden("the project is not one of those whose metrics you may see")
        return self._of_project(project_id)

    def reload(self) -> None:
        """Read the policy files again if they changed."""
        self._looked = self._clock()
        try:
            current = fingerprint(self._conf)
        except OSError as error:
            if not self.stale:
                _LOG.error("the policy files cannot be read, the previous policy stays in force: %s", error)
            self.stale, self._fingerprint = True, ()
            return
        if current == self._fingerprint:
            return
        self._fingerprint = current
        self.stale = True
        try:
            files = files_with_rules(self._conf)
            lost = sorted(map(str, self._files - files))
            if lost:
                _LOG.error(
                    "%s: removed or emptied: the previous policy stays in force. To return to the defaults, "
                    "write {} into the file, or restart the gateway",
                    ", ".join(lost),
                )
                return
            enforcer = load_enforcer(self._conf)
            if files_with_rules(self._conf) != files:  # one was removed meanwhile: look again
                self._fingerprint = ()
                return
        except Exception:  # YAML and oslo.policy raise exceptions without a common base class
            _LOG.exception("the changed policy cannot be used: the one before it stays in force")
            return
        self._enforcer, self._files = enforcer, files
        self.stale = False
        self._decisions.clear()
        _LOG.info("the changed policy is in force")

    def _scope_of(self, domain_id: str, projects: tuple[str, ...]) -> Scope:
        """Return the scope of a domain's projects, created again only if they change: it may be large."""
        before, scope = self._domain_scopes.get(domain_id) or ((), None)
        if scope is not None and before is projects:
            return scope
        if scope is None or before != projects:
            scope = Scope(self._label, projects, self._labels)
        self._domain_scopes.put(domain_id, (projects, scope))
        return scope

    def _of_project(self, project_id: str) -> Scope:
        """Return the scope of a project, the same object for all callers and endpoints."""
        scope = self._project_scopes.get(project_id)
        if scope is None:
            scope = Scope(self._label, (project_id,), self._labels)
            self._project_scopes.put(project_id, scope)
        return scope

    def _decide(self, caller: Caller, endpoint: Endpoint) -> Scope | _Verdict:
        credentials = _credentials(caller)
        # Without a project the target has none: oslo.policy fails a check whose key the
        # target does not have, and compares the text "None" with the caller's if the key is there.
        target: dict[str, Any] = {
            key: credentials[key] for key in ("project_id", "user_id") if key in credentials
        }
        if self._allows(endpoint.all_rule, target, credentials):
            return UNRESTRICTED
        own = endpoint.own_rule
        if own is None:
            return _Verdict.REFUSED
        if caller.project_id:
            allowed = self._allows(own, target, credentials)
            return self._of_project(caller.project_id) if allowed else _Verdict.REFUSED
        if caller.domain_id:
            of_domain = self._allows(own, {**target, "domain_id": caller.domain_id}, credentials)
            # A rule that also passes without a domain, such as "role:metrics", was written for projects. It
            # grants nothing of a domain.
            del credentials["domain_id"]
            if of_domain and not self._allows(own, target, credentials):
                return _Verdict.DOMAIN
        return _Verdict.REFUSED

    def _allows(self, rule: str, target: dict[str, Any], credentials: dict[str, Any]) -> bool:
        # A copy: the enforcer modifies the credentials.
        return bool(self._enforcer.enforce(rule, target, dict(credentials)))


def _credentials(caller: Caller) -> dict[str, Any]:
    """Return the credentials that policy checks see, named as in oslo.context's ``to_policy_values``."""
    values = {
        "user_id": caller.user_id,
        "user_domain_id": caller.user_domain_id,
        "project_id": caller.project_id,
        "project_domain_id": caller.project_domain_id,
        "domain_id": caller.domain_id,
        "system_scope": caller.system_scope,
        "roles": list(caller.roles),
        "service_roles": list(caller.service_roles),
    }
    return {key: value for key, value in values.items() if value is not None}


def get_enforcer() -> policy.Enforcer:
    """Return the enforcer for oslo.policy's tools, which use ``oslo_config.cfg.CONF``."""
    enforcer = policy.Enforcer(cfg.CONF)
    enforcer.register_defaults(list_rules())
    return enforcer

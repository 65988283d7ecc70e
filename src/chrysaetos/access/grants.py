"""Caller + endpoint → scope: what a caller may see there."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from oslo_config import cfg
from oslo_policy import opts, policy

from chrysaetos.access.policies import list_rules
from chrysaetos.errors import ConfigError, Forbidden
from chrysaetos.tenancy.labels import UNIFORM, LabelTable
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.identity.caller import Caller
    from chrysaetos.tenancy.endpoints import Endpoint

__all__ = ["Access", "Domains", "PolicyAccess", "get_enforcer"]

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""How often the policy's files are looked at, at most."""

_MOST_DOMAINS = 256
"""Domains whose scopes are kept. One of a thousand projects takes some hundred KiB."""

_Fingerprint = tuple[tuple[str, int, int, int], ...]


class _Verdict(Enum):
    """A decision that is no scope yet, or none at all."""

    REFUSED = "refused"
    DOMAIN = "all projects of the token's domain"


class Access(Protocol):
    """Anything that can say what a caller may see."""

    async def grant(self, caller: Caller, endpoint: Endpoint) -> Scope:
        """The scope of a caller at an endpoint.

        Raises:
            Forbidden: the caller may not use it.
            Unavailable: what the scope depends on cannot be learned.
        """
        ...


class Domains(Protocol):
    """Anything that knows the projects of domains."""

    async def of(self, domain_id: str) -> tuple[str, ...]:
        """The ids of a domain's projects; as long as nothing has changed, the very same tuple.

        Raises:
            Forbidden: there are too many, or none.
            Unavailable: they cannot be learned.
        """
        ...


class PolicyAccess:
    """Access by oslo.policy.

    A check costs some hundred microseconds, so decisions are kept until the policy's files change. A change
    that cannot be used is logged, and the rules before it stay in force.

    Args:
        conf: the configuration; its section ``[oslo_policy]`` names the files.
        label: the label that holds the project.
        labels: the metrics for which it is another, or which are open to all.
        domains: the projects of domains; None for none, and then no policy lets a domain in.
        size: how many decisions are kept.
        clock: seconds, monotonic.

    Raises:
        ConfigError: the policy's files cannot be used.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        label: str,
        labels: LabelTable = UNIFORM,
        *,
        domains: Domains | None = None,
        size: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._conf = conf
        self._label = label
        self._labels = labels
        self._size = size
        self._clock = clock
        self._domains = domains
        self._decisions: OrderedDict[tuple[object, ...], Scope | _Verdict] = OrderedDict()
        self._domain_scopes: OrderedDict[str, tuple[tuple[str, ...], Scope]] = OrderedDict()
        opts.set_defaults(conf)
        self._looked = clock()
        self._fingerprint = _fingerprint(conf)
        try:
            self._enforcer = _loaded(conf)
        except Exception as error:
            raise ConfigError(f"[oslo_policy] policy_file cannot be used: {error}") from error

    async def grant(self, caller: Caller, endpoint: Endpoint) -> Scope:
        """The scope of a caller at an endpoint.

        The endpoint's rule for all → everything; else its rule for the own project → the project of the
        token; or, if that rule lets the token in because of its domain → the projects of that domain; else
        nothing.

        Raises:
            Forbidden: neither rule lets the caller in, or the domain has no projects, or too many.
            Unavailable: Keystone does not tell the projects of the domain.
        """
        if self._clock() - self._looked >= _LOOK_SECONDS:
            self.reload()
        key = (
            endpoint.name,
            caller.user_id,
            caller.project_id,
            caller.domain_id,
            caller.system_scope,
            caller.roles,
            caller.service_roles,
        )
        try:
            decision = self._decisions[key]
        except KeyError:
            decision = self._decisions[key] = self._decide(caller, endpoint)
            if len(self._decisions) > self._size:
                self._decisions.popitem(last=False)
        if isinstance(decision, Scope):
            return decision
        if decision is _Verdict.DOMAIN and self._domains is not None and caller.domain_id is not None:
            return self._scope_of(caller.domain_id, await self._domains.of(caller.domain_id))
        if caller.project_id is None:
            raise Forbidden("this needs a token with a project: ask Keystone for a project-scoped one")
        raise Forbidden(
            f"the policy rule {endpoint.rule} lets none of your roles in: ask the cloud's operator for one"
        )

    def reload(self) -> None:
        """Take the policy's files over if they have changed."""
        self._looked = self._clock()
        fingerprint = _fingerprint(self._conf)
        if fingerprint == self._fingerprint:
            return
        self._fingerprint = fingerprint
        try:
            enforcer = _loaded(self._conf)
        except Exception:  # what can go wrong with YAML and with checks has no common class
            _log.exception("the changed policy cannot be used: the one before it stays in force")
            return
        self._enforcer = enforcer
        self._decisions.clear()
        _log.info("the changed policy is in force")

    def _scope_of(self, domain_id: str, projects: tuple[str, ...]) -> Scope:
        """The scope of a domain's projects. It is made once for each list, as it may be a long one."""
        kept = self._domain_scopes.get(domain_id)
        if kept is not None and kept[0] is projects:
            return kept[1]
        scope = Scope(self._label, projects, self._labels)
        self._domain_scopes[domain_id] = (projects, scope)
        if len(self._domain_scopes) > _MOST_DOMAINS:
            self._domain_scopes.popitem(last=False)
        return scope

    def _decide(self, caller: Caller, endpoint: Endpoint) -> Scope | _Verdict:
        credentials = _credentials(caller)
        # Without a project there is none in the target, either: oslo.policy fails a check whose key the
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
            return Scope(self._label, (caller.project_id,), self._labels) if allowed else _Verdict.REFUSED
        if caller.domain_id:
            of_domain = self._allows(own, {**target, "domain_id": caller.domain_id}, credentials)
            # A rule that would let the caller in without a domain as well, as "role:metrics", does not speak
            # of domains. It was written for projects, and gives nothing of a domain's.
            del credentials["domain_id"]
            if of_domain and not self._allows(own, target, credentials):
                return _Verdict.DOMAIN
        return _Verdict.REFUSED

    def _allows(self, rule: str, target: dict[str, Any], credentials: dict[str, Any]) -> bool:
        # A copy: the enforcer adds to the credentials that it is given.
        return bool(self._enforcer.enforce(rule, target, dict(credentials)))


def _credentials(caller: Caller) -> dict[str, Any]:
    """What the checks of a policy can name, as oslo.context's ``to_policy_values`` names it."""
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


def _loaded(conf: cfg.ConfigOpts) -> policy.Enforcer:
    """An enforcer with the rules as they are now; it does not look at the files again.

    Raises:
        Exception: a file cannot be used. There are as many kinds of that as YAML and oslo.policy have.
    """
    enforcer = policy.Enforcer(conf)
    enforcer.suppress_default_change_warnings = True
    enforcer.register_defaults(list_rules())
    enforcer.load_rules(force_reload=True)
    enforcer.check_rules(raise_on_violation=True)
    enforcer.use_conf = False
    return enforcer


def _fingerprint(conf: cfg.ConfigOpts) -> _Fingerprint:
    """What changes when a file of the policy does."""
    names = [conf.oslo_policy.policy_file, *conf.oslo_policy.policy_dirs]
    paths: list[Path] = []
    for found in filter(None, map(conf.find_file, names)):
        path = Path(found)
        paths.append(path)
        if path.is_dir():
            paths += sorted(path.iterdir())
    result: list[tuple[str, int, int, int]] = []
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        result.append((str(path), status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(result)


def get_enforcer() -> policy.Enforcer:
    """The enforcer for oslo.policy's tools, which read their arguments into ``oslo_config.cfg.CONF``."""
    enforcer = policy.Enforcer(cfg.CONF)
    enforcer.register_defaults(list_rules())
    return enforcer

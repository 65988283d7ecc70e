"""The policy: rules that nothing uses, and what example callers may do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.access.policy_files import load_enforcer, unknown_rules
from chrysaetos.errors import Forbidden
from chrysaetos.findings import failed, ok, warning
from chrysaetos.identity.caller import Caller
from chrysaetos.install.check.configuration import is_set
from chrysaetos.install.check.tables import Table
from chrysaetos.tenancy.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.findings import Finding
    from chrysaetos.install.check.configuration import Setup
    from chrysaetos.tenancy.endpoints import Endpoint

__all__ = ["check_policy"]

_CHECK = "policy"
_PROJECT = "e" * 32
"""A project that no policy file names."""
_EXAMPLES = {
    "reader": Caller(user_id="example", project_id=_PROJECT, roles=("reader",)),
    "member": Caller(user_id="example", project_id=_PROJECT, roles=("member", "reader")),
    "admin": Caller(user_id="example", project_id=_PROJECT, roles=("admin", "manager", "member", "reader")),
    "service": Caller(user_id="example", project_id=_PROJECT, roles=("service",)),
    "system reader": Caller(user_id="example", system_scope="all", roles=("reader",)),
}
"""Callers by the role in their project, and a reader of the system."""
_ALL, _OWN, _NOTHING = "all", "own", "-"


def check_policy(setup: Setup) -> tuple[list[Finding], list[Table]]:
    """Check the rules of the policy files, and resolve all rules for example callers.

    Returns:
        The findings, and a table with the access of each example caller to each endpoint.
    """
    access = PolicyAccess(setup.conf, setup.label, setup.labels)
    guarded = [endpoint for endpoint in ENDPOINTS if endpoint.guarded]
    cells = asyncio.run(_resolve(access, guarded))
    rows = [
        (endpoint.name, endpoint.rule, *(cells[endpoint.name, name] for name in _EXAMPLES))
        for endpoint in guarded
    ]
    table = Table("policy", ("endpoint", "rule", *_EXAMPLES), rows)
    return [*_check_files(setup), *_check_access(cells, guarded)], [table]


async def _resolve(access: PolicyAccess, endpoints: list[Endpoint]) -> dict[tuple[str, str], str]:
    """Return what each example caller may see at each endpoint."""
    cells = {}
    for endpoint in endpoints:
        for name, caller in _EXAMPLES.items():
            try:
                scope = await access.grant(caller, endpoint)
            except Forbidden:
                cells[endpoint.name, name] = _NOTHING
            else:
                cells[endpoint.name, name] = _ALL if scope.unrestricted else _OWN
    return cells


def _check_files(setup: Setup) -> Iterator[Finding]:
    conf = setup.conf
    if is_set(conf, "policy_dirs", "oslo_policy"):
        for directory in conf.oslo_policy.policy_dirs:
            if conf.find_file(directory) is None:
                yield warning(
                    _CHECK,
                    f"[oslo_policy] policy_dirs: there is no directory {directory}, so it has no rules",
                    "correct the path, and let the gateway's user enter it, or remove the option",
                )
    for name, close in unknown_rules(load_enforcer(conf)):
        advice = f"did you mean {close}?" if close else "the reference of policy rules lists all of them"
        yield warning(_CHECK, f"the rule {name} does not exist, and no rule refers to it", advice)


def _check_access(cells: dict[tuple[str, str], str], endpoints: list[Endpoint]) -> Iterator[Finding]:
    wide = [endpoint.all_rule for endpoint in endpoints if cells[endpoint.name, "reader"] == _ALL]
    if wide:
        yield failed(
            _CHECK,
            f"every reader of a project passes rules for callers who may see all projects: {', '.join(wide)}",
            "require a role or a project that only operators have, such as role:admin",
        )
    if cells["query", "reader"] == cells["query", "member"] == _NOTHING:
        yield warning(
            _CHECK,
            "readers and members of a project may not query their own series",
            "check the rule telemetry:query, or ignore this if only other roles may query",
        )
    if not wide:
        yield ok(_CHECK, "no reader of a project passes a rule for callers who may see all projects")

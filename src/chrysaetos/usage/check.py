"""``chrysaetos usage check``: check credentials, roles and policies, and suggest fixes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, cast

from keystoneauth1 import exceptions

from chrysaetos.usage.cloud import PAGING_MICROVERSION, window
from chrysaetos.usage.connection import adapters, open_connection
from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from keystoneauth1.adapter import Adapter
    from keystoneauth1.identity.base import BaseIdentityPlugin

__all__ = ["Finding", "check", "findings"]

_HOUR = 3600
_REMEDIES = {
    "projects": "policies identity:list_projects and identity:list_domains: reader on the system, or admin",
    "usage": "policy os_compute_api:os-simple-tenant-usage:list: role admin by default",
    "servers": "policy os_compute_api:servers:index:get_all_tenants: role admin by default",
}


class Finding(NamedTuple):
    """The result of one check.

    Attributes:
        subject: what was checked.
        passed: whether the check passed.
        message: the result, or how to fix the problem.
    """

    subject: str
    passed: bool
    message: str


def check(options: argparse.Namespace) -> int:
    """Run all checks and print their results.

    Returns:
        The exit status: 0 if all checks passed, else 1.
    """
    passed = True
    for finding in findings(options):
        print(f"{'ok    ' if finding.passed else 'FAILED'}  {finding.subject}: {finding.message}")
        passed &= finding.passed
    return 0 if passed else 1


def findings(options: argparse.Namespace) -> Iterator[Finding]:
    """Run the checks in order. Stop if the credentials do not work, since all other checks need them."""
    try:
        connection = open_connection(options.os_cloud)
        session = connection.config.get_session()
        token = cast("BaseIdentityPlugin", session.auth).get_access(session)
    except UsageError as error:
        yield Finding("credentials", passed=False, message=str(error))
        return
    except exceptions.ClientException as error:
        yield Finding("credentials", passed=False, message=f"no token from Keystone: {error}")
        return
    scope = token.project_name or ("the system" if token.system_scoped else token.domain_name) or "none"
    roles = ", ".join(token.role_names or ()) or "none"
    yield Finding("credentials", passed=True, message=f"user {token.username}, scope {scope}, roles {roles}")
    keystone, nova = adapters(connection)
    yield _try_request(keystone, "projects", "/projects", {"limit": "1"})
    yield _try_request(keystone, "projects", "/domains", {"limit": "1"})
    now = time.time()
    query = {**window(now - _HOUR, now), "detailed": "1", "limit": "1"}
    yield _try_request(nova, "usage", "/os-simple-tenant-usage", query, PAGING_MICROVERSION)
    if options.simple_vm_id:
        query = {"all_tenants": "1", "project_id": options.simple_vm_id, "limit": "1"}
        yield _try_request(nova, "servers", "/servers/detail", query)


def _try_request(
    adapter: Adapter, kind: str, path: str, query: dict[str, str], microversion: str | None = None
) -> Finding:
    subject = f"{kind} (GET {path})"
    try:
        adapter.get(path, params=query, microversion=microversion)
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        return Finding(subject, passed=False, message=f"{error.message}: {_REMEDIES[kind]}")
    except exceptions.EndpointNotFound as error:
        return Finding(subject, passed=False, message=f"{error}: check region and interface")
    except exceptions.ClientException as error:
        return Finding(subject, passed=False, message=str(error))
    return Finding(subject, passed=True, message="allowed")

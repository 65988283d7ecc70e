"""``chrysaetos usage check``: what is wrong with credentials, roles and policies, and what to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, cast

from keystoneauth1 import exceptions

from chrysaetos.usage.cloud import PAGED, window
from chrysaetos.usage.connection import adapters, open_connection
from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from keystoneauth1.adapter import Adapter
    from keystoneauth1.identity.base import BaseIdentityPlugin

__all__ = ["Finding", "check", "findings"]

_HOUR = 3600
_REMEDY = {
    "projects": "policies identity:list_projects and identity:list_domains: reader on the system, or admin",
    "usage": "policy os_compute_api:os-simple-tenant-usage:list: role admin by default",
    "servers": "policy os_compute_api:servers:index:get_all_tenants: role admin by default",
}


class Finding(NamedTuple):
    """One line of the check.

    Attributes:
        what: what was looked at.
        right: whether it is as it should be.
        said: what was seen, or what to do.
    """

    what: str
    right: bool
    said: str


def check(options: argparse.Namespace) -> int:
    """Print what is right and what is wrong.

    Returns:
        0 if all is right, else 1.
    """
    right = True
    for finding in findings(options):
        print(f"{'ok    ' if finding.right else 'FAILED'}  {finding.what}: {finding.said}")
        right &= finding.right
    return 0 if right else 1


def findings(options: argparse.Namespace) -> Iterator[Finding]:
    """Look at one thing after the other; what needs something that failed is left out."""
    try:
        connection = open_connection(options.os_cloud)
        session = connection.config.get_session()
        token = cast("BaseIdentityPlugin", session.auth).get_access(session)
    except UsageError as error:
        yield Finding("credentials", right=False, said=str(error))
        return
    except exceptions.ClientException as error:
        yield Finding("credentials", right=False, said=f"no token from Keystone: {error}")
        return
    scope = token.project_name or ("the system" if token.system_scoped else token.domain_name) or "nothing"
    roles = ", ".join(token.role_names or ()) or "none"
    yield Finding("credentials", right=True, said=f"user {token.username}, scope {scope}, roles {roles}")
    keystone, nova = adapters(connection)
    yield _asked(keystone, "projects", "/projects", {"limit": "1"})
    yield _asked(keystone, "projects", "/domains", {"limit": "1"})
    now = time.time()
    query = {**window(now - _HOUR, now), "detailed": "1", "limit": "1"}
    yield _asked(nova, "usage", "/os-simple-tenant-usage", query, PAGED)
    if options.simple_vm_id:
        query = {"all_tenants": "1", "project_id": options.simple_vm_id, "limit": "1"}
        yield _asked(nova, "servers", "/servers/detail", query)


def _asked(
    adapter: Adapter, what: str, path: str, query: dict[str, str], microversion: str | None = None
) -> Finding:
    name = f"{what} (GET {path})"
    try:
        adapter.get(path, params=query, microversion=microversion)
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        return Finding(name, right=False, said=f"{error.message}: {_REMEDY[what]}")
    except exceptions.EndpointNotFound as error:
        return Finding(name, right=False, said=f"{error}: look at region and interface")
    except exceptions.ClientException as error:
        return Finding(name, right=False, said=str(error))
    return Finding(name, right=True, said="allowed")

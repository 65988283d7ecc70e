"""``chrysaetos usage check``: check credentials, roles and policies, and suggest fixes."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, cast

from keystoneauth1 import exceptions

from chrysaetos.findings import Status, failed, format_table, ok, worst
from chrysaetos.usage.api import ForbiddenError
from chrysaetos.usage.build import LISTINGS, QUOTA_SETS
from chrysaetos.usage.cloud import PAGING_MICROVERSION, window
from chrysaetos.usage.connection import open_connection, open_projects, open_service
from chrysaetos.usage.records import UsageError
from chrysaetos.usage.resources import ListedSite
from chrysaetos.usage.snapshot import SERVERS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from keystoneauth1.access import AccessInfo
    from keystoneauth1.identity.base import BaseIdentityPlugin
    from openstack.connection import Connection

    from chrysaetos.findings import Finding
    from chrysaetos.usage.api import Service

__all__ = ["check", "findings"]

_HOUR = 3600
_REMEDIES = {
    "projects": "policies identity:list_projects and identity:list_domains: reader on the system, or admin",
    "usage": "policy os_compute_api:os-simple-tenant-usage:list: role admin by default",
    "own usage": "policy os_compute_api:os-simple-tenant-usage:show: role reader on the project by default",
    "servers": "policy os_compute_api:servers:index:get_all_tenants: role admin by default",
    "volumes": "policy volume:get_all: role reader on the project by default",
    "floating-ips": "policy get_floatingip: role reader on the project by default",
    "compute-quotas": "policy os_compute_api:os-quota-sets:detail: role admin, or reader with --own-project",
    "volume-quotas": "policy volume_extension:quotas:show: role admin, or reader with --own-project",
    "network-quotas": "policy get_quota: role admin, or reader with --own-project",
}


def check(options: argparse.Namespace) -> int:
    """Run all checks and print their results.

    Returns:
        The exit status: 0 if all checks passed, else 1.
    """
    found = list(findings(options))
    print(format_table(found), end="")
    return int(worst(found) is Status.FAILED)


def findings(options: argparse.Namespace) -> Iterator[Finding]:
    """Run the checks in order. Stop if the credentials do not work, since all other checks need them."""
    try:
        connection = open_connection(options.os_cloud)
        session = connection.config.get_session()
        token = cast("BaseIdentityPlugin", session.auth).get_access(session)
    except UsageError as error:
        yield failed("credentials", str(error), "")
        return
    except exceptions.ClientException as error:
        remedy = "check the address of Keystone, and user, password and project"
        yield failed("credentials", f"no token from Keystone: {error}", remedy)
        return
    scope = token.project_name or ("the system" if token.system_scoped else token.domain_name) or "none"
    roles = ", ".join(token.role_names or ()) or "none"
    yield ok("credentials", f"user {token.username}, scope {scope}, roles {roles}")
    yield from _service_findings(options, connection, token)


def _service_findings(
    options: argparse.Namespace, connection: Connection, token: AccessInfo
) -> Iterator[Finding]:
    """Run the checks of the services. Without ``--own-project``, they concern another project."""
    projects = open_projects(connection, options)
    if not options.own_project:
        keystone = open_service(connection, "keystone")
        for path in ("/projects", "/domains"):
            yield _try(f"projects (GET {path})", "projects", partial(keystone.get, path, {"limit": "1"}))
    try:
        others = [project.id for project in projects.list() if project.id != token.project_id]
    except UsageError:
        others = []  # A check of projects has failed.
    project_id = others[0] if others else token.project_id
    for source in options.sources:
        if source == SERVERS:
            yield from _server_findings(options, open_service(connection, "nova"), project_id)
        elif source in LISTINGS:
            service, listing = LISTINGS[source]
            site = ListedSite(projects, open_service(connection, service), listing, name="")
            yield _try(f"{source} (GET {listing.path})", source, site.check)
        else:
            service, quotas = QUOTA_SETS[source]
            path = quotas.path.format(project_id)
            request = partial(open_service(connection, service).get, path, dict(quotas.query))
            yield _try(f"{source} (GET {path})", source, request)


def _server_findings(options: argparse.Namespace, nova: Service, project_id: str | None) -> Iterator[Finding]:
    now = time.time()
    query = {**window(now - _HOUR, now), "limit": "1"}
    path, rule = f"/os-simple-tenant-usage/{project_id}", "own usage"
    if not options.own_project:
        path, rule, query = "/os-simple-tenant-usage", "usage", {**query, "detailed": "1"}
    yield _try(f"usage (GET {path})", rule, partial(nova.get, path, query, PAGING_MICROVERSION))
    if options.simple_vm_id:
        query = {"project_id": options.simple_vm_id, "limit": "1"}
        if not options.own_project:
            query["all_tenants"] = "1"
        yield _try("servers (GET /servers/detail)", "servers", partial(nova.get, "/servers/detail", query))


def _try(subject: str, rule: str, request: Callable[[], object]) -> Finding:
    try:
        request()
    except ForbiddenError as error:
        return failed(subject, str(error), _REMEDIES[rule])
    except UsageError as error:
        return failed(subject, str(error), "")
    return ok(subject, "allowed")

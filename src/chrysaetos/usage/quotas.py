"""Quotas of projects: the limit and the use of each resource, from Nova, Cinder and Neutron.

Sources: Compute API reference, "Quota sets (os-quota-sets)"; Block Storage API v3 reference, "Quota sets
extension"; Networking API v2.0 reference, "Quotas extension (quotas)".
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.usage.api import NotFoundError
from chrysaetos.usage.loop import keep_updating
from chrysaetos.usage.snapshot import quota_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from chrysaetos.usage.api import Service
    from chrysaetos.usage.projects import Projects
    from chrysaetos.usage.records import Project
    from chrysaetos.usage.snapshot import Exposition

__all__ = ["COMPUTE", "NETWORK", "VOLUME", "Quota", "QuotaSet", "QuotaUpdater"]

_PARALLEL = 8
"""Requests at a time: the services have no request for the quotas of all projects."""


@dataclass(frozen=True, slots=True)
class QuotaSet:
    """How a service returns the quotas of a project.

    Attributes:
        service: the value of the label ``service``.
        path: the path of a project's quotas.
        key: the name of the quotas in the response.
        used_key: the name of what is used.
        resources: the resources to export. Limits that do not apply to a project's total are not quotas.
        query: the parameters of the request.
    """

    service: str
    path: str
    key: str
    used_key: str
    resources: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)


COMPUTE = QuotaSet(
    "compute",
    "/os-quota-sets/{}/detail",
    "quota_set",
    "in_use",
    ("cores", "instances", "ram", "server_groups"),
)
VOLUME = QuotaSet(
    "volume",
    "/os-quota-sets/{}",
    "quota_set",
    "in_use",
    ("backup_gigabytes", "backups", "gigabytes", "groups", "snapshots", "volumes"),
    {"usage": "true"},
)
NETWORK = QuotaSet(
    "network",
    "/quotas/{}/details",
    "quota",
    "used",
    ("floatingip", "network", "port", "router", "security_group", "security_group_rule", "subnet"),
)


class Quota(NamedTuple):
    """The quota of a project for a resource.

    Attributes:
        project: the project.
        service: ``compute``, ``volume`` or ``network``.
        resource: the service's name of the resource.
        limit: the limit; infinite if there is none.
        used: what is used now.
    """

    project: Project
    service: str
    resource: str
    limit: float
    used: float


class QuotaUpdater:
    """Keeps the quotas of a service in an exposition up to date.

    Args:
        projects: the projects to export.
        service: the service.
        quotas: how it returns quotas.
        exposition: the exposition to update.
        clock: returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        projects: Projects,
        service: Service,
        quotas: QuotaSet,
        exposition: Exposition,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._projects = projects
        self._service = service
        self._quotas = quotas
        self._clock = clock
        self._exposition = exposition

    def update(self) -> None:
        """Request the quotas of all projects and publish them.

        Raises:
            UsageError: a request failed.
        """
        now, began = self._clock(), time.monotonic()
        health = self._exposition.health
        try:
            quotas = self._read()
        finally:
            health.calls = self._projects.calls + self._service.calls
        self._exposition.publish(quota_snapshot(now, quotas))
        health.succeeded, health.duration = self._clock(), time.monotonic() - began

    def run(self, stop: Event, interval: float) -> None:
        """Update until ``stop`` is set, see ``keep_updating``."""
        keep_updating(self._exposition.source, self.update, self._exposition.health, stop, interval)

    def _read(self) -> list[Quota]:
        """Return the quotas of all projects. A project that is deleted meanwhile has none."""
        projects = self._projects.list()
        with ThreadPoolExecutor(_PARALLEL) as workers:
            found = list(workers.map(self._quotas_of, projects))
        missing = {each.project.id: each for each in found if isinstance(each, _MissingProject)}
        if missing:
            for project in self._projects.list():
                if project.id in missing:
                    raise missing[project.id].error
        return [quota for each in found if not isinstance(each, _MissingProject) for quota in each]

    def _quotas_of(self, project: Project) -> list[Quota] | _MissingProject:
        path = self._quotas.path.format(project.id)
        try:
            document = self._service.get(path, dict(self._quotas.query))
        except NotFoundError as error:
            return _MissingProject(project, error)
        try:
            content = document[self._quotas.key]
            found = [
                Quota(
                    project,
                    self._quotas.service,
                    resource,
                    float(content[resource]["limit"]),
                    float(content[resource][self._quotas.used_key]),
                )
                for resource in self._quotas.resources
                if resource in content
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise self._service.error(
                f"{self._service.title} returned invalid quotas at {path} ({error!r})"
            ) from error
        return [quota._replace(limit=math.inf) if quota.limit < 0 else quota for quota in found]


class _MissingProject(NamedTuple):
    """A project that the service does not know."""

    project: Project
    error: NotFoundError

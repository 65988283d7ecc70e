"""The records that all modules share: projects and the usage of servers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

__all__ = ["MB_PER_GIB", "Project", "ServerUsage", "UsageError", "epoch"]

MB_PER_GIB = 1024
"""What OpenStack calls MB is a MiB."""


class UsageError(Exception):
    """An error that an operator can fix.

    Args:
        message: the problem and how to fix it.
        reason: the value of the metric label ``reason``: ``keystone``, ``nova``, ``cinder``, ``neutron``,
            ``forbidden``, ``truncated``, ``file``, ``ledger``, ``credits``, ``clock``, ``endpoint`` or
            ``weights``.
    """

    def __init__(self, message: str, *, reason: str = "file") -> None:
        super().__init__(message)
        self.reason = reason


class Project(NamedTuple):
    """A project of the site, with the values of its series' labels."""

    id: str
    name: str
    domain_id: str
    domain_name: str


class ServerUsage(NamedTuple):
    """The usage of a server with a flavor within a time window.

    A volume is counted as a server that has only a disk, and a floating IP as one without any size.

    Attributes:
        instance_id: the server's id.
        project_id: id of the project that owns the server.
        vcpus: virtual CPUs of the flavor.
        memory_mb: memory of the flavor in MB, as Nova calls MiB.
        disk_gb: local disk of the flavor in GB.
        hours: hours within the window in which the server existed.
        started_at: launch time of the server, in seconds since the epoch.
        exists: whether the server exists at the end of the window.
    """

    instance_id: str
    project_id: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    hours: float
    started_at: float
    exists: bool


def epoch(text: str) -> float:
    """Return an ISO 8601 time in seconds since the epoch. A time without a zone is UTC, as in OpenStack.

    Raises:
        ValueError: the text is not an ISO 8601 time.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

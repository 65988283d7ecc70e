"""The two things that everything here speaks of: a project, and what a server of it used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

__all__ = ["Project", "ServerUsage", "UsageError", "epoch"]


class UsageError(Exception):
    """What is wrong and what to do, in words for an operator.

    Args:
        message: those words.
        reason: one word for a metric's label: ``keystone``, ``nova``, ``forbidden``, ``truncated``, ``file``,
            ``ledger``, ``clock`` or ``weights``.
    """

    def __init__(self, message: str, *, reason: str = "file") -> None:
        super().__init__(message)
        self.reason = reason


class Project(NamedTuple):
    """A project of the site, with the labels that its series carry."""

    id: str
    name: str
    domain_id: str
    domain_name: str


class ServerUsage(NamedTuple):
    """What one server used of one flavor within a window of time.

    Attributes:
        instance_id: the server's id.
        project_id: id of the project that owns it.
        vcpus: virtual CPUs of its flavor.
        memory_mb: memory of its flavor, in MB (MiB, as Nova has it).
        disk_gb: local disk of its flavor, in GB.
        hours: how long it was there within the window.
        started_at: seconds since the epoch; when it was launched.
        exists: whether it is there at the end of the window.
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
    """Seconds since the epoch of an ISO 8601 time; one without a zone is UTC, as OpenStack's are.

    Raises:
        ValueError: if it is none.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

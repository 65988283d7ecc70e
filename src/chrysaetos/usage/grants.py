"""The grants of credits: a file to which each grant is appended, with who granted it and why.

Each line is a JSON object and is never changed: a correction is another grant, whose hours may be negative.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from chrysaetos.numeric import is_number
from chrysaetos.regular_file import regular_file, why_unreadable
from chrysaetos.usage.records import UsageError
from chrysaetos.utc import LAST_SECOND

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FILE", "RESOURCES", "CreditsError", "Grant", "append_grant", "open_owned", "read_grants"]

FILE = "credits.jsonl"
"""The name of the file, which is in the directory of the ledger."""
RESOURCES = ("vcpu", "mb")
"""What credits are granted for: hours of virtual CPUs and of MB."""


class CreditsError(UsageError):
    """The grants or the charges of credits cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="credits")


@dataclass(frozen=True, slots=True)
class Grant:
    """Credits of a project.

    Attributes:
        id: identifies the grant.
        project_id: id of the project; ``ID/NAME`` for a project inside the SimpleVM project.
        resource: one of ``RESOURCES``.
        hours: hours of the resource, weighted as the usage is; negative for a correction.
        granted: when it was granted, in seconds since the epoch. Usage before is not charged.
        until: when the rest expires, in seconds since the epoch; None for never.
        by: who granted it.
        why: the reason.
    """

    id: str
    project_id: str
    resource: str
    hours: float
    granted: float
    until: float | None
    by: str
    why: str

    def __post_init__(self) -> None:
        for name in ("id", "project_id", "by", "why"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise CreditsError(f"a grant needs {name}")
        if self.resource not in RESOURCES:
            raise CreditsError(f"resource is {self.resource!r}, expected {' or '.join(RESOURCES)}")
        if not is_number(self.hours) or self.hours == 0:
            raise CreditsError(f"hours is {self.hours!r}, expected a number other than 0")
        if not is_number(self.granted) or not (self.until is None or is_number(self.until)):
            raise CreditsError("granted and until are seconds since the epoch")
        if self.until is not None and self.until <= self.granted:
            raise CreditsError("until is not after the time of the grant")
        if self.granted < 0 or max(self.granted, self.until or 0.0) > LAST_SECOND:
            raise CreditsError("granted and until are not between 1970 and 9999")

    def is_valid(self, moment: float) -> bool:
        """Return whether it has been granted and has not expired at a time."""
        return self.granted <= moment and (self.until is None or moment < self.until)


def open_owned(path: Path, mode: int) -> int:
    """Open a file of the state directory to write, and create it if it does not exist.

    A file that root opens gets the owner of the directory, since the exporter runs as that user.

    Returns:
        The file descriptor, which appends.

    Raises:
        OSError: the file cannot be opened, or is a symbolic link.
    """
    # The owner of the directory may be unprivileged, and must not get other files through links.
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        if os.geteuid() == 0 and os.fstat(file).st_nlink == 1:
            owner = path.parent.stat()
            os.fchown(file, owner.st_uid, owner.st_gid)
    except BaseException:
        os.close(file)
        raise
    return file


def append_grant(
    path: Path,
    *,
    project_id: str,
    resource: str,
    hours: float,
    now: float,
    until: float | None,
    by: str,
    why: str,
) -> Grant:
    """Append a grant to the file, which is created with mode 0640 if it does not exist.

    Raises:
        CreditsError: a value is invalid, or the file cannot be written.
    """
    grant = Grant(secrets.token_hex(8), project_id, resource, hours, now, until, by, why)
    line = json.dumps(asdict(grant), ensure_ascii=False).encode() + b"\n"
    try:
        file = open_owned(path, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file).st_size
            last = os.pread(file, size, 0).rpartition(b"\n")[2]
            if _is_json(last):
                line = b"\n" + line
            else:
                # A grant of which only a part was written was not reported as granted.
                size -= len(last)
                os.ftruncate(file, size)
            if os.write(file, line) != len(line):
                os.ftruncate(file, size)
                raise CreditsError(f"{path}: the disk is full")
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise CreditsError(f"{path} cannot be written: {error.strerror}") from error
    return grant


def read_grants(path: Path) -> list[Grant]:
    """Return the grants in a file in their order; none if the file does not exist.

    A last line without a newline counts if it is complete, as editors write it. Otherwise it is ignored: the
    command that writes it is still running, or was killed.

    Raises:
        CreditsError: the file cannot be read, or a line is invalid.
    """
    try:
        with open(path, "rb", opener=regular_file) as file:
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CreditsError(f"{path} cannot be read: {why_unreadable(error)}") from error
    if not _is_json(lines[-1]):
        del lines[-1]
    grants = []
    for number, line in enumerate(lines, 1):
        try:
            document = json.loads(line)
            grants.append(Grant(**{field.name: document[field.name] for field in fields(Grant)}))
        except (ValueError, TypeError, KeyError, CreditsError) as error:
            raise CreditsError(f"{path}, line {number} is not a grant: {error}") from error
    if len({grant.id for grant in grants}) < len(grants):
        raise CreditsError(f"{path}: two grants have the same id")
    return grants


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True

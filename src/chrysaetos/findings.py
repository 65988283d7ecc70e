"""The results of checks, and their format."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Finding", "Status", "failed", "format_table", "ok", "plain", "to_json", "warning", "worst"]


class Status(StrEnum):
    """The result of a check, from good to bad."""

    SKIPPED = "skipped"
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Attributes:
        check: the check's name, in one or two words.
        status: the status.
        found: the observation.
        remedy: what to do; empty if nothing has to be done.
    """

    check: str
    status: Status
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(check, Status.OK, found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """Return a finding that needs attention, but prevents nothing."""
    return Finding(check, Status.WARNING, found, remedy)


def failed(check: str, found: str, remedy: str) -> Finding:
    """Return a finding with which the service would fail."""
    return Finding(check, Status.FAILED, found, remedy)


def worst(findings: Iterable[Finding]) -> Status:
    """Return the worst status; ok if there are no findings."""
    order = list(Status)
    return max((finding.status for finding in findings), key=order.index, default=Status.OK)


def format_table(findings: Sequence[Finding]) -> str:
    """Return a line for each finding, with the remedy below it, without control characters."""
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<8} {finding.check:<{width}}  {plain(finding.found)}")
        if finding.remedy:
            lines.append(f"{'':<8} {'':<{width}}  -> {plain(finding.remedy)}")
    return "".join(f"{line}\n" for line in lines)


def to_json(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Return the findings as JSON objects."""
    return [asdict(finding) for finding in findings]


def plain(text: str) -> str:
    """Return the text with a space for each character that cannot be printed, such as those of terminals."""
    return "".join(c if c.isprintable() else " " for c in text)

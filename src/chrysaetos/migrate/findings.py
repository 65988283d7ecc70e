"""What a check found, and how it is shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Finding", "Status", "failed", "good", "table", "to_json", "worst", "wrong"]


class Status(StrEnum):
    """How a check ended, from good to bad."""

    SKIPPED = "skipped"
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check.

    Attributes:
        check: what was looked at, in a word or two.
        status: how it ended.
        found: what was found.
        remedy: what to do about it; empty when it is good.
    """

    check: str
    status: Status
    found: str
    remedy: str = ""


def good(check: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Status.OK, found)


def wrong(check: str, found: str, remedy: str) -> Finding:
    """It may go well, but should be looked at."""
    return Finding(check, Status.WARNING, found, remedy)


def failed(check: str, found: str, remedy: str) -> Finding:
    """The move, or the service behind it, would not work."""
    return Finding(check, Status.FAILED, found, remedy)


def worst(findings: Iterable[Finding]) -> Status:
    """The worst status; ok when there is none."""
    order = list(Status)
    return max((finding.status for finding in findings), key=order.index, default=Status.OK)


def table(findings: Sequence[Finding]) -> str:
    """A line for each, with the remedy below it. Control characters are not passed to the terminal."""
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<8} {finding.check:<{width}}  {_plain(finding.found)}")
        if finding.remedy:
            lines.append(f"{'':<8} {'':<{width}}  -> {_plain(finding.remedy)}")
    return "".join(f"{line}\n" for line in lines)


def to_json(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """The same for programs."""
    return [asdict(finding) for finding in findings]


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)

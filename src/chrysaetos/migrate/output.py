"""The output of the command: text as it runs, or one JSON object at the end."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from chrysaetos.findings import Finding, Status, format_table, to_json, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from chrysaetos.migrate.changes import Journal
    from chrysaetos.migrate.services import Service

__all__ = ["Output"]


class Output:
    """The output of one run.

    Args:
        form: "table" or "json".
        service: the service that is moved.
        action: the action.

    Attributes:
        status: the worst of all findings so far.
    """

    def __init__(self, form: str, service: Service, action: str) -> None:
        self._text = form == "table"
        self.status = Status.OK
        self._report: dict[str, Any] = {"service": service.name, "action": action, "findings": []}

    def findings(self, findings: Iterable[Finding]) -> None:
        """Show findings, and update the status; also those before an exception of a check."""
        found: list[Finding] = []
        try:
            found.extend(findings)
        finally:
            self.status = worst([Finding("", self.status, ""), *found])
            self._report["findings"] += to_json(found)
            self._print(format_table(found))

    def difference(self, file: str, text: str) -> None:
        """Show the diff of a file."""
        self._report.setdefault("differences", {})[file] = text
        self._print(text)

    def steps(self, steps: Sequence[str]) -> None:
        """Show descriptions of the changes."""
        self._report["steps"] = list(steps)
        self._print("".join(f"{step}\n" for step in steps))

    def done(self, what: str, files: Sequence[Path]) -> None:
        """Show what was done to files."""
        self._report.setdefault("done", []).append({"what": what, "files": [str(file) for file in files]})
        self._print("".join(f"{what}: {file}\n" for file in files) or f"{what}\n")

    def backups(self, journal: Journal) -> None:
        """Show the backups of a change."""
        self._report["backup"] = {
            "stamp": journal.stamp,
            "journal": str(journal.path),
            "files": {str(entry.file): str(entry.backup) for entry in journal.entries},
        }
        self._print("".join(f"backup: {entry.backup}\n" for entry in journal.entries))

    def restart(self, service: Service, *, verify: bool) -> None:
        """Show how to restart the service.

        Args:
            service: the service.
            verify: whether to suggest the action verify.
        """
        commands = [
            f"systemctl restart {service.program}",
            f"systemctl restart devstack@{service.devstack_unit}",
            f"docker restart {service.program.replace('-', '_')}",
        ]
        self._report["restart"] = {"service": service.program, "commands": commands}
        self._print(
            f"Now restart {service.program}: {commands[0]}\n"
            f"(DevStack: {commands[1]}; Kolla: {commands[2]})\n"
            + (f"then: chrysaetos migrate {service.name} verify\n" if verify else "")
        )

    def confirm(self, question: str) -> bool:
        """Ask for a confirmation on the terminal."""
        print(f"{question} [y/N] ", end="", flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def error(self, message: str) -> None:
        """Show an error."""
        self.status = Status.FAILED
        self._report["error"] = message
        if self._text:
            print(f"chrysaetos migrate: {message}", file=sys.stderr)

    def close(self) -> None:
        """Write the JSON object, if that is the format."""
        if not self._text:
            print(json.dumps({**self._report, "status": self.status}, indent=2))

    def _print(self, text: str) -> None:
        if self._text:
            print(text, end="", flush=True)

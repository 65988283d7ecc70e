"""The changes of a move. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.findings import Finding, failed, ok, warning
from chrysaetos.migrate.conffile import replace_value
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.layers import Editor, Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chrysaetos.migrate.conffile import ConfFile
    from chrysaetos.migrate.layers import Layers, Setting

__all__ = ["Expected", "Move", "Plan", "overridden", "quote_value"]

Expected = dict[tuple[str, str], list[str] | str]
"""Values in the files by group and option; a list for a list option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The changes of a move.

    Attributes:
        contents: the new content of each file that changes.
        steps: descriptions of the changes.
        findings: problems, and settings that cannot be changed in files.
        after: the layers with the new contents.
        expected: the resulting values in the files.
    """

    contents: Mapping[ConfFile, bytes]
    steps: tuple[str, ...]
    findings: tuple[Finding, ...]
    after: Layers
    expected: Expected


class Move:
    """A move that is being planned: the edits of files, and their description.

    Args:
        layers: the current configuration.

    Attributes:
        layers: the current configuration.
        editor: the edits of its files.
        steps: descriptions of the changes.
        findings: problems, and settings that cannot be changed in files.
    """

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self.editor = Editor(layers)
        self.steps: list[str] = []
        self.findings: list[Finding] = []

    def warn(self, check: str, found: str, remedy: str) -> None:
        """Add a finding that needs attention, but prevents nothing."""
        self.findings.append(warning(check, found, remedy))

    def fail(self, check: str, found: str, remedy: str) -> None:
        """Add a finding with which the service would fail."""
        self.findings.append(failed(check, found, remedy))

    def add(self, group: str, key: str, value: str, *, file: ConfFile, source: str = "") -> None:
        """Add a setting that no file has; see ``Editor.add``."""
        chosen = self.editor.add(group, key, value, file=file)
        self.steps.append(f"{chosen.name} [{group}] {key} = {value}{source}")

    def copy(self, source: Setting | Variable, key: str, *, old: str, new: str, file: ConfFile) -> None:
        """Copy a setting to another section.

        Args:
            source: the setting in the old section.
            key: the key.
            old: the old section.
            new: the new section.
            file: the file for the new section, if there is none.

        Raises:
            MigrateError: the value is a reference or has several lines.
        """
        if "$" in source.value or "\n" in source.value:
            raise MigrateError(
                f"{source.location}: [{old}] {key} is a reference or has several lines, and cannot be "
                f"copied; set [{new}] {key} to its value"
            )
        self.add(new, key, quote_value(source.value), file=file, source=f", from {source.location}")

    def set_values(self, group: str, wanted: Mapping[str, str | None], *, file: ConfFile) -> None:
        """Set the values of a section that are not None.

        Args:
            group: the section.
            wanted: the values by key.
            file: the file for the section, if there is none.
        """
        for key, value in wanted.items():
            found, setting = self.layers.find(group, key), self.layers.find_in_files(group, key)
            if value is None or (found is not None and found.value == value):
                continue
            if isinstance(found, Variable):
                self.findings.append(overridden(found, value))
            if setting is None:
                self.add(group, key, value, file=file)
            else:
                self.editor.change(setting, replace_value(setting.lines, value))
                self.steps.append(f"{setting.location} [{group}] {key} = {value}")

    def comment_out(self, group: str) -> None:
        """Comment out a section that is not used any more."""
        self.steps += [f"{place} [{group}] is commented out" for place in self.editor.comment_out(group)]

    def plan(self, read: Callable[[Layers], Expected]) -> Plan:
        """Return the plan.

        Args:
            read: reads the values in the files that a move can change.
        """
        contents = self.editor.contents()
        after = self.layers.replaced(contents)
        findings = [*self.findings]
        if contents:
            names = ", ".join(file.name for file in contents)
            findings.append(ok("configuration", f"to be changed: {names}"))
        return Plan(
            contents=contents,
            steps=tuple(self.steps),
            findings=tuple(findings or [ok("configuration", "already moved; nothing to change")]),
            after=after,
            expected=read(after),
        )


def overridden(variable: Variable, value: str) -> Finding:
    """Return the finding for a variable that overrides the files."""
    return failed(
        "environment",
        f"{variable.name}={variable.value} overrides the files",
        f"set it to {value}, or remove it, in the environment of the service (a systemd unit, a container)",
    )


def quote_value(value: str) -> str:
    """Return a value, in quotes if oslo.config would otherwise strip its quotes or spaces."""
    return f'"{value}"' if value != value.strip() or value[:1] in {'"', "'"} else value

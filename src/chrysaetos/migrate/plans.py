"""The changes of a move. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.findings import Finding, failed, ok
from chrysaetos.migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chrysaetos.migrate.conffile import ConfFile
    from chrysaetos.migrate.layers import Editor, Layers, Setting, Variable

__all__ = ["Expected", "Plan", "complete_plan", "copied_value", "overridden", "quote_value"]

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


def complete_plan(
    layers: Layers,
    editor: Editor,
    steps: Sequence[str],
    findings: Sequence[Finding],
    read: Callable[[Layers], Expected],
) -> Plan:
    """Return the plan of the edits that an editor has collected.

    Args:
        layers: the current configuration.
        editor: the editor of its files.
        steps: descriptions of the changes.
        findings: the findings so far.
        read: reads the values in the files that a move can change.
    """
    contents = editor.contents()
    after = layers.replaced(contents)
    if contents:
        names = ", ".join(file.name for file in contents)
        findings = [*findings, ok("configuration", f"to be changed: {names}")]
    elif not findings:
        findings = [ok("configuration", "already moved; nothing to change")]
    return Plan(
        contents=contents,
        steps=tuple(steps),
        findings=tuple(findings),
        after=after,
        expected=read(after),
    )


def copied_value(source: Setting | Variable, key: str, *, old: str, new: str) -> str:
    """Return a value for a new section.

    Args:
        source: the setting in the old section.
        key: the key.
        old: the old section.
        new: the new section.

    Raises:
        MigrateError: the value is a reference or has several lines.
    """
    if "$" in source.value or "\n" in source.value:
        raise MigrateError(
            f"{source.location}: [{old}] {key} is a reference or has several lines, and cannot be copied; "
            f"set [{new}] {key} to its value"
        )
    return quote_value(source.value)


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

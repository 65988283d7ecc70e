"""The changes of a move. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.migrate.findings import Finding, failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.migrate.conffile import ConfFile
    from chrysaetos.migrate.layers import Layers, Variable

__all__ = ["Expected", "Plan", "overridden", "quote_value"]

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

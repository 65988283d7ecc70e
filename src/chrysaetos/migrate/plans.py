"""What a move changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.migrate.findings import Finding, failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.migrate.conffile import ConfFile
    from chrysaetos.migrate.layers import Layers, Variable

__all__ = ["Expected", "Plan", "overridden", "quoted"]

Expected = dict[tuple[str, str], list[str] | str]
"""(group, option) → what files give for it; a list for a list option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a move changes.

    Attributes:
        contents: the new bytes of each file that changes.
        steps: each change in words.
        findings: what is not as it should be, and what a file cannot change.
        after: the layers with the new contents.
        expected: the settings that count, as files give them then.
    """

    contents: Mapping[ConfFile, bytes]
    steps: tuple[str, ...]
    findings: tuple[Finding, ...]
    after: Layers
    expected: Expected


def overridden(variable: Variable, value: str) -> Finding:
    """A variable that no file can change."""
    return failed(
        "environment",
        f"{variable.name}={variable.value} overrides the files",
        f"set it to {value}, or remove it, where the service gets its environment (a systemd unit, a "
        "container); no file can change it",
    )


def quoted(value: str) -> str:
    """A value so that oslo.config reads it back: it drops a pair of quotes, and space around it."""
    return f'"{value}"' if value != value.strip() or value[:1] in {'"', "'"} else value

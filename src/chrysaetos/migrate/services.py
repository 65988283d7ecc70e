"""The interface of a service whose configuration can be moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from chrysaetos.findings import Finding
    from chrysaetos.migrate.conffile import ConfFile
    from chrysaetos.migrate.layers import Layers
    from chrysaetos.migrate.plans import Plan

__all__ = ["ExternalChange", "Loaded", "Service"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration files of a service.

    Attributes:
        layers: the configuration.
        paths: the path of each file after following symbolic links.
    """

    layers: Layers
    paths: Mapping[ConfFile, Path]

    def ordered(self, replaced: Mapping[Path, Path] | None = None) -> list[Path]:
        """Return the files in the order in which they are read.

        Args:
            replaced: files to use instead of others.
        """
        real = [self.paths[file] for file in self.layers.files]
        return [(replaced or {}).get(path, path) for path in real]

    @property
    def directories(self) -> Sequence[Path]:
        """The directories of the files, in order."""
        return list(dict.fromkeys(path.parent for path in self.ordered()))


class ExternalChange(Protocol):
    """A change outside the files that is made together with them."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The data for ``Service.restore_external_change``: JSON values without secrets."""

    @property
    def step(self) -> str:
        """A description of the change."""

    def blockers(self) -> Iterable[Finding]:
        """Check for running programs that prevent the change or its undoing."""

    def check(self) -> Iterable[Finding]:
        """Check that the change can be made."""

    def apply(self) -> None:
        """Make the change atomically."""

    def undo(self) -> None:
        """Undo the change atomically, if it was made. Calling it again has no effect."""


class Service(Protocol):
    """A service whose configuration can be moved."""

    name: str
    """The name in the command, and of the project in oslo.config."""
    program: str
    """The program whose files are the default, and which has to be restarted."""
    devstack_unit: str
    """The name of the program's systemd unit in DevStack, after ``devstack@``."""
    help: str
    """One line of help."""

    def add_arguments(self, parser: ArgumentParser, action: str) -> None:
        """Declare the service's own options."""

    def plan(self, layers: Layers, arguments: Namespace) -> Plan:
        """Plan the move."""

    def external_change(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> ExternalChange | None:
        """Return the change outside the files, None if there is none."""

    def restore_external_change(self, loaded: Loaded, data: Mapping[str, Any]) -> ExternalChange | None:
        """Return the external change that a journal describes."""

    def preflight(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> Iterable[Finding]:
        """Check the environment of the service before the move."""

    def verify(self, loaded: Loaded, arguments: Namespace) -> Iterable[Finding]:
        """Check that the moved service gets its metrics."""

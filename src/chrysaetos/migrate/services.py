"""What the command needs to know of a service whose configuration it moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from chrysaetos.migrate.conffile import ConfFile
    from chrysaetos.migrate.findings import Finding
    from chrysaetos.migrate.layers import Layers
    from chrysaetos.migrate.plans import Plan

__all__ = ["Companion", "Loaded", "Service"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration of a service, as it is on the disk.

    Attributes:
        layers: what it reads.
        paths: the file behind each part, symbolic links followed.
    """

    layers: Layers
    paths: Mapping[ConfFile, Path]

    def ordered(self, replaced: Mapping[Path, Path] | None = None) -> list[Path]:
        """The files in the order in which they are read, some with others in their place."""
        real = [self.paths[file] for file in self.layers.files]
        return [(replaced or {}).get(path, path) for path in real]

    @property
    def directories(self) -> Sequence[Path]:
        """Where the files are, in their order."""
        return list(dict.fromkeys(path.parent for path in self.ordered()))


class Companion(Protocol):
    """What changes together with the files, outside them."""

    @property
    def data(self) -> Mapping[str, Any]:
        """What `Service.companion_of` needs to take it back, as JSON values and without secrets."""

    @property
    def step(self) -> str:
        """The change in words."""

    def busy(self) -> Iterable[Finding]:
        """Whether something is at work that must not be, now or when it is taken back."""

    def check(self) -> Iterable[Finding]:
        """Whether it can be done."""

    def apply(self) -> None:
        """Do it, whole or not at all."""

    def undo(self) -> None:
        """Take it back, whole or not at all, if it was done. Twice is harmless."""


class Service(Protocol):
    """A service whose configuration can be moved."""

    name: str
    """As the command calls it, and as oslo.config calls its project."""
    program: str
    """The program whose files are looked for by default, and that is to be restarted."""
    help: str
    """One line on what is moved."""

    def add_arguments(self, parser: ArgumentParser, action: str) -> None:
        """Declare what the service takes beside the options that all have."""

    def plan(self, layers: Layers, arguments: Namespace) -> Plan:
        """Plan the move."""

    def companion(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> Companion | None:
        """What has to change together with the files; None where that is nothing."""

    def companion_of(self, loaded: Loaded, data: Mapping[str, Any]) -> Companion | None:
        """The companion of an earlier change."""

    def preflight(self, loaded: Loaded, plan: Plan, arguments: Namespace) -> Iterable[Finding]:
        """Look at what surrounds the service, before anything is changed."""

    def verify(self, loaded: Loaded, arguments: Namespace) -> Iterable[Finding]:
        """Look at whether the moved service gets what it needs."""

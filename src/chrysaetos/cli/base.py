"""What the commands have in common, whether ``openstack`` or ``chrysaetos`` runs them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cliff.command import Command

from chrysaetos.cli.cells import printable

if TYPE_CHECKING:
    import argparse

    from chrysaetos.client import MetricsClient

__all__ = ["MetricsCommand"]

_SIGNED = re.compile(r"-[0-9.]")


class MetricsCommand(Command):
    """A command that asks for metrics.

    The program that runs it (`app`) has a `client_manager` with the client as its attribute `chrysaetos`:
    openstackclient's own, or `chrysaetos.cli.credentials.Connections`.
    """

    app: Any

    @property
    def client(self) -> MetricsClient:
        """The client."""
        client: MetricsClient = self.app.client_manager.chrysaetos
        return client

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The parser with the command's arguments."""
        parser = super().get_parser(prog_name)
        # What looks like a negative number is an argument to argparse, and so is a time such as -1h.
        parser._negative_number_matcher = _SIGNED  # noqa: SLF001 - there is no other way to say so
        self.add_arguments(parser)
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own arguments."""

    def tell(self, *notes: str) -> None:
        """Write warnings and infos of the server where they do not mix with the output."""
        for note in notes:
            self.app.stderr.write(f"{printable(note)}\n")

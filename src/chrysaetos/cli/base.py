"""Base class of the commands, for both ``openstack`` and ``chrysaetos``."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cliff.command import Command
from cliff.lister import Lister

from chrysaetos.cli.cells import align_quantities, printable, printable_cells, printable_columns
from chrysaetos.errors import ChrysaetosError

if TYPE_CHECKING:
    import argparse

    from chrysaetos.client import MetricsClient

__all__ = ["MetricsCommand", "MetricsLister", "SeriesLister", "Table"]

Table = tuple[Sequence[str], list[tuple[Any, ...]]]
"""The names of the columns, and the cells of each row."""

_SIGNED = re.compile(r"-[0-9.]")


class MetricsCommand(Command):
    """A command that reads metrics.

    The program that runs it (``app``) has a ``client_manager`` whose attribute ``chrysaetos`` is the client:
    openstackclient's own, or ``chrysaetos.cli.credentials.ClientManager``.
    """

    app: Any

    @property
    def client(self) -> MetricsClient:
        """The client."""
        client: MetricsClient = self.app.client_manager.chrysaetos
        return client

    @property
    def required_scope(self) -> bool:
        """Whether the token needs a project: no, the gateway decides.

        openstackclient reads this when it has created its session, and before it logs in.
        """
        from chrysaetos.auth_url import reject_other_services  # noqa: PLC0415  # slow to import

        reject_other_services(self.app.client_manager.session)
        return False

    def get_epilog(self) -> str:
        """Return the last line of the help. cliff would search all installed distributions for it."""
        plugin = "This command is provided by the chrysaetos plugin."
        return "" if self.app.NAME == "chrysaetos" else plugin

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        # argparse accepts arguments that look like negative numbers; this includes times such as -1h.
        parser._negative_number_matcher = _SIGNED  # noqa: SLF001  # argparse has no public setting
        self.add_arguments(parser)
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own arguments."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command. A server's error message reaches openstackclient with escapes."""
        try:
            return int(super().run(parsed_args))
        except ChrysaetosError as error:
            error.args = ("\n".join(map(printable, str(error).splitlines())),)
            raise

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        """Write the result. Escape unprintable characters for people: in tables, and on a terminal.

        JSON has its own escapes. Other formats are exact unless they are written to a terminal.
        """
        if parsed_args.formatter != "json" and self.app.stdout.isatty():
            column_names, data = printable_columns(column_names), printable_cells(data)
        elif parsed_args.formatter == "table":
            column_names = printable_columns(column_names)
        output: Any = super()
        return int(output.produce_output(parsed_args, column_names, data) or 0)

    def write_notes(self, *notes: str) -> None:
        """Write the server's warnings and infos to standard error."""
        for note in notes:
            self.app.stderr.write(f"{printable(note)}\n")


class MetricsLister(MetricsCommand, Lister):
    """A command that shows a table of any number of rows.

    Attributes:
        rows_are: a noun for the rows, for the message that there are none.
        hints: lines that say why there are none, set by ``take_action``.
    """

    rows_are = "rows"
    hints: Sequence[str] = ()

    def is_for_people(self, parsed_args: argparse.Namespace) -> bool:
        """Return whether the result is a table on a terminal."""
        return bool(parsed_args.formatter == "table" and self.app.stdout.isatty())

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        """Write the result; instead of a table without rows, a note on standard error."""
        if parsed_args.formatter == "table" and not data and not parsed_args.print_empty:
            self.write_notes(f"no {self.rows_are}", *self.hints)
            return 0
        align_quantities(data)
        return super().produce_output(parsed_args, column_names, data)


class SeriesLister(MetricsLister):
    """A command that shows a table with a column for each label.

    On a terminal, labels that are the same in all rows are written once above the table.
    """

    rows_are = "series"

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        """Write the result."""
        if self.is_for_people(parsed_args) and not parsed_args.columns:
            from chrysaetos.cli.layout import lay_out  # noqa: PLC0415  # only for terminals

            width = parsed_args.max_width or shutil.get_terminal_size().columns
            keep = {"time", "value", *parsed_args.sort_columns}
            layout = lay_out(column_names, printable_cells(data), keep=keep, width=width)
            self.app.stdout.writelines(f"{line}\n" for line in layout.above)
            column_names, data = layout.columns, layout.rows
            if not column_names:
                return 0
        return super().produce_output(parsed_args, column_names, data)

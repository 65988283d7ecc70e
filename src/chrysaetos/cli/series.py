"""``series``, ``labels``, ``values`` and ``metadata``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from chrysaetos.cli.base import MetricsLister, SeriesLister, Table
from chrysaetos.cli.cells import label_names, text
from chrysaetos.cli.times import parse_time

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from chrysaetos.client import Listing

__all__ = ["Labels", "Metadata", "Series", "Values"]


def _add_window(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--start",
        type=parse_time,
        metavar="TIME",
        help="only series with samples after this time, such as -1h",
    )
    parser.add_argument(
        "--end", type=parse_time, metavar="TIME", help="only series with samples before this time"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="the maximum number of rows")


def _add_match(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--match",
        action="append",
        default=[],
        metavar="SELECTOR",
        help="only series that match, such as '{resource_name=~\"web.*\"}'; can be repeated",
    )


def _window(parsed_args: argparse.Namespace) -> dict[str, Any]:
    now = int(time.time())
    return {
        "start": parsed_args.start and parsed_args.start.resolve(now),
        "end": parsed_args.end and parsed_args.end.resolve(now),
        "limit": parsed_args.limit,
    }


def _explain_nothing(
    command: MetricsLister, parsed_args: argparse.Namespace, selectors: Sequence[str]
) -> None:
    if parsed_args.formatter == "table":
        from chrysaetos.cli.hints import hints  # noqa: PLC0415  # only for empty results

        window = _window(parsed_args)
        start, end = window["start"] or 0, window["end"] or int(time.time())
        command.hints = [
            hint
            for selector in selectors
            for hint in hints(command.client, selector, start, end, selectors=True)
        ]


class _Names(MetricsLister):
    """Base class of the commands that list the names or values of labels."""

    def _rows(self, parsed_args: argparse.Namespace, found: Listing[str]) -> list[tuple[Any, ...]]:
        self.write_notes(*found.warnings, *found.infos)
        if not found:
            _explain_nothing(self, parsed_args, parsed_args.match)
        return [(text(name),) for name in found]


class Series(SeriesLister):
    """List the series that selectors match, with all their labels."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the selectors and the time range."""
        parser.add_argument(
            "selectors",
            nargs="+",
            metavar="selector",
            help="such as ceilometer_cpu or '{__name__=~\"ceilometer_.+\"}'",
        )
        _add_window(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return a column for each label, and a row for each series."""
        found = self.client.series(parsed_args.selectors, **_window(parsed_args))
        self.write_notes(*found.warnings, *found.infos)
        if not found:
            _explain_nothing(self, parsed_args, parsed_args.selectors)
        names = label_names(found)
        return names, [tuple(text(labels.get(name, "")) for name in names) for labels in found]


class Labels(_Names):
    """List the names of labels."""

    rows_are = "labels"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the series and the time range."""
        _add_match(parser)
        _add_window(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return one column."""
        found = self.client.labels(parsed_args.match, **_window(parsed_args))
        return ["label"], self._rows(parsed_args, found)


class Values(_Names):
    """List the values of a label; the label __name__ has the names of the metrics."""

    rows_are = "values"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the label, the series and the time range."""
        parser.add_argument("label", help="the label's name")
        _add_match(parser)
        _add_window(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return one column."""
        found = self.client.label_values(parsed_args.label, parsed_args.match, **_window(parsed_args))
        return ["value"], self._rows(parsed_args, found)


class Metadata(MetricsLister):
    """List type, unit and help of metrics."""

    rows_are = "metadata"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the metric."""
        parser.add_argument("metric", nargs="?", help="only this metric")
        parser.add_argument("--limit", type=int, metavar="N", help="the maximum number of metrics")

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return a row for each metric, or several if exporters differ."""
        found = self.client.metadata(parsed_args.metric, limit=parsed_args.limit)
        rows = [
            (text(metric), *(text(entry.get(name, "")) for name in ("type", "unit", "help")))
            for metric, entries in sorted(found.items())
            for entry in entries
        ]
        return ["metric", "type", "unit", "help"], rows

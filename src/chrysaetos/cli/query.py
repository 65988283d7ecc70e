"""``query`` (``openstack metric instant``) and ``range``."""

from __future__ import annotations

import math
import os
import shutil
import time
from typing import TYPE_CHECKING, Any, cast

from cliff.lister import Lister

from chrysaetos.cli.base import MetricsCommand
from chrysaetos.cli.cells import label_columns, label_names, printable, text, value
from chrysaetos.cli.plot import Line, Style, draw
from chrysaetos.cli.times import TimeArgument, parse_duration, parse_time, rfc3339
from chrysaetos.cli.watch import Progress, add_watch_option, clear, watch
from chrysaetos.client.results import Scalar, String, Vector

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import TextIO

    from chrysaetos.client.results import Matrix, Result

    Table = tuple[Sequence[str], list[tuple[Any, ...]]]

__all__ = ["Instant", "Range"]

_DEFAULT_POINTS = 250
"""The number of points of a range without a step: enough for a terminal."""
_TIME_HELP = "such as now, 1h or -1h (an hour ago), now-2d, 2026-11-21T13:05:00Z, seconds since 1970"


class Instant(MetricsCommand, Lister):
    """Evaluate a PromQL query at one time."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the query, its time, and ``--watch``."""
        parser.add_argument("query", help="the query in PromQL")
        parser.add_argument(
            "--time",
            type=parse_time,
            metavar="TIME",
            help=f"the evaluation time: {_TIME_HELP} (default: now)",
        )
        parser.add_argument("--limit", type=int, metavar="N", help="the maximum number of series")
        add_watch_option(parser)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Evaluate and show the query, repeatedly with ``--watch``."""
        run_once = super().run
        return watch(parsed_args.watch, lambda: run_once(parsed_args), self.app.stdout, self.app.stderr)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return columns and rows: a row for each series, or for each sample of ``metric[5m]``."""
        when = parsed_args.time and parsed_args.time.resolve(int(time.time()))
        result = self.client.query(parsed_args.query, when, limit=parsed_args.limit)
        self.write_notes(*result.warnings, *result.infos)
        if parsed_args.watch:
            clear(self.app.stdout)
        return _table(result)


class Range(MetricsCommand, Lister):
    """Evaluate a PromQL query over a range of time, and show rows or a plot."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the query, its range and step, and the output format."""
        parser.add_argument("query", help="the query in PromQL")
        parser.add_argument(
            "--start",
            type=parse_time,
            default=TimeArgument(-3600, relative=True),
            metavar="TIME",
            help=f"{_TIME_HELP} (default: -1h)",
        )
        parser.add_argument(
            "--end",
            type=parse_time,
            default=TimeArgument(0, relative=True),
            metavar="TIME",
            help="as --start (default: now)",
        )
        parser.add_argument(
            "--step",
            type=parse_duration,
            metavar="DURATION",
            help=f"time between points, such as 30s or 5m (default: about {_DEFAULT_POINTS} points)",
        )
        parser.add_argument("--limit", type=int, metavar="N", help="the maximum number of series")
        parser.add_argument(
            "--split",
            action="store_true",
            help="send several requests, to exceed the server's limit of points",
        )
        layout = parser.add_mutually_exclusive_group()
        layout.add_argument("--plot", action="store_true", help="draw the series in the terminal")
        layout.add_argument(
            "--wide", action="store_true", help="a row for each time, a column for each series"
        )
        parser.add_argument(
            "--width", type=int, metavar="COLUMNS", help="size of the plot (default: the terminal's)"
        )
        parser.add_argument(
            "--height", type=int, metavar="LINES", help="size of the plot (default: the terminal's)"
        )
        parser.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")
        add_watch_option(parser)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Evaluate and show the query, repeatedly with ``--watch``."""
        run_once = self._plot if parsed_args.plot else super().run
        return watch(parsed_args.watch, lambda: run_once(parsed_args), self.app.stdout, self.app.stderr)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return columns and rows: a row for each sample, or for each time with ``--wide``."""
        matrix = self._query_range(parsed_args, *_range(parsed_args))
        return _wide(matrix) if parsed_args.wide else _table(matrix)

    def _plot(self, parsed_args: argparse.Namespace) -> int:
        start, end, step = _range(parsed_args)
        matrix = self._query_range(parsed_args, start, end, step)
        names = _legend([series.labels for series in matrix])
        lines = [
            Line(name, [(when, float(number)) for when, number in series.points])
            for name, series in zip(names, matrix, strict=True)
        ]
        title = " ".join(printable(parsed_args.query.strip()).split())
        style = _style(parsed_args, self.app.stdout, legend=min(len(lines), 10) + 2)
        self.app.stdout.write(f"{title}\n{draw(lines, start, end, step, style)}\n")
        self.app.stdout.flush()
        return 0

    def _query_range(self, parsed_args: argparse.Namespace, start: float, end: float, step: float) -> Matrix:
        with Progress(self.app.stderr) as progress:
            matrix = self.client.query_range(
                parsed_args.query,
                start,
                end,
                step,
                limit=parsed_args.limit,
                split=parsed_args.split,
                progress=progress if parsed_args.split else None,
            )
        self.write_notes(*matrix.warnings, *matrix.infos)
        if parsed_args.watch:
            clear(self.app.stdout)
        return matrix


def _range(parsed_args: argparse.Namespace) -> tuple[float, float, float]:
    """Return start, end and step in seconds."""
    now = float(int(time.time()))
    start, end = parsed_args.start.resolve(now), parsed_args.end.resolve(now)
    if end < start:
        raise ValueError(f"the end ({rfc3339(end)}) is before the start ({rfc3339(start)})")
    return start, end, parsed_args.step or max(1.0, math.ceil((end - start) / _DEFAULT_POINTS))


def _table(result: Result) -> Table:
    """Return a row for each sample; for a vector without times, which all equal the requested time."""
    if isinstance(result, Scalar | String):
        return ["value"], [(value(result.value),)]
    names = label_names(series.labels for series in result)
    columns = ["value"] if isinstance(result, Vector) else ["time", "value"]
    rows = []
    for labels, when, sample in result.rows(times="seconds"):
        cells = [text(labels.get(name, "")) for name in names]
        stamp = [] if isinstance(result, Vector) else [rfc3339(cast("float", when))]
        rows.append((*stamp, *cells, value(sample)))
    return [*columns[:-1], *label_columns(names, columns), "value"], rows


def _wide(matrix: Matrix) -> Table:
    names = _legend([series.labels for series in matrix])
    rows: dict[float, list[Any]] = {}
    for column, series in enumerate(matrix):
        for when, sample in (*series.points, *series.histograms):
            rows.setdefault(when, [""] * len(names))[column] = value(sample)
    return ["time", *names], [(rfc3339(when), *rows[when]) for when in sorted(rows)]


def _legend(series: Sequence[dict[str, str]]) -> list[str]:
    """Return a name for each series; for several series, only the labels in which they differ."""
    names = label_names(series)
    if len(series) > 1:
        names = [name for name in names if len({labels.get(name) for labels in series}) > 1]

    def name(labels: dict[str, str]) -> str:
        pairs = (f'{key}="{labels[key]}"' for key in names if key in labels and key != "__name__")
        metric = labels.get("__name__", "") if "__name__" in names else ""
        inside = ", ".join(pairs)
        return printable(f"{metric}{{{inside}}}" if inside or not metric else metric)

    return [name(labels) for labels in series]


def _style(parsed_args: argparse.Namespace, output: TextIO, *, legend: int) -> Style:
    """Return the style of a plot from the options and the terminal."""
    terminal = output.isatty()
    known = os.environ.get("TERM", "dumb") != "dumb"
    columns, lines = shutil.get_terminal_size()
    try:
        "└⣿".encode(getattr(output, "encoding", None) or "ascii")
        unicode = not parsed_args.ascii and (known or not terminal)
    except UnicodeEncodeError:
        unicode = False
    return Style(
        width=parsed_args.width or columns,
        height=parsed_args.height or (max(lines - legend, 8) if terminal else 20),
        unicode=unicode,
        colour=terminal and known and "NO_COLOR" not in os.environ,
    )

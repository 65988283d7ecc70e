"""``query`` (``openstack metric instant``) and ``range``."""

from __future__ import annotations

import math
import os
import shutil
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from chrysaetos.arguments import number
from chrysaetos.cli.base import SeriesLister, Table
from chrysaetos.cli.cells import Quantity, label_columns, label_names, printable, text, value
from chrysaetos.cli.errors import CommandFailed
from chrysaetos.cli.times import TimeArgument, parse_duration, parse_time, rfc3339
from chrysaetos.cli.units import unit_of
from chrysaetos.cli.watch import Progress, add_watch_option, clear, watch
from chrysaetos.client.results import Scalar, String, Vector

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import TextIO

    from chrysaetos.cli.chart import Chart
    from chrysaetos.cli.plot import Style
    from chrysaetos.client.results import Matrix, Result

__all__ = ["Instant", "Range"]

_DEFAULT_POINTS = 250
"""The number of points of a range without a step: enough for a terminal."""
_SIZE = number(int, 1, 10_000)
_TIME_HELP = "such as now, 1h or -1h (an hour ago), now-2d, 2026-11-21T13:05:00Z, seconds since 1970"


class _Query(SeriesLister):
    """Base class of the commands that evaluate a query."""

    def _add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, metavar="N", help="the maximum number of series")
        parser.add_argument(
            "--raw", action="store_true", help="show exact values on a terminal, instead of short ones"
        )
        add_watch_option(parser)

    def _table(self, parsed_args: argparse.Namespace, result: Result) -> Table:
        return _table(result, exact=parsed_args.raw or not self.is_for_people(parsed_args))

    def _explain_nothing(self, parsed_args: argparse.Namespace, start: float, end: float) -> None:
        """Look for hints, unless a program reads the result or the command is repeated."""
        if parsed_args.formatter == "table" and not parsed_args.watch:
            from chrysaetos.cli.hints import hints  # noqa: PLC0415  # only for empty results

            self.hints = hints(self.client, parsed_args.query, start, end)


class Instant(_Query):
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
        self._add_options(parser)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Evaluate and show the query, repeatedly with ``--watch``."""
        return watch(self, parsed_args, super().run)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return columns and rows: a row for each series, or for each sample of ``metric[5m]``."""
        now = int(time.time())
        when = parsed_args.time and parsed_args.time.resolve(now)
        result = self.client.query(parsed_args.query, when, limit=parsed_args.limit)
        self.write_notes(*result.warnings, *result.infos)
        if parsed_args.watch:
            clear(self.app.stdout)
        columns, rows = self._table(parsed_args, result)
        if not rows:
            self._explain_nothing(parsed_args, when or now, when or now)
        return columns, rows


class Range(_Query):
    """Evaluate a PromQL query over a range of time, and show rows or a plot."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the query, its range and step, and the output format."""
        parser.add_argument("query", nargs="?", help="the query in PromQL")
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
        parser.add_argument(
            "--split",
            action="store_true",
            help="send several requests, to exceed the server's limit of points",
        )
        layout = parser.add_mutually_exclusive_group()
        layout.add_argument(
            "--plot",
            nargs="?",
            const="",
            metavar="FILE",
            help="draw the series in the terminal, or as an image in FILE, whose name ends in .svg or .png",
        )
        layout.add_argument(
            "--wide", action="store_true", help="a row for each time, a column for each series"
        )
        parser.add_argument(
            "--width", type=_SIZE, metavar="COLUMNS", help="size of the plot (default: the terminal's)"
        )
        parser.add_argument(
            "--height", type=_SIZE, metavar="LINES", help="size of the plot (default: the terminal's)"
        )
        parser.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")
        self._add_options(parser)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Evaluate and show the query, repeatedly with ``--watch``."""
        _check_plot(parsed_args)
        return watch(self, parsed_args, super().run if parsed_args.plot is None else self._plot)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return columns and rows: a row for each sample, or for each time with ``--wide``."""
        matrix = self._query_range(parsed_args, *_range(parsed_args))
        return _wide(matrix) if parsed_args.wide else self._table(parsed_args, matrix)

    def _plot(self, parsed_args: argparse.Namespace) -> int:
        # Imported here so that a query without a plot does not load them.
        from chrysaetos.cli.plot import Line, draw  # noqa: PLC0415  # see above

        start, end, step = _range(parsed_args)
        matrix = self._query_range(parsed_args, start, end, step)
        if not matrix:
            self.write_notes("no series", *self.hints)
        names = _legend([series.labels for series in matrix])
        lines = [
            Line(name, [(when, float(sample)) for when, sample in series.points])
            for name, series in zip(names, matrix, strict=True)
        ]
        title = " ".join(printable(parsed_args.query.strip()).split())
        if parsed_args.plot:
            from chrysaetos.cli.chart import draw_chart  # noqa: PLC0415  # see above

            _write(Path(parsed_args.plot), draw_chart(title, lines, start, end, step))
            return 0
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
        if parsed_args.watch and not parsed_args.plot:
            clear(self.app.stdout)
        if not matrix:
            self._explain_nothing(parsed_args, start, end)
        return matrix


def _check_plot(parsed_args: argparse.Namespace) -> None:
    """Check ``--plot`` and its file.

    Raises:
        ValueError: the arguments are invalid.
    """
    if parsed_args.query is None:
        # The only argument after --plot is the query.
        parsed_args.query, parsed_args.plot = parsed_args.plot, ""
    if not parsed_args.query:
        raise ValueError("the query is missing")
    if parsed_args.plot is None:
        return
    if parsed_args.formatter != "table":
        raise ValueError(f"--plot draws, so it has no format {parsed_args.formatter}: omit one of them")
    suffix = Path(parsed_args.plot).suffix
    if parsed_args.plot and suffix not in {".svg", ".png"}:
        raise ValueError(f"the name of the file {parsed_args.plot} must end in .svg or .png")
    if suffix == ".png" and find_spec("PIL") is None:
        raise CommandFailed(
            "a PNG needs the package Pillow: pip install 'chrysaetos[plot]' (an SVG does not)"
        )


def _write(file: Path, chart: Chart) -> None:
    if file.suffix == ".png":
        from chrysaetos.cli.png import to_png  # noqa: PLC0415  # Pillow may be missing

        image = to_png(chart)
    else:
        from chrysaetos.cli.svg import to_svg  # noqa: PLC0415  # only plots need it

        image = to_svg(chart)
    try:
        file.write_bytes(image)
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}") from error


def _range(parsed_args: argparse.Namespace) -> tuple[float, float, float]:
    """Return start, end and step in seconds."""
    now = float(int(time.time()))
    start, end = parsed_args.start.resolve(now), parsed_args.end.resolve(now)
    if end < start:
        raise ValueError(f"the end ({rfc3339(end)}) is before the start ({rfc3339(start)})")
    return start, end, parsed_args.step or max(1.0, math.ceil((end - start) / _DEFAULT_POINTS))


def _table(result: Result, *, exact: bool) -> Table:
    """Return a row for each sample; for a vector without times, which all equal the requested time."""
    if isinstance(result, Scalar | String):
        return ["value"], [(value(result.value),)]
    names = label_names(series.labels for series in result)
    columns = ["value"] if isinstance(result, Vector) else ["time", "value"]
    rows = []
    for labels, when, sample in result.rows(times="seconds"):
        cells = [text(labels.get(name, "")) for name in names]
        stamp = [] if isinstance(result, Vector) else [rfc3339(cast("float", when))]
        short = Quantity(sample, unit_of(labels)) if isinstance(sample, float) and not exact else None
        rows.append((*stamp, *cells, short or value(sample)))
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
    from chrysaetos.cli.plot import Style  # noqa: PLC0415  # only plots need it

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

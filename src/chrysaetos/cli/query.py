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
from chrysaetos.cli.plot import Line, Look, draw
from chrysaetos.cli.times import Moment, duration, moment, rfc3339
from chrysaetos.cli.watching import Progress, add_watch, clear, watch
from chrysaetos.client.results import Scalar, String, Vector

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import TextIO

    from chrysaetos.client.results import Matrix, Result

    Table = tuple[Sequence[str], list[tuple[Any, ...]]]

__all__ = ["Instant", "Range"]

_POINTS = 250
"""Points of a range for which no step is given: enough for a screen."""
_TIME_HELP = "such as now, -1h, now-2d, 2026-11-21T13:05:00Z, seconds since 1970"


class Instant(MetricsCommand, Lister):
    """Ask for the values that a PromQL query has at one time."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The query, its time, and ``--watch``."""
        parser.add_argument("query", help="the query in PromQL")
        parser.add_argument(
            "--time", type=moment, metavar="TIME", help=f"the time to ask about: {_TIME_HELP} (default: now)"
        )
        parser.add_argument("--limit", type=int, metavar="N", help="at most so many series")
        add_watch(parser)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Ask and show, again and again with ``--watch``."""
        once = super().run
        return watch(parsed_args.watch, lambda: once(parsed_args), self.app.stdout, self.app.stderr)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Columns and rows: a row for each series, or for each sample of ``metric[5m]``."""
        asked = parsed_args.time and parsed_args.time.at(int(time.time()))
        result = self.client.query(parsed_args.query, asked, limit=parsed_args.limit)
        self.tell(*result.warnings, *result.infos)
        if parsed_args.watch:
            clear(self.app.stdout)
        return _table(result)


class Range(MetricsCommand, Lister):
    """Ask for the values that a PromQL query has over a time: as rows, or as a plot in the terminal."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The query, its time and step, and how to show the answer."""
        parser.add_argument("query", help="the query in PromQL")
        parser.add_argument(
            "--start",
            type=moment,
            default=Moment(-3600, relative=True),
            metavar="TIME",
            help=f"{_TIME_HELP} (default: -1h)",
        )
        parser.add_argument(
            "--end",
            type=moment,
            default=Moment(0, relative=True),
            metavar="TIME",
            help="as --start (default: now)",
        )
        parser.add_argument(
            "--step",
            type=duration,
            metavar="DURATION",
            help=f"time between points, such as 30s or 5m (default: so that there are about {_POINTS})",
        )
        parser.add_argument("--limit", type=int, metavar="N", help="at most so many series")
        parser.add_argument(
            "--split", action="store_true", help="ask in parts, for more points than the server gives at once"
        )
        shown = parser.add_mutually_exclusive_group()
        shown.add_argument("--plot", action="store_true", help="draw the series in the terminal")
        shown.add_argument(
            "--wide", action="store_true", help="a row for each time, a column for each series"
        )
        parser.add_argument(
            "--width", type=int, metavar="COLUMNS", help="of the plot (default: the terminal's)"
        )
        parser.add_argument(
            "--height", type=int, metavar="LINES", help="of the plot (default: the terminal's)"
        )
        parser.add_argument("--ascii", action="store_true", help="draw with ASCII characters alone")
        add_watch(parser)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Ask and show, again and again with ``--watch``."""
        once = self._plot if parsed_args.plot else super().run
        return watch(parsed_args.watch, lambda: once(parsed_args), self.app.stdout, self.app.stderr)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Columns and rows: a row for each sample, or with ``--wide`` for each time."""
        matrix = self._ask(parsed_args, *_span(parsed_args))
        return _wide(matrix) if parsed_args.wide else _table(matrix)

    def _plot(self, parsed_args: argparse.Namespace) -> int:
        start, end, step = _span(parsed_args)
        matrix = self._ask(parsed_args, start, end, step)
        names = _legend([series.labels for series in matrix])
        lines = [
            Line(name, [(when, float(one)) for when, one in series.points])
            for name, series in zip(names, matrix, strict=True)
        ]
        title = " ".join(printable(parsed_args.query.strip()).split())
        look = _look(parsed_args, self.app.stdout, legend=min(len(lines), 10) + 2)
        self.app.stdout.write(f"{title}\n{draw(lines, start, end, step, look)}\n")
        self.app.stdout.flush()
        return 0

    def _ask(self, parsed_args: argparse.Namespace, start: float, end: float, step: float) -> Matrix:
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
        self.tell(*matrix.warnings, *matrix.infos)
        if parsed_args.watch:
            clear(self.app.stdout)
        return matrix


def _span(parsed_args: argparse.Namespace) -> tuple[float, float, float]:
    """Start, end and step in seconds."""
    now = float(int(time.time()))
    start, end = parsed_args.start.at(now), parsed_args.end.at(now)
    if end < start:
        raise ValueError(f"the end ({rfc3339(end)}) is before the start ({rfc3339(start)})")
    return start, end, parsed_args.step or max(1.0, math.ceil((end - start) / _POINTS))


def _table(result: Result) -> Table:
    """A row for each sample. Only a vector's samples all have the same time, the one that was asked for."""
    if isinstance(result, Scalar | String):
        return ["value"], [(value(result.value),)]
    names = label_names(series.labels for series in result)
    others = ["value"] if isinstance(result, Vector) else ["time", "value"]
    rows = []
    for labels, when, one in result.rows(times="seconds"):
        cells = [text(labels.get(name, "")) for name in names]
        stamp = [] if isinstance(result, Vector) else [rfc3339(cast("float", when))]
        rows.append((*stamp, *cells, value(one)))
    return [*others[:-1], *label_columns(names, others), "value"], rows


def _wide(matrix: Matrix) -> Table:
    names = _legend([series.labels for series in matrix])
    rows: dict[float, list[Any]] = {}
    for column, series in enumerate(matrix):
        for when, one in (*series.points, *series.histograms):
            rows.setdefault(when, [""] * len(names))[column] = value(one)
    return ["time", *names], [(rfc3339(when), *rows[when]) for when in sorted(rows)]


def _legend(series: Sequence[dict[str, str]]) -> list[str]:
    """A name for each series: of several only the labels that tell them apart."""
    names = label_names(series)
    if len(series) > 1:
        names = [name for name in names if len({labels.get(name) for labels in series}) > 1]

    def name(labels: dict[str, str]) -> str:
        pairs = (f'{key}="{labels[key]}"' for key in names if key in labels and key != "__name__")
        metric = labels.get("__name__", "") if "__name__" in names else ""
        inside = ", ".join(pairs)
        return printable(f"{metric}{{{inside}}}" if inside or not metric else metric)

    return [name(labels) for labels in series]


def _look(parsed_args: argparse.Namespace, output: TextIO, *, legend: int) -> Look:
    """How to draw: what is asked for, else what the terminal can show."""
    terminal = output.isatty()
    known = os.environ.get("TERM", "dumb") != "dumb"
    columns, lines = shutil.get_terminal_size()
    try:
        "└⣿".encode(getattr(output, "encoding", None) or "ascii")
        unicode = not parsed_args.ascii and (known or not terminal)
    except UnicodeEncodeError:
        unicode = False
    return Look(
        width=parsed_args.width or columns,
        height=parsed_args.height or (max(lines - legend, 8) if terminal else 20),
        unicode=unicode,
        colour=terminal and known and "NO_COLOR" not in os.environ,
    )

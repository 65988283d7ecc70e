"""The project's label: how many series of each metric have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.findings import Finding, Status, ok, warning
from chrysaetos.install.check.prometheus import NoResult, query
from chrysaetos.install.check.tables import Table
from chrysaetos.tenancy.labels import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chrysaetos.http.upstream.pool import UpstreamOptions
    from chrysaetos.install.check.configuration import Setup

__all__ = ["check_labels"]

_CHECK = "labels"
_USUAL = ("project", "project_id", "tenant_id", "tenant")
"""Labels that exporters of OpenStack use for the project."""
_MAX_METRICS = 1000
"""Number of metrics that are counted: those with the most series."""
_SHOWN = 10
_PROJECT_ID = "[0-9a-f]{32}"
"""The ids that Keystone gives to projects."""

Counts = dict[str, int]


def check_labels(setup: Setup, server: UpstreamOptions) -> tuple[list[Finding], list[Table]]:
    """Check that series have the project's label, and that the metrics that the options name exist.

    Returns:
        The findings, and a table of all metrics.
    """
    label = setup.label
    others = sorted({each for _, each in setup.labels.entries} - {label, OPEN})
    try:
        counts = {each: _count(server, f'{each}!=""') for each in (label, *others)}
        without = _count(server, f'__name__!="",{label}=""')
        elsewhere = {
            each: _count(server, f'{each}=~"{_PROJECT_ID}",{label}=""') for each in _USUAL if each != label
        }
    except NoResult as error:
        return [Finding(_CHECK, Status.SKIPPED, f"the series could not be counted: {error.found}")], []
    coverage = list(_coverage(setup, counts, without))
    found = [
        _judge(setup, coverage, elsewhere),
        *_check_other_labels(setup, elsewhere),
        *_check_patterns(setup, [metric for metric, _, _ in coverage]),
    ]
    rows = [
        (metric, _label_of(setup, metric) or "(open to all)", str(seen), str(every - seen))
        for metric, seen, every in coverage
    ]
    return found, [Table("labels", ("metric", "label", "series with it", "without"), rows)]


def _count(server: UpstreamOptions, matchers: str) -> Counts:
    """Return the number of series that have a sample now, by metric."""
    result = query(server, f"topk({_MAX_METRICS}, count by (__name__) ({{{matchers}}}))")
    return {series["metric"].get("__name__", ""): int(float(series["value"][1])) for series in result}


def _label_of(setup: Setup, metric: str) -> str:
    label = setup.labels.label(metric)
    return setup.label if label is None else label


def _coverage(setup: Setup, counts: Mapping[str, Counts], without: Counts) -> Iterator[tuple[str, int, int]]:
    """Yield each metric with the number of its series that projects can read, and of all its series."""
    for metric in sorted(counts[setup.label].keys() | without.keys()):
        every = counts[setup.label].get(metric, 0) + without.get(metric, 0)
        label = _label_of(setup, metric)
        yield metric, every if label == OPEN else counts[label].get(metric, 0), every


def _judge(
    setup: Setup, coverage: Sequence[tuple[str, int, int]], elsewhere: Mapping[str, Counts]
) -> Finding:
    seen, every = sum(each[1] for each in coverage), sum(each[2] for each in coverage)
    if not every:
        return warning(_CHECK, "Prometheus has no series at this time", "check that it scrapes its targets")
    if not seen:
        candidates = [label for label, counts in elsewhere.items() if counts]
        known = f"; series have {' and '.join(candidates)}" if candidates else ""
        return warning(
            _CHECK,
            f"none of {every} series has the label {setup.label}: projects see nothing",
            f"set [prometheus] project_label_name to the label that holds the project's id{known}",
        )
    lacking = {metric: total - number for metric, number, total in coverage if number < total}
    rest = f"; only callers who may see all projects can read {_names(lacking)}" if lacking else ""
    return ok(_CHECK, f"projects can read {seen} of {every} series{rest}")


def _check_other_labels(setup: Setup, elsewhere: Mapping[str, Counts]) -> Iterator[Finding]:
    """Check for metrics that have the project in another label than the options say."""
    for label, counts in elsewhere.items():
        missed = {
            metric: number for metric, number in counts.items() if _label_of(setup, metric) == setup.label
        }
        if missed:
            entries = ", ".join(f"{metric}:{label}" for metric in sorted(missed))
            yield warning(
                _CHECK,
                f"these metrics have the project in {label}, so projects do not see them: {_names(missed)}",
                f"set [prometheus] metric_label_names = {entries}",
            )


def _check_patterns(setup: Setup, metrics: Sequence[str]) -> Iterator[Finding]:
    """Check that metrics exist for each name and prefix in the options."""
    if len(metrics) >= _MAX_METRICS:
        return  # not all are known
    for pattern, label in setup.labels.entries:
        prefix = pattern.removesuffix("*")
        if not any(each == pattern or (prefix != pattern and each.startswith(prefix)) for each in metrics):
            option = "open_metrics" if label == OPEN else "metric_label_names"
            yield warning(
                _CHECK,
                f"[prometheus] {option}: no series has the name {pattern}",
                "correct the name, or remove the entry",
            )


def _names(counts: Counts) -> str:
    """Return the metrics with the most series, with their numbers."""
    largest = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    names = ", ".join(f"{metric} ({number})" for metric, number in largest[:_SHOWN])
    return f"{names} and {len(largest) - _SHOWN} more" if len(largest) > _SHOWN else names

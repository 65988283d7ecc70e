"""Targets and metadata: what of the upstream's answer is within a scope.

Each answer is built anew from the fields that are known here. A field that a later Prometheus adds does not
come through until somebody has looked at it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from chrysaetos.errors import BadRequest
from chrysaetos.tenancy.shapes import as_labels, as_list, as_number, as_object, as_text, first

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from chrysaetos.tenancy.scope import Scope
    from chrysaetos.tenancy.shapes import Asked, Object

__all__ = ["filter_metadata", "filter_targets"]

_STATES: Final = frozenset({"", "any", "active", "dropped"})

# OpenMetrics 1.0, "Metric Types": what a family's series may have behind its name. Prometheus' text format
# names a counter's family as its series, so the bare name counts everywhere.
_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "summary": ("_count", "_sum", "_created"),
    "info": ("_info",),
}


def filter_targets(data: object, scope: Scope, asked: Asked) -> Object:
    """The targets whose labels carry the scope.

    How a target was discovered and what its scrape's URL holds are the operator's (addresses inside the
    cloud, credentials in parameters), as are the errors, which quote that URL. What was dropped belongs to
    nobody.

    Args:
        data: ``data`` of the answer to ``/api/v1/targets?state=active``.
        scope: what may be seen.
        asked: the request's ``state`` and ``scrapePool``.

    Raises:
        BadGateway: the data have an unexpected shape.
        BadRequest: the state is none.
    """
    state = first(asked, "state").lower()
    if state not in _STATES:
        raise BadRequest(f'invalid parameter "state": {state[:64]!a} is not any, active or dropped')
    targets = [_target(target) for target in map(as_object, as_list(as_object(data).get("activeTargets")))]
    pool = first(asked, "scrapePool")
    return {
        "activeTargets": [
            target
            for target in targets
            if target["labels"].get(scope.label) in scope.values
            and state != "dropped"
            and pool in {"", target["scrapePool"]}
        ],
        "droppedTargets": [],
        "droppedTargetCounts": {},
    }


def _target(target: Object) -> Object:
    labels = as_labels(target.get("labels"))
    pool = as_text(target.get("scrapePool", ""))
    url = _address(as_text(target.get("scrapeUrl", "")), labels.get("instance"))
    return {
        "discoveredLabels": {},
        "labels": labels,
        # Relabelling may have given the target another job; then the pool's name is news.
        "scrapePool": pool if pool == labels.get("job") else "",
        "scrapeUrl": url,
        "globalUrl": url,
        "lastError": "the scrape failed" if as_text(target.get("lastError", "")) else "",
        "lastScrape": as_text(target.get("lastScrape", "")),
        "lastScrapeDuration": as_number(target.get("lastScrapeDuration", 0)),
        "health": as_text(target.get("health", "")),
        "scrapeInterval": as_text(target.get("scrapeInterval", "")),
        "scrapeTimeout": as_text(target.get("scrapeTimeout", "")),
    }


def _address(url: str, instance: str | None) -> str:
    """Scheme, host and path of a URL whose host is the label ``instance``, so known; else nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if not instance or parts.netloc != instance:
        return ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def filter_metadata(data: object, names: Collection[str], asked: Asked) -> Object:
    """The metadata of metrics that the scope has series of.

    Prometheus merges what all targets say of a metric. Where they differ, one of the descriptions may be
    another tenant's text, and which cannot be told: then only what they agree on is shown.

    Args:
        data: ``data`` of the answer to ``/api/v1/metadata``.
        names: names of the metrics that the scope has series of.
        asked: the request's ``limit`` and ``limit_per_metric``; they count what is shown.

    Raises:
        BadGateway: the data have an unexpected shape.
    """
    limit = first(asked, "limit")
    shown: Object = {}
    for family, entries in sorted(as_object(data).items()):
        known = [entry for entry in map(_description, as_list(entries)) if _has_series(family, entry, names)]
        if known:
            shown[family] = [
                {
                    key: known[0][key] if all(one[key] == known[0][key] for one in known) else other
                    for key, other in (("type", "unknown"), ("help", ""), ("unit", ""))
                }
            ]
    wanted = first(asked, "metric")
    if wanted:
        shown = {family: entries for family, entries in shown.items() if family == wanted}
    return shown if limit == "" else dict(list(shown.items())[: int(limit)])


def _description(entry: object) -> dict[str, str]:
    fields = as_object(entry)
    return {key: as_text(fields.get(key, "")) for key in ("type", "help", "unit")}


def _has_series(family: str, entry: Mapping[str, str], names: Collection[str]) -> bool:
    suffixes = _SUFFIXES.get(entry["type"], ())
    return family in names or any(family + suffix in names for suffix in suffixes)

"""Filter targets and metadata by scope.

Each response is built from the fields that are known here. A field that a later Prometheus adds is left out
until it has been reviewed.
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

# OpenMetrics 1.0, "Metric Types": the suffixes of a family's series. In Prometheus' text format a counter's
# family has the name of its series, so the name without a suffix is always valid.
_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "summary": ("_count", "_sum", "_created"),
    "info": ("_info",),
}


def filter_targets(data: object, scope: Scope, asked: Asked) -> Object:
    """Return the targets whose labels carry the scope.

    The discovered labels, the scrape URL (internal addresses, credentials in parameters) and the errors,
    which quote that URL, are for operators only. Dropped targets belong to no tenant.

    Args:
        data: ``data`` of the answer to ``/api/v1/targets?state=active``.
        scope: the caller's scope.
        asked: the request's ``state`` and ``scrapePool``.

    Raises:
        BadGateway: the data has an unexpected structure.
        BadRequest: the state is unknown.
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
        # If relabelling changed the job, the pool's name is not in the target's labels, so it stays hidden.
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
    """Return scheme, host and path of a URL whose host is the label ``instance``; else an empty text."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if not instance or parts.netloc != instance:
        return ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def filter_metadata(data: object, names: Collection[str], asked: Asked) -> Object:
    """Return the metadata of metrics that have series in the scope.

    Prometheus merges the metadata of all targets. If they differ for a metric, one of the descriptions may be
    another tenant's, so only what is equal in all is shown.

    Args:
        data: ``data`` of the answer to ``/api/v1/metadata``.
        names: names of the metrics that have series in the scope.
        asked: the request's ``metric`` and ``limit``, applied after the filter. One description of each
            metric is left, so ``limit_per_metric`` changes nothing.

    Raises:
        BadGateway: the data has an unexpected structure.
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

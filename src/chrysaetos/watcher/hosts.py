"""Host names of Watcher's model, and the label values that stand for them in Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["ambiguous_names", "label_values", "short_names"]


def label_values(targets: Iterable[Mapping[str, Any]], label: str) -> set[str]:
    """The values of a label in Prometheus' targets (`activeTargets` of `/api/v1/targets`)."""
    found = (target.get("labels", {}).get(label) for target in targets)
    return {value for value in found if value}


def short_names(names: Collection[str]) -> dict[str, str]:
    """Each host's name up to its first dot → its full name. Names that several hosts share are left out."""
    shared = ambiguous_names(names)
    pairs = ((name.partition(".")[0], name) for name in names if "." in name)
    return {short: name for short, name in pairs if short not in shared}


def ambiguous_names(names: Collection[str]) -> dict[str, list[str]]:
    """Short names that several hosts share → those hosts' full names, in order."""
    grouped: dict[str, list[str]] = {}
    for name in sorted(names):
        if "." in name:
            grouped.setdefault(name.partition(".")[0], []).append(name)
    return {short: full for short, full in grouped.items() if len(full) > 1}

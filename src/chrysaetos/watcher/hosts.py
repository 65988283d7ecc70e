"""Host names of Watcher's model and their label values in Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["ambiguous_names", "label_values", "short_names"]


def label_values(targets: Iterable[Mapping[str, Any]], label: str) -> set[str]:
    """Return the values of a label of Prometheus' targets (``activeTargets`` of ``/api/v1/targets``)."""
    found = (target.get("labels", {}).get(label) for target in targets)
    return {value for value in found if value}


def short_names(names: Collection[str]) -> dict[str, str]:
    """Return the full name of each host by its name up to the first dot, without ambiguous short names."""
    shared = ambiguous_names(names)
    pairs = ((name.partition(".")[0], name) for name in names if "." in name)
    return {short: name for short, name in pairs if short not in shared}


def ambiguous_names(names: Collection[str]) -> dict[str, list[str]]:
    """Return the full names, in order, of the hosts that share a short name, by short name."""
    grouped: dict[str, list[str]] = {}
    for name in sorted(names):
        if "." in name:
            grouped.setdefault(name.partition(".")[0], []).append(name)
    return {short: full for short, full in grouped.items() if len(full) > 1}

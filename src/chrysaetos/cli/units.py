"""Write values for people: four digits, and a unit that fits the size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chrysaetos.cli.axes import format_short
from chrysaetos.cli.times import rfc3339
from chrysaetos.utc import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["format_bytes", "format_duration", "humanize", "unit_of"]

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "seconds": 1.0}
_TIMES = ("_timestamp_seconds", "_boot_time_seconds", "_start_time_seconds")
_SHOWN = frozenset({"MB", "GB", "%"})
"""Units that are written after the value as they are."""


def unit_of(labels: Mapping[str, str]) -> str:
    """Return the unit of a series: from its name, as Prometheus recommends, or from Ceilometer's label.

    Returns:
        ``B``, a unit of time, ``time`` for seconds since 1970, another value of the label, or ``""``.
    """
    name = labels.get("__name__", "")
    if name.endswith(_TIMES):
        return "time"
    base = name.removesuffix("_total").removesuffix("_sum")
    if base.endswith("_bytes"):
        return "B"
    if base.endswith("_seconds"):
        return "s"
    return labels.get("unit", "") if name else ""


def humanize(value: float, unit: str = "") -> str:
    """Return a value for people.

    Args:
        value: the value.
        unit: the unit, as ``unit_of`` returns it.
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if unit in {"B", "bytes"}:
        return format_bytes(value)
    if unit in _SECONDS:
        return format_duration(value * _SECONDS[unit])
    if unit == "time" and 0 < value < 253402300800:
        return rfc3339(round(value))
    return f"{format_short(value)} {unit}" if unit in _SHOWN else format_short(value)


def format_bytes(value: float) -> str:
    """Return a number of bytes with three digits, such as ``3.91 GiB``."""
    power = 0
    while abs(value) >= 1023.5 and power < len(_BINARY) - 1:
        value /= 1024
        power += 1
    digits = f"{value:.0f}" if abs(value) >= 99.95 or value.is_integer() else f"{value:.3g}"
    return f"{digits} {_BINARY[power]}"


def format_duration(seconds: float) -> str:
    """Return a duration in the two largest units, such as ``54d 3h``; below a minute with three digits."""
    size, sign = abs(seconds), "-" if seconds < 0 else ""
    if size < 59.95:
        for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
            if size * factor >= 1 or size == 0:
                return f"{sign}{size * factor:.3g} {unit}"
        return f"{sign}{size * 1e9:.3g} ns"
    if size >= 1e12:
        return f"{format_short(seconds / DAY)} d"
    total = round(size)
    if total < 3600:
        return f"{sign}{total // 60}m {total % 60}s"
    minutes = round(size / 60)
    if minutes < 1440:
        return f"{sign}{minutes // 60}h {minutes % 60}m"
    hours = round(size / 3600)
    return f"{sign}{hours // 24}d {hours % 24}h"

"""Check numbers from JSON, TOML or a caller. A ``bool`` is rejected, although it is an ``int``."""

from __future__ import annotations

import math
from typing import TypeGuard

__all__ = ["is_integer", "is_number"]


def is_integer(value: object, minimum: int) -> TypeGuard[int]:
    """Return whether a value is an integer of at least ``minimum``."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number that a float can hold, and not NaN or infinite."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False

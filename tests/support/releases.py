"""The releases of OpenStack's services that the tests run; ``make`` says which, and installs them."""

from __future__ import annotations

import os

__all__ = ["AODH", "CLOUDKITTY", "WATCHER"]


def _releases(variable: str, default: str) -> tuple[int, ...]:
    return tuple(map(int, os.environ.get(variable, default).split()))


CLOUDKITTY = _releases("CHRYSAETOS_CLOUDKITTY", "25")
WATCHER = _releases("CHRYSAETOS_WATCHER", "17 15")
AODH = _releases("CHRYSAETOS_AODH", "23")

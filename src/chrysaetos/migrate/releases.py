"""Which release of a service is installed beside this command."""

from __future__ import annotations

from importlib import metadata

__all__ = ["installed_release"]


def installed_release(distribution: str) -> int | None:
    """The first number of a distribution's version; None when it is not installed here."""
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
    number = version.partition(".")[0]
    return int(number) if number.isdigit() else None

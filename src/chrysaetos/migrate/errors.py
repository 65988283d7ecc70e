"""The exception of this package."""

from __future__ import annotations

from chrysaetos.errors import ChrysaetosError

__all__ = ["MigrateError"]


class MigrateError(ChrysaetosError):
    """The migration failed. The message names the file or setting, what was changed, and what to do."""

"""What stops a move. Each message names the file or setting, and what to do."""

from __future__ import annotations

from chrysaetos.errors import ChrysaetosError

__all__ = ["MigrateError"]


class MigrateError(ChrysaetosError):
    """Nothing was changed, or what was changed is named in the message."""

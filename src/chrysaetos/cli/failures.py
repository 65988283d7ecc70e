"""What ends a command with one line on standard error.

ChrysaetosError
└── CommandFailed           what was asked for could not be done
    └── CredentialsError    there are no credentials, or they cannot be used as they are
"""

from __future__ import annotations

from chrysaetos.errors import ChrysaetosError

__all__ = ["CommandFailed", "CredentialsError"]


class CommandFailed(ChrysaetosError):
    """A command cannot do what was asked for. The message says why and what to do."""


class CredentialsError(CommandFailed):
    """There are no credentials, or they cannot be used as they are."""

"""Errors that end a command with one line on standard error.

ChrysaetosError
└── CommandFailed           the command failed
    └── CredentialsError    credentials are missing or invalid
"""

from __future__ import annotations

from chrysaetos.errors import ChrysaetosError

__all__ = ["CommandFailed", "CredentialsError"]


class CommandFailed(ChrysaetosError):
    """The command failed. The message says why and what to do."""


class CredentialsError(CommandFailed):
    """Credentials are missing or invalid."""

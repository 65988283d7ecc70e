"""Secrets that this product generates: passwords, secrets of application credentials, tokens."""

from __future__ import annotations

import secrets
import string

__all__ = ["new_secret"]

_ALPHABET = string.ascii_letters + string.digits


def new_secret(length: int = 24) -> str:
    """Return a new random secret.

    It consists of ASCII letters and digits only, so that it can be an argument of a command (where a leading
    ``-`` would begin an option), a word of a shell, a part of a URL, and a value in an openrc file, unquoted.

    Args:
        length: number of characters, with 5.95 bits of entropy each. 24 have more than the 128 bits that a
            password needs; 43 have 256.
    """
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))

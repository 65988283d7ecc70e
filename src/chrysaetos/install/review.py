"""Show what a further run would change in existing files, without their secrets, and ask."""

from __future__ import annotations

import difflib
import re
from functools import cache
from typing import TYPE_CHECKING

from keystoneauth1 import loading
from keystonemiddleware.opts import list_auth_token_opts

from chrysaetos.gateway.options import list_opts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from chrysaetos.scaffold import Change, File

__all__ = ["Review", "show_diff"]

_HIDDEN = "(not shown)"
_OPTION = re.compile(r"([A-Za-z0-9_]+)\s*=")
_CREDENTIALS = re.compile(r"://[^/\s]*@")
"""User and password in a URL."""
_SECRETS_INSIDE = {"headers", "scope_headers", "scope_parameters"}
"""Options that oslo.config does not know as secret, and that may contain credentials."""


class Review:
    """Decides which of the changed files are written.

    Args:
        directory: the directory of the files.
        ask: asks a question that is answered with yes or no; None to overwrite files without asking.
        force: whether to overwrite files that were edited, without asking.

    Attributes:
        kept: the names of files that stay as they are although the new text differs.
    """

    def __init__(self, directory: Path, *, ask: Callable[[str], bool] | None, force: bool) -> None:
        self._directory = directory
        self._ask = ask
        self._force = force
        self.kept: list[str] = []

    def accepted(self, changes: Sequence[Change]) -> list[File]:
        """Return the files to write: all that are missing, and of the others those that may be overwritten.

        A file that was edited stays as it is as long as its template and the settings do not change.
        """
        return [change.file for change in changes if self._is_accepted(change)]

    def _is_accepted(self, change: Change) -> bool:
        if change.content is None or change.content == change.file.text.encode() or change.file.rewrite:
            return True
        if change.edited and not change.new and not self._force:
            return False
        name = self._directory / change.file.name
        print(show_diff(change, str(name)), end="")
        if self._force:
            return True
        if self._ask is None:
            accepted = not change.edited
        else:
            edited = ", which was edited" if change.edited else ""
            accepted = self._ask(f"Overwrite {name}{edited}?")
        if not accepted:
            self.kept.append(change.file.name)
        return accepted


def show_diff(change: Change, name: str) -> str:
    """Return the unified diff of a change.

    In a file with a mode of its own, which has secrets, only what is known not to be a secret is shown: the
    template's own lines, and values of options that are not secret.

    Args:
        change: a change of an existing file.
        name: the name to show.
    """
    before = (change.content or b"").decode(errors="replace").splitlines()
    after = change.file.text.splitlines()
    lines = list(difflib.unified_diff(before, after, name, f"{name} (new)", lineterm=""))
    if change.file.mode is not None:
        template = {line for line in after if not _OPTION.match(line)}
        lines = [*lines[:2], *(_without_secret(line, template) for line in lines[2:])]
    return "".join(f"{line}\n" for line in lines)


def _without_secret(line: str, template: set[str]) -> str:
    mark, text = line[:1], line[1:]
    option = _OPTION.match(text)
    if mark == "@" or text in template:
        return line
    if option is not None and option[1] in _shown_options() and not _CREDENTIALS.search(text):
        return line
    return f"{mark}{option[0]} {_HIDDEN}" if option else f"{mark}{_HIDDEN}"


@cache
def _shown_options() -> frozenset[str]:
    """Return the names of the options whose values are not secret in any section."""
    options = [option for _, group in (*list_opts(), *list_auth_token_opts()) for option in group]
    options += loading.get_plugin_loader("password").get_options()
    secret = {option.dest for option in options if option.secret}
    return frozenset(option.dest for option in options) - secret - _SECRETS_INSIDE

"""Read the variables of an openrc file without a shell.

A line ``NAME=value`` is read as by ``docker run --env-file``: the value is everything after the equals sign,
unless it is nothing but a reference to another variable. A line with ``export``, or whose value begins with
a quote, is read as by a shell: the value is a word with quotes, escapes and references to other variables.
Other statements, as in the file that Horizon offers for download, are skipped if they set no ``OS_``
variable.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from chrysaetos.regular_file import regular_file, why_unreadable
from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["missing_variables", "read_openrc"]

_ASSIGNMENT = re.compile(r"(export\s+)?([A-Za-z_]\w*)=")
_SETS_OS = re.compile(r"(?<!\w)(OS_\w+)\+?=")
_SETS_ANOTHER = re.compile(r"[\s;&](OS_\w+)=")
"""In a value that is not quoted."""
_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_WORD = re.compile(
    r"""
      '(?P<single>[^']*)'
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | \\(?P<escaped>.)
    | (?P<reference>\$(?:\w+|\{\w+\}))
    | (?P<plain>[^\s'"\\$`;&|<>()]+)
    """,
    re.VERBOSE,
)
_SECRET = re.compile("PASSWORD|SECRET|TOKEN")
"""In the name of a variable whose value must not be printed."""
_OPENING = frozenset({"case", "for", "if", "until", "while"})
_CLOSING = frozenset({"done", "esac", "fi"})
_STATEMENTS = frozenset(
    {*_OPENING, *_CLOSING, "[", "[[", "do", "echo", "elif", "else", "printf", "set", "stty", "then", "unset"}
)
"""First words of statements that are skipped: they set no variable."""
_PASSWORD_TYPES = frozenset({"", "password", "v3password"})


class _Reader:
    """Reads the lines of a file in order.

    Args:
        path: the file, for errors.
        environ: variables that the file may refer to.
    """

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self._number = 0
        self._depth = 0
        self._typed: dict[str, int] = {}
        self.variables: dict[str, str] = {}

    def read(self, line: str) -> None:
        """Read the next line."""
        self._number += 1
        self._statement(line.strip())

    def _statement(self, text: str, *, of_shell: bool = False) -> None:
        words = text.split()
        if not words or text.startswith("#"):
            return
        assignment = _ASSIGNMENT.match(text)
        if assignment and not (self._depth and assignment[2].startswith("OS_")):
            self._assign(text, of_shell=of_shell or bool(assignment[1]))
        elif words[0] == "read":
            self._read_from_terminal(words[1:])
        elif words[0] == "unset" and not self._depth and not _SETS_OS.search(text):
            for name in words[1:]:
                self.variables.pop(name, None)
        elif words[0] in _STATEMENTS or words[0] == "export" or self._depth:
            conditional = _SETS_OS.search(text)
            if conditional:
                self._fail(
                    f"a shell decides whether {conditional[1]} is set; write {conditional[1]}=value alone"
                )
            first_words = [part.split()[0] for part in text.split(";") if part.split()]
            self._depth += sum(word in _OPENING for word in first_words)
            self._depth -= sum(word in _CLOSING for word in first_words)
        else:
            self._fail("expected OS_NAME=value; source the file in a shell and omit --openrc if it needs one")

    def _assign(self, text: str, *, of_shell: bool) -> None:
        position = 0
        while assignment := _ASSIGNMENT.match(text, position):
            name, position = assignment[2], assignment.end()
            if of_shell or text[position : position + 1] in ("'", '"'):
                value, position = self._word(name, text, position)
                of_shell = True
            else:
                value, position = text[position:], len(text)
                another = _SETS_ANOTHER.search(value)
                if another:
                    self._fail(f"this line also sets {another[1]}; write each variable in a line of its own")
                reference = _REFERENCE.fullmatch(value)
                if reference:
                    value = self._look_up(name, reference)
            if value is not None:
                self.variables[name] = value
            rest = text[position:]
            position += len(rest) - len(rest.lstrip())
        rest = text[position:]
        if rest.startswith(";"):
            self._statement(rest[1:].strip(), of_shell=True)
        elif rest and not rest.startswith("#"):
            self._unreadable(name, rest)

    def _word(self, name: str, text: str, position: int) -> tuple[str | None, int]:
        """Return the value of a shell's word and its end. None if the environment's value is to be used."""
        parts: list[str | None] = []
        while token := _WORD.match(text, position):
            position = token.end()
            if token["double"] is not None:
                parts.append(self._expand(name, token["double"]))
            elif token["reference"] is not None:
                parts.append(self._expand(name, token["reference"]))
            else:
                parts.append(
                    next(part for part in token.group("single", "escaped", "plain") if part is not None)
                )
        if text[position : position + 1] not in ("", " ", "\t", ";"):
            self._unreadable(name, text[position:])
        known = [part for part in parts if part is not None]
        return ("".join(known) if len(known) == len(parts) else None), position

    def _expand(self, name: str, text: str) -> str | None:
        """Return a text in double quotes with its references resolved."""
        parts: list[str | None] = []
        position = 0
        while position < len(text):
            reference = _REFERENCE.match(text, position)
            if reference:
                parts.append(self._look_up(name, reference))
                position = reference.end()
            elif text[position] in "$`":
                self._unreadable(name, text[position:])
            else:
                # In double quotes, a backslash escapes only these characters (POSIX, 2.2.3).
                position += text[position] == "\\" and text[position + 1 : position + 2] in (
                    "$",
                    "`",
                    '"',
                    "\\",
                )
                parts.append(text[position])
                position += 1
        known = [part for part in parts if part is not None]
        return "".join(known) if len(known) == len(parts) else None

    def _look_up(self, name: str, reference: re.Match[str]) -> str | None:
        if not name.startswith("OS_"):
            return None
        wanted = reference[1] or reference[2]
        for variables in (self.variables, self._environ):
            if wanted in variables:
                return variables[wanted]
        if name in self._environ:
            return None
        if wanted in self._typed:
            self._fail(
                f"{name} is read from the terminal (line {self._typed[wanted]}); replace this line by "
                f"{name}='…', or set {name} in the environment"
            )
        if _SECRET.search(name):
            self._fail(
                f"the value of {name} has a $, which begins a reference to a variable that is not set; if "
                f"the $ is part of the value, write {name}='value', in single quotes"
            )
        return self._fail(f"{name} refers to {wanted}, which is not set; write the value itself")

    def _read_from_terminal(self, words: list[str]) -> None:
        for name in words:
            if name.isidentifier():
                self._typed[name] = self._number
                if name.startswith("OS_") and not name.endswith("_INPUT") and name not in self._environ:
                    self._fail(f"{name} is read from the terminal; replace this line by {name}='…'")

    def _unreadable(self, name: str, rest: str) -> None:
        """Fail if the variable matters; others of a script, such as PATH, are skipped."""
        if name.startswith("OS_") or _SETS_OS.search(rest):
            self._fail(f"the value of {name} needs a shell; write {name}='value', with one pair of quotes")

    def _fail(self, problem: str) -> NoReturn:
        raise UsageError(f"{self._path}, line {self._number}: {problem}")


def read_openrc(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a file. Those with an empty value are omitted, as Horizon's file unsets them.

    Args:
        path: the file.
        environ: variables that the file may refer to, such as ``OS_PASSWORD`` if the file reads it from the
            terminal.

    Raises:
        UsageError: the file cannot be read, or a line needs a shell; the message says what to write instead.
    """
    try:
        with open(path, encoding="utf-8-sig", opener=regular_file) as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {why_unreadable(error)}") from error
    reader = _Reader(path, environ)
    for line in lines:
        reader.read(line)
    return {name: value for name, value in reader.variables.items() if value}


def missing_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that a log-in with ``OS_AUTH_URL`` still needs.

    Log-ins of other types than passwords and application credentials are not checked, nor is the environment
    if clouds.yaml may have the credentials.
    """
    if environ.get("OS_CLOUD") or not any(environ.get(name) for name in ("OS_AUTH_URL", "OS_PASSWORD")):
        return []
    kind = environ.get("OS_AUTH_TYPE", "")
    needed: list[tuple[str, ...]] = [("OS_AUTH_URL",)]
    if "applicationcredential" in kind or environ.get("OS_APPLICATION_CREDENTIAL_ID"):
        needed += [("OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_NAME")]
        needed += [("OS_APPLICATION_CREDENTIAL_SECRET",)]
    elif kind in _PASSWORD_TYPES:
        needed += [("OS_USERNAME", "OS_USER_ID"), ("OS_PASSWORD",)]
    return [names[0] for names in needed if not any(map(environ.get, names))]

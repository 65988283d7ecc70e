r"""A configuration file as oslo.config reads it, without losing a byte.

The grammar is that of oslo.config's ``iniparser``, which is neither ConfigParser's nor TOML's:

    file         = { line }                      lines end with \n, \r\n or \r (universal newlines)
    blank        = white space                   ends a value
    continuation = (" " | tab) text              continues the previous value
    section      = "[" name "]"
    comment      = ("#" | ";") text              in the first column; ends a value
    option       = key ("=" | ":") value         a pair of quotes around the value's first line is removed

Nothing else is a comment: text after a value, or indented in a list, is part of the value. Sections and keys
may repeat. Keys are case-sensitive, section names are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["ConfFile", "Edit", "Option", "Section", "normalize_group", "replace_items", "replace_value"]

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_DELIMITER = re.compile("[=:]")
_QUOTES = ('"', "'")


def normalize_group(group: str) -> str:
    """Return the name of a group as oslo.config compares it."""
    return group if group == "DEFAULT" else group.lower()


@dataclass(frozen=True, slots=True)
class Option:
    """One setting in a file.

    Attributes:
        section: the section's name, as oslo.config compares it.
        key: the option's name.
        value: the value that oslo.config reads, before conversion; its lines are joined by newlines.
        first: the index of the first line.
        end: the index after the last line.
    """

    section: str
    key: str
    value: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Section:
    """One section header and its options.

    Attributes:
        name: the section's name, as oslo.config compares it.
        first: the index of the header's line.
        end: the index after the section's last line: that of the next header, or the end of the file.
        options: the options in order.
    """

    name: str
    first: int
    end: int
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the lines from ``first`` up to ``end``, exclusive; inserts lines if ``first == end``."""

    first: int
    end: int
    lines: tuple[str, ...]


class ConfFile:
    """A parsed configuration file.

    Args:
        name: the file's name for messages.
        data: the file's bytes.

    Attributes:
        lines: the text of each line, without its line end.
        sections: the sections in order; a name may occur more than once.

    Raises:
        MigrateError: the file is invalid for oslo.config, too.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise MigrateError(
                f"{name}, line {line}: byte {data[error.start]:#04x} is not UTF-8, so the service cannot "
                "read the file; convert it with iconv -t UTF-8"
            ) from error
        if text.startswith("\ufeff"):
            raise MigrateError(
                f"{name}: starts with a byte order mark, which oslo.config reads as part of the first line; "
                "remove its first three bytes"
            )
        pairs = [(match[1], match[2]) for match in _LINE.finditer(text) if match[0]]
        self.lines = tuple(line for line, _ in pairs)
        self._ends = tuple(end for _, end in pairs)
        self.sections = tuple(self._sections())

    @property
    def options(self) -> Iterable[Option]:
        """All options in the order of the file."""
        return (option for section in self.sections for option in section.options)

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """Return the file's bytes with edits applied.

        Args:
            edits: the edits, which must not overlap. All other lines are unchanged.
        """
        lines = list(zip(self.lines, self._ends, strict=True))
        # From the end, so that earlier indices stay valid; an insertion follows a replacement at its index.
        for edit in sorted(edits, key=lambda edit: (edit.first, edit.end), reverse=True):
            old_ends = self._ends[edit.first : edit.end]
            near = self._end_near(edit.first)
            ends = [end or near for end in (*old_ends, *[near] * len(edit.lines))][: len(edit.lines)]
            if ends and old_ends and not old_ends[-1] and edit.end == len(lines):
                ends[-1] = ""  # the file still does not end with a newline
            new = list(zip(edit.lines, ends, strict=True))
            if new and edit.first == len(self.lines) and lines and not lines[edit.first - 1][1]:
                lines[edit.first - 1] = (lines[edit.first - 1][0], near)
            lines[edit.first : edit.end] = new
        return "".join(line + end for line, end in lines).encode()

    def _end_near(self, index: int) -> str:
        """Return the line end for a line at an index: that of the previous lines."""
        before = (end for end in reversed(self._ends[:index]) if end)
        return next(before, next((end for end in self._ends if end), "\n"))

    def _sections(self) -> Iterable[Section]:
        header: tuple[str, int] | None = None
        options: list[Option] = []
        index = 0
        while index < len(self.lines):
            line = self.lines[index].rstrip()
            if line.startswith((" ", "\t")):
                raise self._broken(index, "is indented, but there is no value to continue")
            if line.startswith("["):
                if not line.endswith("]") or len(line) <= 2:
                    raise self._broken(index, "should only have a section's name in brackets")
                if header is not None:
                    yield Section(*header, index, tuple(options))
                header, options = (normalize_group(line[1:-1]), index), []
            elif line and not line.startswith(("#", ";")):
                if header is None:
                    raise self._broken(index, "is a setting before the first section")
                options.append(self._option(header[0], index, line))
                index = options[-1].end
                continue
            index += 1
        if header is not None:
            yield Section(*header, index, tuple(options))

    def _option(self, section: str, first: int, line: str) -> Option:
        delimiter = _DELIMITER.search(line)
        if delimiter is None:
            raise self._broken(first, "has neither = nor :")
        key, value = line[: delimiter.start()].strip(), line[delimiter.end() :].strip()
        if not key:
            raise self._broken(first, "has no name before the delimiter")
        if value and value[0] == value[-1] and value.startswith(_QUOTES):
            value = value[1:-1]
        end = first + 1
        values = [value]
        while end < len(self.lines):
            more = self.lines[end].rstrip()
            if not more.startswith((" ", "\t")):
                break
            values.append(more.lstrip())
            end += 1
        return Option(section, key, "\n".join(values), first, end)

    def _broken(self, index: int, why: str) -> MigrateError:
        # Without the text of the line, which may be a secret.
        return MigrateError(
            f"{self.name}, line {index + 1}: {why}; the service cannot read this file: correct it first"
        )


def replace_value(lines: Sequence[str], value: str) -> tuple[str, ...]:
    """Return the lines of an option with another value, on one line, with the same key and spacing."""
    key, delimiter, old = _parts(lines[0])
    space = old[: len(old) - len(old.lstrip())] if old.strip() else " "
    return (f"{key}{delimiter}{space}{value}",)


def replace_items(lines: Sequence[str], old: str, new: str) -> tuple[str, ...]:
    """Return the lines of a list with an item replaced, with the same spaces, quotes and line breaks."""
    item = re.compile(rf"(?<=[\s,=:\"']){re.escape(old)}(?=[\s,\"']|\Z)")
    key, delimiter, value = _parts(lines[0])
    return (key + item.sub(new, delimiter + value), *(item.sub(new, line) for line in lines[1:]))


def _parts(line: str) -> tuple[str, str, str]:
    """Return the text before an option's delimiter, the delimiter, and the text after it."""
    key = _DELIMITER.split(line, maxsplit=1)[0]
    return key, line[len(key) : len(key) + 1], line[len(key) + 1 :]

r"""One configuration file as oslo.config reads it, with every byte kept.

The grammar is that of oslo.config's `iniparser`, which is neither ConfigParser's nor TOML's:

    file         = { line }                      lines end with \n, \r\n or \r (universal newlines)
    blank        = white space                   ends a value
    continuation = (" " | tab) text              more of the value before it
    section      = "[" name "]"
    comment      = ("#" | ";") text              from the first column on; ends a value
    option       = key ("=" | ":") value         one pair of quotes around the value's first line is dropped

Nothing else is a comment: what stands behind a value, or indented in a list, is part of the value. Sections
and keys may repeat. Keys are compared as they are, section names without regard to case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["ConfFile", "Edit", "Option", "Section", "normal", "replaced_items", "replaced_value"]

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_DELIMITER = re.compile("[=:]")
_QUOTES = ('"', "'")


def normal(group: str) -> str:
    """A group's name as oslo.config compares it."""
    return group if group == "DEFAULT" else group.lower()


@dataclass(frozen=True, slots=True)
class Option:
    """One setting in a file.

    Attributes:
        section: the section's name, as oslo.config compares it.
        key: its name.
        value: what oslo.config reads, before any conversion; the lines of a long value joined by line feeds.
        first: index of its line.
        end: index behind its last line.
    """

    section: str
    key: str
    value: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Section:
    """One section header and what stands below it.

    Attributes:
        name: as oslo.config compares it.
        first: index of the header's line.
        end: index behind the section's last line, which is that of the next header or of the file's end.
        options: in their order.
    """

    name: str
    first: int
    end: int
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines ``first`` up to but without ``end`` become `lines`; with ``first == end`` these are inserted."""

    first: int
    end: int
    lines: tuple[str, ...]


class ConfFile:
    """A file that was read.

    Args:
        name: how messages call it.
        data: its bytes.

    Attributes:
        lines: the text of each line, without its end.
        sections: each header in its order; a name may occur more than once.

    Raises:
        MigrateError: oslo.config could not read it either.
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
                f"{name}: starts with a byte order mark, which oslo.config takes for part of the first line; "
                "remove its first three bytes"
            )
        pairs = [(match[1], match[2]) for match in _LINE.finditer(text) if match[0]]
        self.lines = tuple(line for line, _ in pairs)
        self._ends = tuple(end for _, end in pairs)
        self.sections = tuple(self._sections())

    @property
    def options(self) -> Iterable[Option]:
        """Every setting, in the order of the file."""
        return (option for section in self.sections for option in section.options)

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """The file's bytes with edits, which must not overlap. Lines that no edit names stay as they are."""
        lines = list(zip(self.lines, self._ends, strict=True))
        # From the end on, so that the indices before stay good; an insertion goes behind a change there.
        for edit in sorted(edits, key=lambda edit: (edit.first, edit.end), reverse=True):
            kept = self._ends[edit.first : edit.end]
            near = self._end_near(edit.first)
            ends = [end or near for end in (*kept, *[near] * len(edit.lines))][: len(edit.lines)]
            if ends and kept and not kept[-1] and edit.end == len(lines):
                ends[-1] = ""  # the file has no line end at its end, and keeps none
            new = list(zip(edit.lines, ends, strict=True))
            if new and edit.first == len(self.lines) and lines and not lines[edit.first - 1][1]:
                lines[edit.first - 1] = (lines[edit.first - 1][0], near)
            lines[edit.first : edit.end] = new
        return "".join(line + end for line, end in lines).encode()

    def _end_near(self, index: int) -> str:
        """The line end that a line at this place should have: that of a line before it."""
        before = (end for end in reversed(self._ends[:index]) if end)
        return next(before, next((end for end in self._ends if end), "\n"))

    def _sections(self) -> Iterable[Section]:
        header: tuple[str, int] | None = None
        options: list[Option] = []
        index = 0
        while index < len(self.lines):
            line = self.lines[index].rstrip()
            if line.startswith((" ", "\t")):
                raise self._broken(
                    index, "is indented, but there is no value before it that it could continue"
                )
            if line.startswith("["):
                if not line.endswith("]") or len(line) <= 2:
                    raise self._broken(index, "should be a section's name in brackets and nothing else")
                if header is not None:
                    yield Section(*header, index, tuple(options))
                header, options = (normal(line[1:-1]), index), []
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
        # Without the line's text: it may be a secret.
        return MigrateError(
            f"{self.name}, line {index + 1}: {why}; the service cannot read this file either: mend it first"
        )


def replaced_value(lines: Sequence[str], value: str) -> tuple[str, ...]:
    """The lines of an option with another value, on one line; the key and the space before the value stay."""
    key, delimiter, old = _parts(lines[0])
    space = old[: len(old) - len(old.lstrip())] if old.strip() else " "
    return (f"{key}{delimiter}{space}{value}",)


def replaced_items(lines: Sequence[str], old: str, new: str) -> tuple[str, ...]:
    """The lines of a list with one item replaced wherever it stands; spaces, quotes and line breaks stay."""
    item = re.compile(rf"(?<=[\s,=:\"']){re.escape(old)}(?=[\s,\"']|\Z)")
    key, delimiter, value = _parts(lines[0])
    return (key + item.sub(new, delimiter + value), *(item.sub(new, line) for line in lines[1:]))


def _parts(line: str) -> tuple[str, str, str]:
    """What stands before the delimiter of an option, the delimiter, and what stands behind."""
    key = _DELIMITER.split(line, maxsplit=1)[0]
    return key, line[len(key) : len(key) + 1], line[len(key) + 1 :]

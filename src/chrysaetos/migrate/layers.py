"""What a service reads from several files and its environment: oslo.config's order of precedence.

The environment comes before files, later files before earlier ones, and within a file the last of several
settings of a key counts, whatever header it stands under. (Command lines can set only options that the
services do not offer for what is moved here.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.migrate.conffile import ConfFile, Edit, Option, normal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Editor", "Layers", "Setting", "Variable", "items"]

_OUT = re.compile(r"[#;]\s*\[")


@dataclass(frozen=True, slots=True)
class Variable:
    """A value from the environment.

    Attributes:
        value: as it is there.
        name: the variable's.
    """

    value: str
    name: str

    @property
    def place(self) -> str:
        """For messages."""
        return f"the environment variable {self.name}"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value from a file.

    Attributes:
        file: where it is set.
        option: its place in that file.
    """

    file: ConfFile
    option: Option

    @property
    def value(self) -> str:
        """What oslo.config reads, before any conversion."""
        return self.option.value

    @property
    def place(self) -> str:
        """For messages: ``FILE:LINE``."""
        return f"{self.file.name}:{self.option.first + 1}"

    @property
    def lines(self) -> tuple[str, ...]:
        """Its lines."""
        return self.file.lines[self.option.first : self.option.end]


class Layers:
    """A service's configuration.

    Args:
        files: in the order in which the service reads them. One may stand there twice, as the same object.
        environ: the service's environment.
    """

    def __init__(self, files: Sequence[ConfFile], environ: Mapping[str, str]) -> None:
        self.files = tuple(files)
        self.environ = environ

    def find(self, group: str, key: str) -> Setting | Variable | None:
        """The setting that counts, None if there is none."""
        # oslo.config, sources/_environment.py: group and option in capitals, two underscores between.
        variable = f"OS_{group.upper()}__{key.upper()}"
        if variable in self.environ:
            return Variable(self.environ[variable], variable)
        return self.find_in_files(group, key)

    def find_in_files(self, group: str, key: str) -> Setting | None:
        """The same, as if the environment were empty."""
        for file in reversed(self.files):
            found = [o for o in file.options if o.section == normal(group) and o.key == key]
            if found:
                return Setting(file, found[-1])
        return None

    def groups(self, pattern: str, key: str) -> list[str]:
        """The groups whose whole name matches a pattern and that set a key, in files or the environment."""
        names = {
            option.section
            for file in self.files
            for option in file.options
            if option.key == key and re.fullmatch(pattern, option.section)
        }
        suffix = f"__{key.upper()}"
        names |= {
            name
            for variable in self.environ
            if variable.startswith("OS_") and variable.endswith(suffix)
            for name in [variable[3 : -len(suffix)].lower()]
            if re.fullmatch(pattern, name)
        }
        return sorted(names)

    def files_with(self, group: str) -> list[ConfFile]:
        """The files that have a section of the name, in their order."""
        unique = dict.fromkeys(self.files)
        return [file for file in unique if any(s.name == normal(group) for s in file.sections)]

    def replaced(self, contents: Mapping[ConfFile, bytes]) -> Layers:
        """The same layers with other bytes in some files."""
        new = {file: ConfFile(file.name, data) for file, data in contents.items()}
        return Layers([new.get(file, file) for file in self.files], self.environ)


class Editor:
    """Collects changes to the files of some layers.

    Args:
        layers: what is changed; it stays as it is.
    """

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._edits: dict[ConfFile, list[Edit]] = {}
        self._added: dict[ConfFile, dict[str, list[tuple[str, str]]]] = {}
        self._out: dict[ConfFile, int] = {}

    def change(self, setting: Setting, lines: Sequence[str]) -> None:
        """Give a setting of a file other lines."""
        edit = Edit(setting.option.first, setting.option.end, tuple(lines))
        self._edits.setdefault(setting.file, []).append(edit)

    def add(self, group: str, key: str, value: str, *, file: ConfFile) -> ConfFile:
        """Set a key that no file sets: in the last file that has the group, else in a new section of `file`.

        Returns:
            The file that gets it.
        """
        having = self._layers.files_with(group)
        chosen = having[-1] if having else file
        self._added.setdefault(chosen, {}).setdefault(group, []).append((key, value))
        return chosen

    def comment_out(self, group: str) -> list[str]:
        """Make comments of every section of a name.

        Returns:
            The place of each section, as ``FILE:LINE``.
        """
        places = []
        for file in self._layers.files_with(group):
            for section in file.sections:
                if section.name != normal(group):
                    continue
                places.append(f"{file.name}:{section.first + 1}")
                last = section.first + 1
                edits = self._edits.setdefault(file, [])
                edits.append(Edit(section.first, last, (f"# {file.lines[section.first]}",)))
                for option in section.options:
                    last = option.end
                    lines = (f"# {line}" for line in file.lines[option.first : last])
                    edits.append(Edit(option.first, last, tuple(lines)))
                self._out[file] = last
        return places

    def contents(self) -> dict[ConfFile, bytes]:
        """The new bytes of each file that changes."""
        new = {}
        for file in dict.fromkeys(self._layers.files):
            edits = [*self._edits.get(file, ()), *self._insertions(file)]
            data = file.edited(edits)
            if data != file.data:
                new[file] = data
        return new

    def _insertions(self, file: ConfFile) -> Iterator[Edit]:
        """What `add` asked for, one edit for each place."""
        fresh: list[str] = []
        for group, pairs in self._added.get(file, {}).items():
            sections = [section for section in file.sections if section.name == normal(group)]
            if sections:
                at: dict[int, list[str]] = {}
                for key, value in pairs:
                    at.setdefault(_place_for(file, sections[-1].first, key), []).append(f"{key} = {value}")
                yield from (Edit(index, index, tuple(lines)) for index, lines in at.items())
            else:
                fresh += ["", f"[{group}]", *(f"{key} = {value}" for key, value in pairs)]
        if fresh:
            index = self._out.get(file, len(file.lines))
            if index == 0 or not file.lines[index - 1].strip():
                del fresh[0]
            if index < len(file.lines) and file.lines[index].strip():
                fresh.append("")
            yield Edit(index, index, tuple(fresh))


def _place_for(file: ConfFile, header: int, key: str) -> int:
    """Where a key goes: behind its sample in a comment, else the last option, else the header."""
    section = next(section for section in file.sections if section.first == header)
    sample = re.compile(rf"[#;]\s*{re.escape(key)}\s*[=:]")
    place = section.options[-1].end if section.options else header + 1
    for index in range(header + 1, section.end):
        if _OUT.match(file.lines[index]):
            break  # what follows belongs to a section that was made a comment
        if sample.match(file.lines[index]):
            place = index + 1
    return place


def items(value: str) -> list[str]:
    """The items of a list option (oslo.config, `types.List`)."""
    text = value.strip().rstrip(",")
    return [item.strip() for item in text.split(",")] if text else []

"""A service's configuration in several files and its environment, with oslo.config's order of precedence.

The environment overrides files, later files override earlier ones, and within a file the last setting of a
key is effective, even if its section is repeated. (The services have no command-line options for the settings
that are moved here.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from chrysaetos.migrate.conffile import ConfFile, Edit, Option, normalize_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Editor", "Layers", "Setting", "Variable", "split_list"]

D = TypeVar("D", str, None)

_COMMENTED_SECTION = re.compile(r"[#;]\s*\[")


@dataclass(frozen=True, slots=True)
class Variable:
    """A value from the environment.

    Attributes:
        value: the variable's value.
        name: the variable's name.
    """

    value: str
    name: str

    @property
    def location(self) -> str:
        """The variable's name for messages."""
        return f"the environment variable {self.name}"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value from a file.

    Attributes:
        file: the file.
        option: the option in the file.
    """

    file: ConfFile
    option: Option

    @property
    def value(self) -> str:
        """The value that oslo.config reads, before conversion."""
        return self.option.value

    @property
    def location(self) -> str:
        """``FILE:LINE`` for messages."""
        return f"{self.file.name}:{self.option.first + 1}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the option."""
        return self.file.lines[self.option.first : self.option.end]


class Layers:
    """A service's configuration.

    Args:
        files: the files in the order in which the service reads them. The same object may occur twice.
        environ: the service's environment.
    """

    def __init__(self, files: Sequence[ConfFile], environ: Mapping[str, str]) -> None:
        self.files = tuple(files)
        self.environ = environ

    def find(self, group: str, key: str) -> Setting | Variable | None:
        """Return the effective setting, None if there is none."""
        # oslo.config, sources/_environment.py: group and option in capitals, two underscores between.
        variable = f"OS_{group.upper()}__{key.upper()}"
        if variable in self.environ:
            return Variable(self.environ[variable], variable)
        return self.find_in_files(group, key)

    def value(self, group: str, key: str, default: D) -> str | D:
        """Return the effective value, the default if there is none."""
        found = self.find(group, key)
        return found.value if found else default

    def find_in_files(self, group: str, key: str) -> Setting | None:
        """Return the effective setting without the environment, None if there is none."""
        for file in reversed(self.files):
            found = [o for o in file.options if o.section == normalize_group(group) and o.key == key]
            if found:
                return Setting(file, found[-1])
        return None

    def groups(self, pattern: str, key: str) -> list[str]:
        """Return the groups that match a pattern completely and set a key, in files or the environment."""
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
        """Return the files that have a section of this name, in order."""
        unique = dict.fromkeys(self.files)
        return [file for file in unique if any(s.name == normalize_group(group) for s in file.sections)]

    def replaced(self, contents: Mapping[ConfFile, bytes]) -> Layers:
        """Return the layers with other contents of some files."""
        new = {file: ConfFile(file.name, data) for file, data in contents.items()}
        return Layers([new.get(file, file) for file in self.files], self.environ)


class Editor:
    """Collects changes of the files of layers.

    Args:
        layers: the layers, which are not modified.
    """

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._edits: dict[ConfFile, list[Edit]] = {}
        self._added: dict[ConfFile, dict[str, list[tuple[str, str]]]] = {}
        self._commented_end: dict[ConfFile, int] = {}

    def change(self, setting: Setting, lines: Sequence[str]) -> None:
        """Replace the lines of a setting."""
        edit = Edit(setting.option.first, setting.option.end, tuple(lines))
        self._edits.setdefault(setting.file, []).append(edit)

    def add(self, group: str, key: str, value: str, *, file: ConfFile) -> ConfFile:
        """Add a key that no file sets, to the last file with the group, else to a new section of ``file``.

        Returns:
            The file to which the key is added.
        """
        existing = self._layers.files_with(group)
        chosen = existing[-1] if existing else file
        self._added.setdefault(chosen, {}).setdefault(group, []).append((key, value))
        return chosen

    def comment_out(self, group: str) -> list[str]:
        """Comment out every section of this name.

        Returns:
            The location of each section, as ``FILE:LINE``.
        """
        locations = []
        for file in self._layers.files_with(group):
            for section in file.sections:
                if section.name != normalize_group(group):
                    continue
                locations.append(f"{file.name}:{section.first + 1}")
                last = section.first + 1
                edits = self._edits.setdefault(file, [])
                edits.append(Edit(section.first, last, (f"# {file.lines[section.first]}",)))
                for option in section.options:
                    last = option.end
                    lines = (f"# {line}" for line in file.lines[option.first : last])
                    edits.append(Edit(option.first, last, tuple(lines)))
                self._commented_end[file] = last
        return locations

    def contents(self) -> dict[ConfFile, bytes]:
        """Return the new contents of the files that change."""
        new = {}
        for file in dict.fromkeys(self._layers.files):
            edits = [*self._edits.get(file, ()), *self._insertions(file)]
            data = file.edited(edits)
            if data != file.data:
                new[file] = data
        return new

    def _insertions(self, file: ConfFile) -> Iterator[Edit]:
        """Yield an edit for each place where ``add`` inserts lines."""
        fresh: list[str] = []
        for group, pairs in self._added.get(file, {}).items():
            sections = [section for section in file.sections if section.name == normalize_group(group)]
            if sections:
                at: dict[int, list[str]] = {}
                for key, value in pairs:
                    at.setdefault(_insertion_index(file, sections[-1].first, key), []).append(
                        f"{key} = {value}"
                    )
                yield from (Edit(index, index, tuple(lines)) for index, lines in at.items())
            else:
                fresh += ["", f"[{group}]", *(f"{key} = {value}" for key, value in pairs)]
        if fresh:
            index = self._commented_end.get(file, len(file.lines))
            if index == 0 or not file.lines[index - 1].strip():
                del fresh[0]
            if index < len(file.lines) and file.lines[index].strip():
                fresh.append("")
            yield Edit(index, index, tuple(fresh))


def _insertion_index(file: ConfFile, header: int, key: str) -> int:
    """Return the index for a new key: after its commented sample, else the last option, else the header."""
    section = next(section for section in file.sections if section.first == header)
    sample = re.compile(rf"[#;]\s*{re.escape(key)}\s*[=:]")
    index_after = section.options[-1].end if section.options else header + 1
    for index in range(header + 1, section.end):
        if _COMMENTED_SECTION.match(file.lines[index]):
            break  # the following lines belong to a commented section
        if sample.match(file.lines[index]):
            index_after = index + 1
    return index_after


def split_list(value: str) -> list[str]:
    """Return the items of a list option (oslo.config, ``types.List``)."""
    text = value.strip().rstrip(",")
    return [item.strip() for item in text.split(",")] if text else []

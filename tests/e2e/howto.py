"""Find the shell commands of a page of the documentation."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UnknownProgram", "find_commands"]

_FENCED = re.compile(r"(?ms)^```([^\n]*)\n(.*?)^```$")
_INDENTED = re.compile(r"(?:^(?: {4}|\t).*\n|^\n(?= {4}))+", re.MULTILINE)
_BUILTINS = {".", "export", "source"}
_NOT_INSTALLED = {
    "chrysaetos",
    "docker",
    "grafana",
    "helm",
    "kolla-ansible",
    "kubectl",
    "openstack",
    "podman",
    "sudo",
    "systemctl",
}
"""Programs that a machine may lack, or that are not on the PATH of the tests."""
_NOT_PROGRAMS = {"Datasource", "UPDATE"}
"""First words of log lines and of SQL."""
_WORD = re.compile(r"(?:[A-Z_]+=\S+\s+)*(\S+)")
_OTHER = re.compile(r'[\["]|[\w.]+(?: = |:(?: |$)|[({])|\w+ ──')
"""How configuration, YAML, JSON, PromQL and diagrams begin."""


class UnknownProgram(ValueError):
    """A block looks like commands, but begins with a word that is not known as a program."""


def find_commands(text: str) -> list[str]:
    """Return the commands of a page in order, with continued lines joined.

    They are in fenced blocks of the language ``sh``, in all blocks that begin with a prompt, ``$``, and in
    indented blocks that begin with a program. In a block with prompts, the other lines are output.

    Raises:
        UnknownProgram: a block of ``sh``, or one with a prompt, has a command whose program is not known, or
            an indented block begins neither with a program nor as configuration, a query or a diagram does.
    """
    return [command for block, is_shell in _blocks(text) for command in _commands(block, is_shell)]


def _blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each block, and whether it is a fenced block of commands."""
    found = [
        (match.start(), match[2], True)
        for match in _FENCED.finditer(text)
        if match[1] == "sh" or match[2].startswith("$ ")
    ]
    rest = _FENCED.sub(lambda match: "." * len(match[0]), text)
    for match in _INDENTED.finditer(rest):
        found += [(match.start(), part, False) for part in re.split(r"\n\s*\n", match[0].rstrip())]
    yield from ((block, is_shell) for _, block, is_shell in sorted(found))


def _commands(block: str, is_shell: bool) -> list[str]:
    lines = [line.strip() for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("#")]
    if lines and lines[0].startswith("$ "):
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    elif not is_shell and (not lines or _is_other(lines[0])):
        return []
    for line in lines:
        if not _is_command(line):
            raise UnknownProgram(f"the first word is not a known program; list it in {__name__}: {line}")
    return lines


def _is_other(line: str) -> bool:
    return not _is_command(line) and (
        _OTHER.match(line) is not None or line.split(maxsplit=1)[0] in _NOT_PROGRAMS
    )


def _is_command(line: str) -> bool:
    word = _WORD.match(line)
    if word is None:
        return False
    return word[1] in _BUILTINS | _NOT_INSTALLED or "/bin/" in word[1] or shutil.which(word[1]) is not None

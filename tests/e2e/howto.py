"""Find the shell commands of a page of the documentation."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_commands"]

_FENCED = re.compile(r"(?ms)^```([^\n]*)\n(.*?)^```$")
_INDENTED = re.compile(r"(?:^(?: {4}|\t).*\n|^\n(?= {4}))+", re.MULTILINE)
_NOT_INSTALLED = {
    "chrysaetos",
    "docker",
    "helm",
    "kolla-ansible",
    "kubectl",
    "openstack",
    "podman",
    "sudo",
    "systemctl",
}
_WORD = re.compile(r"(?:[A-Z_]+=\S+\s+)*(\S+)")


def find_commands(text: str) -> list[str]:
    """Return the commands of a page in order, with continued lines joined.

    They are in fenced blocks of the language ``sh``, and in indented blocks that begin with a program or a
    prompt, ``$``. In a block with prompts, the other lines are output.
    """
    return [command for block in _blocks(text) for command in _commands(block)]


def _blocks(text: str) -> Iterator[str]:
    found = [(match.start(), match[2]) for match in _FENCED.finditer(text) if match[1] == "sh"]
    rest = _FENCED.sub(lambda match: "." * len(match[0]), text)
    for match in _INDENTED.finditer(rest):
        found += [(match.start(), part) for part in re.split(r"\n\s*\n", match[0].rstrip())]
    yield from (block for _, block in sorted(found))


def _commands(block: str) -> list[str]:
    lines = [line.strip() for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    if not lines:
        return []
    if lines[0].startswith("$ "):
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if not line.startswith("#")] if _is_command(lines[0]) else []


def _is_command(line: str) -> bool:
    word = _WORD.match(line)
    if word is None:
        return False
    return (
        word[1] in {".", "export"}
        or "/bin/" in word[1]
        or word[1] in _NOT_INSTALLED
        or shutil.which(word[1]) is not None
    )

"""Write the files of a case, and run the command on them."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from chrysaetos.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.migrate.cases import Case

__all__ = ["Deployment"]


class Deployment:
    """The files of a case in a folder.

    Args:
        folder: an empty one.
        case: of `cases`.

    Attributes:
        arguments: which name the files to the command, in the order in which Watcher reads them.
    """

    def __init__(self, folder: Path, case: Case) -> None:
        self.folder = folder
        self.case = case
        self.arguments: list[str] = []
        for entry, content in case.files.items():
            name, _, target = entry.partition(" -> ")
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            if content is None:
                path.symlink_to(target)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
                path.chmod(case.mode)
            if "conf.d/" in name:
                self.arguments += ["--conf-dir", str(folder / "conf.d")]
            elif "/" not in name:
                self.arguments += ["--conf", str(path)]
        if self.arguments.count("--conf-dir") > 1:
            first = self.arguments.index("--conf-dir")
            self.arguments = self.arguments[: first + 2]

    def contents(self) -> dict[str, tuple[bytes, int, int, int]]:
        """Bytes, mode and owner of each file of the case."""
        found = {}
        for name in self.case.files:
            path = self.folder / name.partition(" -> ")[0]
            status = path.stat()
            found[name] = (path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        return found

    @property
    def oslo_arguments(self) -> list[str]:
        """The same files for a program of oslo.config."""
        options = {"--conf": "--config-file", "--conf-dir": "--config-dir"}
        return [options.get(argument, argument) for argument in self.arguments]

    def run(self, action: str, *arguments: str) -> int:
        """Run the command in this process; its exit status."""
        extra = ["--release", str(self.case.release)] if action != "rollback" else []
        return main(["migrate", "watcher", action, *self.arguments, *extra, *arguments])

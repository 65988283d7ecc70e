"""``chrysaetos migrate SERVICE check | plan | apply | verify | rollback``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.arguments import add_format
from chrysaetos.errors import ChrysaetosError
from chrysaetos.findings import Finding, Status, failed, ok, warning
from chrysaetos.migrate.changes import UNDONE, Journal, Store
from chrysaetos.migrate.cloudkitty_service import CloudKittyService
from chrysaetos.migrate.clouds import default_sources, verify_values
from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.differences import unified_diff
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.files import read_layers
from chrysaetos.migrate.output import Output
from chrysaetos.migrate.services import ExternalChange, Loaded, Service
from chrysaetos.migrate.watcher_service import WatcherService

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chrysaetos.migrate.files import Sources
    from chrysaetos.migrate.plans import Plan

__all__ = ["add_arguments", "run"]

_SERVICES: tuple[Service, ...] = (WatcherService(), CloudKittyService())
_ACTIONS = {
    "check": "check the requirements of the move, without changing anything",
    "plan": "show the changes that apply would make",
    "apply": "change the files, with dated backups",
    "verify": "after the move, query metrics through the gateway",
    "rollback": "restore the files",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    services = parser.add_subparsers(metavar="SERVICE", required=True)
    for service in _SERVICES:
        service_parser = services.add_parser(service.name, help=service.help, description=service.help)
        actions = service_parser.add_subparsers(metavar="ACTION", required=True)
        for action, text in _ACTIONS.items():
            action_parser = actions.add_parser(action, help=text, description=text)
            action_parser.set_defaults(service=service, action=action, sources=[])
            _add_common_arguments(action_parser, action)
            service.add_arguments(action_parser, action)


def _add_common_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    parser.add_argument(
        "--conf",
        action=_Source,
        dest="sources",
        metavar="FILE",
        help="a configuration file; repeat it in the order of the service (default: the service's files)",
    )
    parser.add_argument(
        "--conf-dir",
        action=_Source,
        dest="sources",
        metavar="DIR",
        help="a directory of configuration files, *.conf",
    )
    add_format(parser)
    if action in {"check", "plan", "apply"}:
        parser.add_argument(
            "--offline", action="store_true", help="send no requests to Keystone and the gateway"
        )
    if action in {"apply", "rollback"}:
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    if action == "apply":
        parser.add_argument("--force", action="store_true", help="continue even if a check failed")
    if action == "rollback":
        parser.add_argument(
            "--to", metavar="BACKUP", help="the backup's time stamp or file (default: the latest backup)"
        )
        parser.add_argument(
            "--force", action="store_true", help="also restore a file that was changed after the move"
        )


class _Source(argparse.Action):
    """Keeps files and directories in the order of the command line, which is their precedence."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002  # argparse's signature
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        kind = "dir" if option_string == "--conf-dir" else "file"
        namespace.sources = [*namespace.sources, (kind, Path(values))]


def run(arguments: argparse.Namespace) -> int:
    """Run the action.

    Returns:
        The exit status: 0 for success, 1 for a failure, 2 for invalid arguments, 130 after Ctrl-C.
    """
    service: Service = arguments.service
    output = Output(arguments.format, service, arguments.action)
    store: Store | None = None
    try:
        loaded = _load(service, arguments.sources)
        store = Store(service.name, loaded.directories)
        return _Run(arguments, output, store, loaded).run()
    except ChrysaetosError as error:
        output.error(str(error))
        return 1
    except KeyboardInterrupt:
        unfinished = store is not None and store.unfinished() is not None
        output.error(
            "interrupted; run rollback to restore the remaining files"
            if unfinished
            else "interrupted; no change is unfinished"
        )
        return 130
    finally:
        output.close()


class _Run:
    """A run of an action.

    Args:
        arguments: the parsed arguments.
        output: the output.
        store: the changes of the service's files.
        loaded: the files.
    """

    def __init__(self, arguments: argparse.Namespace, output: Output, store: Store, loaded: Loaded) -> None:
        self.arguments = arguments
        self.service: Service = arguments.service
        self.output = output
        self.store = store
        self.loaded = loaded

    def run(self) -> int:
        """Run the action, and return the exit status."""
        match self.arguments.action:
            case "rollback":
                return self._rollback()
            case "apply":
                return self._apply()
            case "verify":
                self.output.findings(self.service.verify(self.loaded, self.arguments))
            case "check":
                self.output.findings(self._check(*self._plan()))
            case "plan":
                plan, external_change = self._plan()
                self.output.findings([*self._check_journal(), *plan.findings])
                self._show(plan, external_change)
        return 0 if self.output.status is not Status.FAILED else 1

    def _plan(self) -> tuple[Plan, ExternalChange | None]:
        """Return the plan of the move, and the change outside the files."""
        plan = self.service.plan(self.loaded.layers, self.arguments)
        return plan, self.service.external_change(self.loaded, plan, self.arguments)

    def _check(self, plan: Plan, external_change: ExternalChange | None) -> Iterator[Finding]:
        yield ok("files", ", ".join(file.name for file in dict.fromkeys(self.loaded.layers.files)))
        yield from _writable(self.loaded, plan)
        yield from self._check_journal()
        yield from plan.findings
        if external_change is not None:
            yield from external_change.blockers()
            yield from external_change.check()
        yield from self.service.preflight(self.loaded, plan, self.arguments)

    def _check_journal(self) -> Iterator[Finding]:
        journal = self.store.unfinished()
        if journal is not None:
            yield warning(
                "journal",
                f"the move of {journal.stamp} is unfinished; some of its files may be changed",
                f"run chrysaetos migrate {self.service.name} rollback or apply; both restore the files first",
            )

    def _show(self, plan: Plan, external_change: ExternalChange | None) -> None:
        for file, data in plan.contents.items():
            new = ConfFile(file.name, data)
            self.output.difference(file.name, unified_diff(file.name, file.lines, new.lines))
        self.output.steps([*plan.steps, *([] if external_change is None else [external_change.step])])

    def _can_confirm(self, advice: str) -> bool:
        """Return whether no confirmation is needed, or there is a terminal for it; if not, show an error."""
        if self.arguments.yes or (self.arguments.format != "json" and sys.stdin.isatty()):
            return True
        self.output.error(f"there is no terminal for the confirmation; {advice}use --yes")
        return False

    def _apply(self) -> int:
        if not self._can_confirm("check the plan, then "):
            return 2
        with self.store.lock():
            unfinished = self.store.unfinished()
            if unfinished is not None:
                restored = self._undo(unfinished)
                if restored is None:
                    return 1
                self.output.done(f"undid the unfinished move of {unfinished.stamp}", restored)
            self.loaded = _load(self.service, self.arguments.sources)
            plan, external_change = self._plan()
            self.output.findings(self._check(plan, external_change))
            if self.output.status is Status.FAILED and not self.arguments.force:
                self.output.error("nothing was changed: correct the failed checks, or use --force")
                return 1
            if not plan.contents:
                return 0
            self._show(plan, external_change)
            if not self.arguments.yes and not self.output.confirm("Change these files?"):
                self.output.error("nothing was changed")
                return 1
            contents = {self.loaded.paths[file]: (file.data, data) for file, data in plan.contents.items()}
            journal = self.store.commit(
                contents,
                lambda staged: verify_values(self.service.name, self.loaded.ordered(staged), plan.expected),
                external_change,
            )
        self.output.done("changed", list(contents))
        self.output.backups(journal)
        self.output.restart(self.service, verify=True)
        return 0

    def _rollback(self) -> int:
        if not self._can_confirm(""):
            return 2
        with self.store.lock():
            journal = _select_journal(self.store.journals(), self.arguments.to)
            restored = self._undo(journal, force=self.arguments.force)
        if restored is None:
            return 1
        if restored:
            self.output.done("restored", restored)
            self.output.restart(self.service, verify=False)
        else:
            self.output.findings([ok("rollback", f"the files are as they were before {journal.stamp}")])
        return 0

    def _undo(self, journal: Journal, *, force: bool = False) -> list[Path] | None:
        """Restore the files of a change, unless the user or a running program prevents it.

        Returns:
            The files that were restored; None if nothing was changed, which is then shown.
        """
        external_change = self.service.restore_external_change(self.loaded, journal.external)
        if external_change is not None:
            self.output.findings(external_change.blockers())
        if self.output.status is Status.FAILED or not (
            self.arguments.yes or self.output.confirm(f"Restore the files from before {journal.stamp}?")
        ):
            self.output.error("nothing was changed")
            return None
        return self.store.undo(journal, external_change, force=force)


def _load(service: Service, sources: Sources) -> Loaded:
    if not sources:
        found = default_sources(service.name, service.program)
        sources = [(kind, Path(path)) for kind, path in found]
    return Loaded(*read_layers(sources, os.environ))


def _writable(loaded: Loaded, plan: Plan) -> Iterator[Finding]:
    """Check that the files can be changed."""
    for file in plan.contents:
        path = loaded.paths[file]
        if not os.access(path.parent, os.W_OK | os.X_OK):
            yield failed(
                "files",
                f"{path.parent}: cannot write to this directory",
                "run this as root, or as the owner of the directory",
            )
        if path.stat().st_nlink > 1:
            yield warning(
                "files",
                f"{path}: has {path.stat().st_nlink} hard links",
                "only this name gets the new content; the other links keep the old content",
            )


def _select_journal(journals: Sequence[Journal], name: str | None) -> Journal:
    """Return the change with a name, else the latest that is not undone, else the latest."""
    if not journals:
        raise MigrateError("there is no backup next to these files; this command has not changed them")
    if name is None:
        return next((j for j in reversed(journals) if j.state != UNDONE), journals[-1])
    for journal in journals:
        backups = {str(entry.backup) for entry in journal.entries}
        if name == journal.stamp or str(Path(name).resolve()) in backups:
            return journal
    known = ", ".join(journal.stamp for journal in journals)
    raise MigrateError(f"there is no backup {name}; the backups are: {known}")

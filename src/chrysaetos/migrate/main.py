"""``chrysaetos migrate SERVICE check | plan | apply | verify | rollback``."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import ChrysaetosError
from chrysaetos.migrate.changes import Journal, Store
from chrysaetos.migrate.cloudkitty_service import CloudKittyService
from chrysaetos.migrate.clouds import default_sources, read_back
from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.differences import unified
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.files import read_layers
from chrysaetos.migrate.findings import Finding, Status, failed, good, wrong
from chrysaetos.migrate.output import Output
from chrysaetos.migrate.services import Companion, Loaded, Service
from chrysaetos.migrate.watcher_service import WatcherService

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chrysaetos.migrate.files import Sources
    from chrysaetos.migrate.plans import Plan

__all__ = ["add_arguments", "run"]

_SERVICES: tuple[Service, ...] = (WatcherService(), CloudKittyService())
_ACTIONS = {
    "check": "see whether the move would go well; changes nothing",
    "plan": "show what would change in the files",
    "apply": "change the files, with dated backups",
    "verify": "ask real questions through the gateway after the move",
    "rollback": "put the files back",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    services = parser.add_subparsers(metavar="SERVICE", required=True)
    for service in _SERVICES:
        of_service = services.add_parser(service.name, help=service.help, description=service.help)
        actions = of_service.add_subparsers(metavar="ACTION", required=True)
        for action, text in _ACTIONS.items():
            one = actions.add_parser(action, help=text, description=text)
            one.set_defaults(service=service, action=action, sources=[])
            _common(one, action)
            service.add_arguments(one, action)


def _common(parser: argparse.ArgumentParser, action: str) -> None:
    parser.add_argument(
        "--conf",
        action=_Source,
        dest="sources",
        metavar="FILE",
        help="a configuration file, in the order in which the service reads them (default: where it looks)",
    )
    parser.add_argument(
        "--conf-dir",
        action=_Source,
        dest="sources",
        metavar="DIR",
        help="a folder of configuration files, *.conf",
    )
    parser.add_argument(
        "-f",
        "--format",
        choices=("table", "json"),
        default="table",
        help="form of the output (default: table)",
    )
    if action in {"check", "plan", "apply"}:
        parser.add_argument("--offline", action="store_true", help="ask neither Keystone nor the gateway")
    if action in {"apply", "rollback"}:
        parser.add_argument("--yes", action="store_true", help="do not ask")
    if action == "apply":
        parser.add_argument(
            "--force", action="store_true", help="go on although the check finds something wrong"
        )
    if action == "rollback":
        parser.add_argument(
            "--to", metavar="BACKUP", help="the backup, by its time stamp or its file (default: the latest)"
        )
        parser.add_argument(
            "--force", action="store_true", help="also put back a file that was changed after the move"
        )


class _Source(argparse.Action):
    """Keeps files and folders in the order of the command line, which is that of their precedence."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's own signature
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        kind = "dir" if option_string == "--conf-dir" else "file"
        namespace.sources = [*namespace.sources, (kind, Path(values))]


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for.

    Returns:
        0; 1 when a check failed or nothing could be done; 2 for a mistake in the call; 130 when interrupted.
    """
    output = Output(arguments.format, arguments.service, arguments.action)
    try:
        return _run(arguments, output)
    except ChrysaetosError as error:
        output.error(str(error))
        return 1
    except KeyboardInterrupt:
        output.error("interrupted; what was begun is put back")
        return 130
    finally:
        output.close()


@dataclass(frozen=True, slots=True)
class _Move:
    """What is known before anything is changed."""

    arguments: argparse.Namespace
    loaded: Loaded
    store: Store
    plan: Plan
    companion: Companion | None

    @classmethod
    def planned(cls, arguments: argparse.Namespace, loaded: Loaded, store: Store) -> _Move:
        service: Service = arguments.service
        plan = service.plan(loaded.layers, arguments)
        return cls(arguments, loaded, store, plan, service.companion(loaded, plan, arguments))

    @property
    def service(self) -> Service:
        service: Service = self.arguments.service
        return service


def _run(arguments: argparse.Namespace, output: Output) -> int:
    service: Service = arguments.service
    loaded = _load(service, arguments.sources)
    store = Store(service.name, loaded.directories)
    if arguments.action == "rollback":
        return _rollback(arguments, output, loaded, store)
    if arguments.action == "apply":
        return _apply(arguments, output, loaded, store)
    if arguments.action == "verify":
        output.findings(service.verify(loaded, arguments))
    else:
        move = _Move.planned(arguments, loaded, store)
        if arguments.action == "check":
            output.findings(_check(move))
        else:
            output.findings([*_broken_off(service, store), *move.plan.findings])
            _show(output, move)
    return 0 if output.status is not Status.FAILED else 1


def _load(service: Service, sources: Sources) -> Loaded:
    if not sources:
        found = default_sources(service.name, service.program)
        sources = [(kind, Path(path)) for kind, path in found]
    return Loaded(*read_layers(sources, os.environ))


def _check(move: _Move) -> Iterator[Finding]:
    yield good("files", ", ".join(file.name for file in dict.fromkeys(move.loaded.layers.files)))
    yield from _writable(move.loaded, move.plan)
    yield from _broken_off(move.service, move.store)
    yield from move.plan.findings
    if move.companion is not None:
        yield from move.companion.busy()
        yield from move.companion.check()
    yield from move.service.preflight(move.loaded, move.plan, move.arguments)


def _writable(loaded: Loaded, plan: Plan) -> Iterator[Finding]:
    """Whether what is to be changed can be."""
    for file in plan.contents:
        path = loaded.paths[file]
        if not os.access(path.parent, os.W_OK | os.X_OK):
            yield failed(
                "files",
                f"{path.parent}: cannot be written to",
                "run this as root, or as the owner of the folder",
            )
        if path.stat().st_nlink > 1:
            yield wrong(
                "files",
                f"{path}: has {path.stat().st_nlink} hard links",
                "the file of this name becomes a new one; the others keep the old content",
            )


def _broken_off(service: Service, store: Store) -> Iterator[Finding]:
    journal = store.broken_off()
    if journal is not None:
        yield wrong(
            "journal",
            f"the move of {journal.stamp} was broken off; some of its files may be new and some old",
            f"chrysaetos migrate {service.name} rollback puts them back; so does apply, before it starts",
        )


def _show(output: Output, move: _Move) -> None:
    for file, data in move.plan.contents.items():
        new = ConfFile(file.name, data)
        output.difference(file.name, unified(file.name, file.lines, new.lines))
    output.steps([*move.plan.steps, *([] if move.companion is None else [move.companion.step])])


def _apply(arguments: argparse.Namespace, output: Output, loaded: Loaded, store: Store) -> int:
    service: Service = arguments.service
    if not arguments.yes and (arguments.format == "json" or not sys.stdin.isatty()):
        output.error("there is no terminal to ask on; look at the plan, then use --yes")
        return 2
    with store.lock():
        broken = store.broken_off()
        if broken is not None:
            put_back = store.undo(broken, service.companion_of(loaded, broken.beside))
            output.done(f"the move of {broken.stamp}, which was broken off, is put back first", put_back)
        loaded = _load(service, arguments.sources)
        move = _Move.planned(arguments, loaded, store)
        output.findings(_check(move))
        if output.status is Status.FAILED and not arguments.force:
            output.error("nothing was changed: mend what failed, or use --force")
            return 1
        plan = move.plan
        if not plan.contents:
            return 0
        _show(output, move)
        if not arguments.yes and not output.confirmed("Change these files?"):
            output.error("nothing was changed")
            return 1
        contents = {loaded.paths[file]: (file.data, data) for file, data in plan.contents.items()}
        journal = store.commit(
            contents,
            lambda staged: read_back(service.name, loaded.ordered(staged), plan.expected),
            move.companion,
        )
    output.done("changed", list(contents))
    output.backups(journal)
    output.restart(service, verify=True)
    return 0


def _rollback(arguments: argparse.Namespace, output: Output, loaded: Loaded, store: Store) -> int:
    if not arguments.yes and (arguments.format == "json" or not sys.stdin.isatty()):
        output.error("there is no terminal to ask on; use --yes")
        return 2
    with store.lock():
        journal = _chosen(store.journals(), arguments.to)
        if not arguments.yes and not output.confirmed(f"Put back the files from before {journal.stamp}?"):
            output.error("nothing was changed")
            return 1
        companion = arguments.service.companion_of(loaded, journal.beside)
        if companion is not None:
            output.findings(companion.busy())
            if output.status is Status.FAILED:
                output.error("nothing was changed")
                return 1
        put_back = store.undo(journal, companion, force=arguments.force)
    if put_back:
        output.done("put back", put_back)
        output.restart(arguments.service, verify=False)
    else:
        output.findings([good("rollback", f"the files are as they were before {journal.stamp}")])
    return 0


def _chosen(journals: Sequence[Journal], name: str | None) -> Journal:
    """The change that is asked for, else the latest that is not undone, else the latest."""
    if not journals:
        raise MigrateError("there is no backup beside these files; nothing was moved by this command")
    if name is None:
        return next((j for j in reversed(journals) if j.state != "undone"), journals[-1])
    for journal in journals:
        backups = {str(entry.backup) for entry in journal.entries}
        if name == journal.stamp or str(Path(name).resolve()) in backups:
            return journal
    known = ", ".join(journal.stamp for journal in journals)
    raise MigrateError(f"there is no backup {name}; there are: {known}")

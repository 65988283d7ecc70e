"""``chrysaetos usage credits``: show the credits of projects, and grant some."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.findings import plain
from chrysaetos.usage.credits import CreditLedger
from chrysaetos.usage.grants import FILE, RESOURCES, append_grant, read_grants
from chrysaetos.usage.options import state_directory
from chrysaetos.usage.records import UsageError
from chrysaetos.usage.start_and_weights import parse_date
from chrysaetos.utc import utc_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="chrysaetos usage credits",
        description="Show the credits of projects, or grant credits. A grant is appended to credits.jsonl in "
        "the directory of the ledger and is never changed; a correction is a grant of negative hours.",
    )
    parser.add_argument(
        "--state", type=Path, metavar="DIRECTORY", help="directory of the ledger (default: the exporter's)"
    )
    actions = parser.add_subparsers(dest="credits_action", metavar="ACTION")
    actions.add_parser("list", help="show what each project was granted, has used and has left (default)")
    actions.add_parser("grants", help="show all grants, with who granted them and why")
    grant = actions.add_parser("grant", help="grant credits to a project")
    grant.add_argument(
        "project_id", type=str.strip, help="id of the project; ID/NAME inside a SimpleVM project"
    )
    grant.add_argument("resource", choices=RESOURCES, help="hours of virtual CPUs, or of MB of memory")
    grant.add_argument(
        "hours", type=float, help="hours to grant; after --, negative hours to correct a grant"
    )
    grant.add_argument(
        "--why", required=True, metavar="TEXT", help="the reason, such as a decision or a ticket"
    )
    grant.add_argument("--by", metavar="NAME", help="who grants it (default: the user of this machine)")
    grant.add_argument("--until", metavar="DATE", help="when the rest expires (default: never)")
    return parser


def run(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 1 for an error.
    """
    options = parser().parse_args(arguments)
    try:
        directory = _find_directory(options.state)
        if options.credits_action == "grant":
            _grant(directory, options)
        elif options.credits_action == "grants":
            _print_grants(directory)
        else:
            _print_accounts(directory)
    except (UsageError, OSError) as error:
        print(f"chrysaetos usage credits: {error}", file=sys.stderr)
        return 1
    return 0


def _find_directory(given: Path | None) -> Path:
    """Return the exporter's state directory."""
    directory = state_directory(given, os.environ)
    if not directory.is_dir():
        raise UsageError(f"{directory} does not exist: start the exporter first, or give its --state")
    return directory


def _grant(directory: Path, options: argparse.Namespace) -> None:
    with closing(CreditLedger(directory)) as credit_ledger:
        known = credit_ledger.knows(options.project_id)
    grant = append_grant(
        directory / FILE,
        project_id=options.project_id,
        resource=options.resource,
        hours=options.hours,
        now=time.time(),
        until=parse_date(options.until) if options.until else None,
        by=options.by or getpass.getuser(),
        why=options.why,
    )
    print(
        f"granted {grant.hours:.15g} {grant.resource} hours to {plain(grant.project_id)} (grant {grant.id})"
    )
    if not known:
        print(
            "chrysaetos usage credits: warning: the exporter has not seen a project with this id; if it is "
            "wrong, grant negative hours to it",
            file=sys.stderr,
        )


def _print_grants(directory: Path) -> None:
    for grant in read_grants(directory / FILE):
        until = "never expires" if grant.until is None else f"until {utc_text(grant.until)}"
        print(
            f"{utc_text(grant.granted)}  {plain(grant.project_id)}  "
            f"{grant.hours:+.15g} {grant.resource} hours  {until}  by {grant.by!r}: {grant.why!r}"
        )


def _print_accounts(directory: Path) -> None:
    with closing(CreditLedger(directory)) as credit_ledger:
        accounts = credit_ledger.accounts(time.time())
    print(f"{'project':32}  {'name':20}  resource  {'granted':>12}  {'used':>12}  {'left':>12}")
    for account in accounts:
        print(
            f"{plain(account.project.id):32}  {plain(account.project.name):20}  {account.resource:8}  "
            f"{account.granted:12.2f}  {account.used:12.2f}  {account.left:12.2f}"
        )

"""``chrysaetos usage``: run the usage exporter."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import ExitStack
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING

from chrysaetos.findings import plain
from chrysaetos.queued_log import queue_handlers
from chrysaetos.usage.build import build, grants_reader
from chrysaetos.usage.openrc import missing_variables, read_openrc
from chrysaetos.usage.options import command_parser, parse_options, read_credentials
from chrysaetos.usage.records import UsageError
from chrysaetos.usage.serving import Listener, application

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["parser", "run"]

_LOG = logging.getLogger(__name__)
_STOP_SECONDS = 3.0
"""How long an update may take to end after SIGTERM."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command, with the defaults of an empty environment."""
    return command_parser({})


def run(arguments: Sequence[str]) -> int:
    """Serve the metrics, print them once, or check the credentials.

    Returns:
        The exit status: 0, 1 for an error, 2 for an invalid option.
    """
    options = parse_options(arguments, os.environ)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    # The debug logs of keystoneauth contain hashes of tokens and bodies.
    logging.getLogger("keystoneauth").setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    try:
        _load_credentials(options)
        if options.action == "check":
            from chrysaetos.usage.check import check  # noqa: PLC0415  # openstacksdk is slow to import

            return check(options)
        return _print_once(options) if options.once else _serve(options)
    except UsageError as error:
        print(f"chrysaetos usage: {error}", file=sys.stderr)
        return 1


def _load_credentials(options: argparse.Namespace) -> None:
    """Add the variables of ``--openrc`` to the environment, and check that none is missing."""
    if options.dummy_data or options.os_cloud:
        return
    if options.openrc:
        os.environ.update(read_openrc(options.openrc, os.environ))
    missing = missing_variables(os.environ)
    if missing:
        where = f" in {options.openrc}" if options.openrc else ""
        raise UsageError(f"{' and '.join(missing)} missing{where}: add the line {missing[0]}=…")


def _print_once(options: argparse.Namespace) -> int:
    errors = []
    with ExitStack() as stack:
        # The ledger belongs to the exporter that serves: printing once must neither require nor change it.
        options.stateless = True
        exporter = build(options, stack, _show_progress)
        for updater in exporter.updaters:
            try:
                updater.update()
            except UsageError as error:
                errors.append(error)
    if len(errors) == len(exporter.updaters):
        raise errors[0]
    text = exporter.exposition.render(time.time(), compressed=False).decode()
    if sys.stdout.isatty():
        text = "\n".join(map(plain, text.split("\n")))  # names of projects are chosen by their owners
    sys.stdout.write(text)
    for failure in errors:
        print(f"chrysaetos usage: {failure}", file=sys.stderr)
    return 1 if errors else 0


def _serve(options: argparse.Namespace) -> int:
    queue_handlers()
    credentials = read_credentials(options.basic_auth) if options.basic_auth else None
    stop = Event()
    # Until it listens, there is nothing to shut down: a Keystone that hangs must not delay the exit.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with ExitStack() as stack:
        exporter = build(options, stack, _show_progress)
        exporter.publish_ledgers()
        ended: SimpleQueue[None] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.put(None))
        listener = stack.enter_context(
            Listener(
                application(exporter.exposition, credentials, grants=grants_reader(options)),
                options.bind,
                options.port,
                certificate=(options.tls_cert, options.tls_key) if options.tls_cert else None,
            )
        )
        _LOG.info("listening on %s port %d", options.bind, listener.port)
        # Each source has its own thread, so that a service that hangs delays no other source.
        threads = [
            Thread(target=updater.run, args=(stop, options.update_interval), name="updates", daemon=True)
            for updater in exporter.updaters
        ]
        for thread in threads:
            thread.start()
        ended.get()
        stop.set()
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            _LOG.warning("stopping during an update: the next start requests its usage again")
            logging.shutdown()
            # Python would wait for the request. The ledger has whole transactions only.
            os._exit(0)
    return 0


def _show_progress(count: int | None) -> None:
    """Show the number of servers read if stderr is a terminal; for None, erase it."""
    if sys.stderr.isatty():
        text = "" if count is None else f"{count} servers read"
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

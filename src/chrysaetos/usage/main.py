"""``chrysaetos usage``: run the usage exporter."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING

from chrysaetos.queued_log import queue_handlers
from chrysaetos.usage import credits_command
from chrysaetos.usage.credits import FILE, CreditLedger
from chrysaetos.usage.grants import read_grants
from chrysaetos.usage.ledger import Ledger
from chrysaetos.usage.openrc import missing_variables, read_openrc
from chrysaetos.usage.options import command_parser, parse_options, read_credentials, state_directory
from chrysaetos.usage.records import UsageError
from chrysaetos.usage.serving import Listener, application
from chrysaetos.usage.site import DummySite, SimpleVMSettings
from chrysaetos.usage.snapshot import Exposition
from chrysaetos.usage.sources import fetch_start, fetch_weights, parse_start, read_weights, today
from chrysaetos.usage.updater import Updater
from chrysaetos.usage.weights import Weights, WeightSet

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from chrysaetos.usage.grants import Grant
    from chrysaetos.usage.site import Site

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
    if arguments[:1] == ["credits"]:
        return credits_command.run(arguments[1:])
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


def _simple_vm(options: argparse.Namespace) -> SimpleVMSettings | None:
    return SimpleVMSettings(options.simple_vm_id, options.simple_vm_tag) if options.simple_vm_id else None


def _site(options: argparse.Namespace, progress: Callable[[int], None] | None) -> Site:
    domains = options.domain or ()
    if options.dummy_data:
        return DummySite(
            options.dummy_data, domains=domains, domain_id=options.domain_id, simple_vm=_simple_vm(options)
        )
    from chrysaetos.usage.connection import connect  # noqa: PLC0415  # openstacksdk is slow to import

    return connect(
        options.os_cloud,
        domains=domains,
        domain_id=options.domain_id,
        simple_vm=_simple_vm(options),
        progress=progress,
    )


def _weights(options: argparse.Namespace) -> Callable[[], Weights] | None:
    if options.dummy_weights:
        return partial(read_weights, options.dummy_weights)
    if options.weight_update_endpoint:
        return partial(fetch_weights, options.weight_update_endpoint)
    if options.vcpu_weights or options.mb_weights:
        fixed = Weights([WeightSet(0.0, options.vcpu_weights or {}, options.mb_weights or {})])
        return lambda: fixed
    return None


def _start(options: argparse.Namespace) -> float | None:
    """Return the configured start date, in seconds since the epoch; None if there is none."""
    if options.start_date_endpoint:
        return fetch_start(options.start_date_endpoint)
    return parse_start(options.start) if options.start else None


def _ledger(options: argparse.Namespace, site: Site, start: float | None) -> Ledger | None:
    """Open the ledger of a start date. Each start date has its own file."""
    if options.stateless or options.dummy_data:
        return None
    directory = state_directory(options.state, os.environ)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the directory {directory} for the ledger cannot be created: {error.strerror}; give --state"
        ) from error
    if start is None:
        start = _latest_start(directory)
    name = datetime.fromtimestamp(start, UTC).strftime("usage-%Y%m%dT%H%M%SZ.sqlite")
    return Ledger(directory / name, source=site.identity, start=start)


def _grants(options: argparse.Namespace) -> Callable[[], list[Grant]]:
    """Return a function that reads the grants of credits; there are none without a ledger."""
    if options.stateless or options.dummy_data:
        return list
    return partial(read_grants, state_directory(options.state, os.environ) / FILE)


def _latest_start(directory: Path) -> float:
    """Return the start date of the latest ledger; today if there is none."""
    names = sorted(path.name for path in directory.glob("usage-*.sqlite"))
    if not names:
        return today()
    try:
        moment = datetime.strptime(names[-1], "usage-%Y%m%dT%H%M%SZ.sqlite")
    except ValueError as error:
        raise UsageError(f"{directory / names[-1]} is not a ledger: move it away") from error
    return moment.replace(tzinfo=UTC).timestamp()


def _updater(
    options: argparse.Namespace,
    exposition: Exposition,
    stack: ExitStack,
    progress: Callable[[int], None] | None,
) -> Updater:
    site = _site(options, progress)
    start = _start(options)
    ledger = _ledger(options, site, start)
    credit_ledger = None
    if ledger:
        stack.callback(ledger.close)
        start = ledger.start
        credit_ledger = CreditLedger(ledger.directory)
        stack.callback(credit_ledger.close)
    return Updater(
        site,
        exposition,
        start=today() if start is None else start,
        ledger=ledger,
        credit_ledger=credit_ledger,
        weights=_weights(options),
        weights_every=options.weight_update_frequency,
        simple_vm=options.simple_vm_id,
        whole_gib=options.compat_gib,
    )


def _print_once(options: argparse.Namespace) -> int:
    exposition = Exposition(options.max_age)
    with ExitStack() as stack:
        # The ledger belongs to the exporter that serves: printing once must neither require nor change it.
        options.stateless = True
        _updater(options, exposition, stack, _progress()).update()
    sys.stdout.write(exposition.render(time.time(), compressed=False).decode())
    return 0


def _serve(options: argparse.Namespace) -> int:
    queue_handlers()
    exposition = Exposition(options.max_age)
    credentials = read_credentials(options.basic_auth) if options.basic_auth else None
    stop = Event()
    # Until it listens, there is nothing to end in order: a hanging Keystone must not delay the end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with ExitStack() as stack:
        updater = _updater(options, exposition, stack, _progress())
        updater.publish_ledger()
        ended: SimpleQueue[None] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.put(None))
        listener = stack.enter_context(
            Listener(
                application(exposition, credentials, grants=_grants(options)),
                options.bind,
                options.port,
                certificate=(options.tls_cert, options.tls_key) if options.tls_cert else None,
            )
        )
        _LOG.info("listening on %s port %d", options.bind, listener.port)
        updates = Thread(
            target=updater.run, args=(stop, options.update_interval), name="updates", daemon=True
        )
        updates.start()
        ended.get()
        stop.set()
        updates.join(_STOP_SECONDS)
        if updates.is_alive():
            _LOG.warning("stopping during an update: the next start requests its usage again")
            logging.shutdown()
            # Python would wait for the request. The ledger has whole transactions only.
            os._exit(0)
    return 0


def _progress() -> Callable[[int], None] | None:
    """Return a function that shows the number of servers read; None if stderr is not a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(count: int) -> None:
        print(f"\r{count} servers read", end="", file=sys.stderr, flush=True)

    return show

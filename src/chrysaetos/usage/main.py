"""``chrysaetos usage``: the exporter's command."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from chrysaetos.usage.ledger import Ledger
from chrysaetos.usage.options import (
    command_parser,
    parse_options,
    read_credentials,
    read_openrc,
    state_directory,
)
from chrysaetos.usage.records import UsageError
from chrysaetos.usage.serving import Listener, application
from chrysaetos.usage.site import Dummy, SimpleVMOption
from chrysaetos.usage.snapshot import Exposition
from chrysaetos.usage.sources import fetched_start, fetched_weights, parsed_start, today, weights_of_file
from chrysaetos.usage.updater import Updater
from chrysaetos.usage.weights import Weights, WeightSet

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from chrysaetos.usage.site import Site

__all__ = ["parser", "run"]

_log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command, with the defaults of an empty environment."""
    return command_parser({})


def run(arguments: Sequence[str]) -> int:
    """Serve, print once, or check.

    Returns:
        The exit status: 0, 1 when what was asked for failed, 2 for a mistake in the options.
    """
    options = parse_options(arguments, os.environ)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("keystoneauth").setLevel(logging.WARNING)  # its debug log has tokens' hashes and bodies
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    try:
        if options.openrc:
            os.environ.update(read_openrc(options.openrc))
        if options.action == "check":
            from chrysaetos.usage.check import check  # noqa: PLC0415 - openstacksdk takes a second to load

            return check(options)
        return _print_once(options) if options.once else _serve(options)
    except UsageError as error:
        print(f"chrysaetos usage: {error}", file=sys.stderr)
        return 1


def _simple_vm(options: argparse.Namespace) -> SimpleVMOption | None:
    return SimpleVMOption(options.simple_vm_id, options.simple_vm_tag) if options.simple_vm_id else None


def _site(options: argparse.Namespace, progress: Callable[[int], None] | None) -> Site:
    domains = options.domain or ()
    if options.dummy_data:
        return Dummy(
            options.dummy_data, domains=domains, domain_id=options.domain_id, simple_vm=_simple_vm(options)
        )
    from chrysaetos.usage.connection import connect  # noqa: PLC0415 - openstacksdk takes a second to load

    return connect(
        options.os_cloud,
        domains=domains,
        domain_id=options.domain_id,
        simple_vm=_simple_vm(options),
        progress=progress,
    )


def _weights(options: argparse.Namespace) -> Callable[[], Weights] | None:
    if options.dummy_weights:
        return partial(weights_of_file, options.dummy_weights)
    if options.weight_update_endpoint:
        return partial(fetched_weights, options.weight_update_endpoint)
    if options.vcpu_weights or options.mb_weights:
        fixed = Weights([WeightSet(0.0, options.vcpu_weights or {}, options.mb_weights or {})])
        return lambda: fixed
    return None


def _start(options: argparse.Namespace) -> float | None:
    """The start date that was asked for, in seconds since the epoch."""
    if options.start_date_endpoint:
        return fetched_start(options.start_date_endpoint)
    return parsed_start(options.start) if options.start else None


def _ledger(options: argparse.Namespace, site: Site, start: float | None) -> Ledger | None:
    """The ledger of this start date; one for each, so that another date neither mixes nor loses anything."""
    if options.stateless or options.dummy_data:
        return None
    directory = state_directory(options.state, os.environ)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{directory} for the ledger cannot be made: {error.strerror}; give --state"
        ) from error
    if start is None:
        start = _latest_start(directory)
    name = datetime.fromtimestamp(start, UTC).strftime("usage-%Y%m%dT%H%M%SZ.sqlite")
    return Ledger(directory / name, of=site.identity, start=start)


def _latest_start(directory: Path) -> float:
    """The start date of the latest ledger; today where there is none."""
    names = sorted(path.name for path in directory.glob("usage-*.sqlite"))
    if not names:
        return today()
    try:
        moment = datetime.strptime(names[-1], "usage-%Y%m%dT%H%M%SZ.sqlite")
    except ValueError as error:
        raise UsageError(f"{directory / names[-1]} is no ledger: move it away") from error
    return moment.replace(tzinfo=UTC).timestamp()


def _updater(
    options: argparse.Namespace,
    exposition: Exposition,
    ending: ExitStack,
    progress: Callable[[int], None] | None,
) -> Updater:
    site = _site(options, progress)
    start = _start(options)
    ledger = _ledger(options, site, start)
    if ledger:
        ending.callback(ledger.close)
        start = ledger.start
    return Updater(
        site,
        exposition,
        start=today() if start is None else start,
        ledger=ledger,
        weights=_weights(options),
        weights_every=options.weight_update_frequency,
        simple_vm=options.simple_vm_id,
        whole_gib=options.compat_gib,
    )


def _print_once(options: argparse.Namespace) -> int:
    exposition = Exposition(options.max_age)
    with ExitStack() as ending:
        # The ledger belongs to the exporter that serves: to look once must neither need nor change it.
        options.stateless = True
        _updater(options, exposition, ending, _progress()).update()
    sys.stdout.write(exposition.render(time.time(), compressed=False).decode())
    return 0


def _serve(options: argparse.Namespace) -> int:
    exposition = Exposition(options.max_age)
    credentials = read_credentials(options.basic_auth) if options.basic_auth else None
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as ending:
        updater = _updater(options, exposition, ending, _progress())
        updater.recall()
        listener = ending.enter_context(
            Listener(
                application(exposition, credentials),
                options.bind,
                options.port,
                certificate=(options.tls_cert, options.tls_key) if options.tls_cert else None,
            )
        )
        _log.info("serving on %s port %d", options.bind, listener.port)
        updater.run(stop, options.update_interval)
    return 0


def _progress() -> Callable[[int], None] | None:
    """Says on a terminal how many servers were read."""
    if not sys.stderr.isatty():
        return None

    def say(count: int) -> None:
        print(f"\r{count} servers read", end="", file=sys.stderr, flush=True)

    return say

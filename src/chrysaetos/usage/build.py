"""Build the exporter from its options: a site, a ledger and an updater for each source."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.usage.credits import CreditLedger
from chrysaetos.usage.grants import FILE, read_grants
from chrysaetos.usage.ledger import Ledger
from chrysaetos.usage.options import state_directory
from chrysaetos.usage.quotas import COMPUTE, NETWORK, VOLUME, QuotaUpdater
from chrysaetos.usage.records import UsageError
from chrysaetos.usage.resources import FLOATING_IPS, VOLUMES, ListedSite
from chrysaetos.usage.site import DummySite, SimpleVMSettings
from chrysaetos.usage.snapshot import FLOATING_IP_METRICS, METRICS, SERVERS, VOLUME_METRICS, Exposition
from chrysaetos.usage.start_and_weights import fetch_start, fetch_weights, parse_date, read_weights, today
from chrysaetos.usage.updater import Updater
from chrysaetos.usage.weights import Weights, WeightSet

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from chrysaetos.usage.grants import Grant
    from chrysaetos.usage.site import Site

__all__ = ["LISTINGS", "QUOTA_SETS", "Exporter", "build", "grants_reader"]

LISTINGS = {"volumes": ("cinder", VOLUMES), "floating-ips": ("neutron", FLOATING_IPS)}
"""The service of each source that lists objects, and how it lists them."""
QUOTA_SETS = {
    "compute-quotas": ("nova", COMPUTE),
    "volume-quotas": ("cinder", VOLUME),
    "network-quotas": ("neutron", NETWORK),
}
"""The service of each source of quotas, and how it returns them."""
_COUNTED = {
    SERVERS: ("usage", METRICS),
    "volumes": ("volumes", VOLUME_METRICS),
    "floating-ips": ("floating-ips", FLOATING_IP_METRICS),
}
"""How the names of the ledgers of each counted source begin, and its metrics."""


class Exporter(NamedTuple):
    """What the exporter runs.

    Attributes:
        exposition: what is served.
        counters: the updaters of counted sources.
        quotas: the updaters of quotas.
    """

    exposition: Exposition
    counters: Sequence[Updater]
    quotas: Sequence[QuotaUpdater]

    @property
    def updaters(self) -> Sequence[Updater | QuotaUpdater]:
        """All updaters."""
        return [*self.counters, *self.quotas]

    def publish_ledgers(self) -> None:
        """Publish what is counted already."""
        for counter in self.counters:
            counter.publish_ledger()


def build(options: argparse.Namespace, stack: ExitStack, progress: Callable[[int | None], None]) -> Exporter:
    """Return the exporter.

    Args:
        options: the options.
        stack: closes the files.
        progress: called with the number of servers read so far in a window, and with None at its end.

    Raises:
        UsageError: there are no credentials, a file cannot be used, or the start date is not known.
    """
    expositions = [Exposition(options.max_age, source=name) for name in options.sources[1:]]
    first = Exposition(options.max_age, source=options.sources[0], others=expositions)
    by_source = {each.source: each for each in (first, *expositions)}
    counted, quotas = _sites(options, by_source, progress)
    stateless = options.stateless or bool(options.dummy_data)
    directory = None if stateless else _directory(options)
    start = _start(options)
    if start is None:
        start = _latest_start(directory) if directory else today()
    counters = [
        _counter(options, site, by_source[source], _ledgers(source, site, start, directory, stack), start)
        for source, site in counted.items()
    ]
    return Exporter(first, counters, quotas)


def _sites(
    options: argparse.Namespace,
    expositions: Mapping[str, Exposition],
    progress: Callable[[int | None], None],
) -> tuple[dict[str, Site], list[QuotaUpdater]]:
    """Return the site of each counted source, and the updaters of quotas."""
    simple_vm = (
        SimpleVMSettings(options.simple_vm_id, options.simple_vm_tag) if options.simple_vm_id else None
    )
    if options.dummy_data:
        domains = options.domain or ()
        site = DummySite(
            options.dummy_data, domains=domains, domain_id=options.domain_id, simple_vm=simple_vm
        )
        return {SERVERS: site}, []
    from chrysaetos.usage.cloud import Cloud  # noqa: PLC0415  # openstacksdk is slow to import
    from chrysaetos.usage.connection import (  # noqa: PLC0415  # openstacksdk is slow to import
        cloud_name,
        open_connection,
        open_projects,
        open_service,
    )

    connection = open_connection(options.os_cloud)
    name = cloud_name(connection, own_project=options.own_project)
    sites: dict[str, Site] = {}
    quotas = []
    for source, exposition in expositions.items():
        projects = open_projects(connection, options)
        if source == SERVERS:
            nova = open_service(connection, "nova")
            sites[source] = Cloud(projects, nova, name=name, simple_vm=simple_vm, progress=progress)
        elif source in LISTINGS:
            service, listing = LISTINGS[source]
            sites[source] = ListedSite(projects, open_service(connection, service), listing, name=name)
        else:
            service, quota_set = QUOTA_SETS[source]
            quotas.append(QuotaUpdater(projects, open_service(connection, service), quota_set, exposition))
    return sites, quotas


def _ledgers(
    source: str, site: Site, start: float, directory: Path | None, stack: ExitStack
) -> tuple[Ledger | None, CreditLedger | None]:
    """Open the ledger of a source and a start date, and that of credits, which are for servers only."""
    if directory is None:
        return None, None
    name = datetime.fromtimestamp(start, UTC).strftime(f"{_COUNTED[source][0]}-%Y%m%dT%H%M%SZ.sqlite")
    ledger = stack.enter_context(closing(Ledger(directory / name, source=site.identity, start=start)))
    if source != SERVERS:
        return ledger, None
    return ledger, stack.enter_context(closing(CreditLedger(directory)))


def _counter(
    options: argparse.Namespace,
    site: Site,
    exposition: Exposition,
    ledgers: tuple[Ledger | None, CreditLedger | None],
    start: float,
) -> Updater:
    """Return the updater of a counted source. Weights and SimpleVM are for servers only."""
    ledger, credit_ledger = ledgers
    servers = exposition.source == SERVERS
    return Updater(
        site,
        exposition,
        start=start,
        metrics=_COUNTED[exposition.source][1],
        ledger=ledger,
        credit_ledger=credit_ledger,
        weights=_weights(options) if servers else None,
        weights_every=options.weight_update_frequency,
        simple_vm=options.simple_vm_id if servers else None,
        whole_gib=options.compat_gib,
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
    return parse_date(options.start) if options.start else None


def _directory(options: argparse.Namespace) -> Path:
    """Return the directory of the ledgers, which is created if it does not exist."""
    directory = state_directory(options.state, os.environ)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the directory {directory} for the ledger cannot be created: {error.strerror}; give --state"
        ) from error
    return directory


def _latest_start(directory: Path) -> float:
    """Return the start date of the latest ledger; today if there is none."""
    paths = [path for prefix, _ in _COUNTED.values() for path in directory.glob(f"{prefix}-*.sqlite")]
    if not paths:
        return today()
    latest = max(paths, key=lambda path: path.name.rpartition("-")[2])
    try:
        moment = datetime.strptime(latest.name.rpartition("-")[2], "%Y%m%dT%H%M%SZ.sqlite")
    except ValueError as error:
        raise UsageError(f"{latest} is not a ledger: move it away") from error
    return moment.replace(tzinfo=UTC).timestamp()


def grants_reader(options: argparse.Namespace) -> Callable[[], list[Grant]]:
    """Return a function that reads the grants of credits; there are none without a ledger."""
    if options.stateless or options.dummy_data:
        return list
    return partial(read_grants, state_directory(options.state, os.environ) / FILE)

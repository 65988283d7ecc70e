"""``chrysaetos portal``: the Prometheus that collects the usage of sites, from a registry of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.federation.portal import can_check, installed_version, portal_files
from chrysaetos.federation.registry import (
    FILE,
    FRESHNESS,
    USAGE,
    Registry,
    Remote,
    Site,
    is_clear,
    read_registry,
    render_registry,
)
from chrysaetos.federation.scaffold import File, check_prometheus, write_files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(dest="portal_action", metavar="ACTION", required=True)

    init = actions.add_parser("init", help="begin a portal: its registry, and all files made from it")
    init.add_argument("directory", type=Path, metavar="DIRECTORY", help="where to")
    init.add_argument(
        "--prometheus-version",
        metavar="VERSION",
        help="of the portal's Prometheus (default: that of the one on this machine)",
    )
    init.add_argument(
        "--scrape-interval",
        default=Registry().scrape_interval,
        metavar="TIME",
        help="how often sites are asked (default: %(default)s)",
    )
    for name, what in (("--remote-write", "send samples to"), ("--remote-read", "read samples from")):
        init.add_argument(
            name,
            action="append",
            default=[],
            metavar="URL",
            help=f"{what} this storage; its credentials go into {FILE}",
        )

    add = actions.add_parser("add-site", help="collect from another site")
    add.add_argument("name", help="the site's location")
    add.add_argument("--url", required=True, metavar="URL", help="of its gate, such as https://gate:9091")
    add.add_argument(
        "--token-file",
        required=True,
        metavar="FILE",
        help="file with the token, as Prometheus sees it: a relative path is below the directory",
    )
    add.add_argument("--location-id", type=int, metavar="N", help="the site's number (default: the next)")
    add.add_argument("--ca-file", default="", metavar="FILE", help="authorities of the gate's certificate")
    add.add_argument(
        "--usage-only",
        action="store_true",
        help="ask for one query alone, without the exporter's health: for sites behind HAProxy",
    )
    add.add_argument(
        "--simple-vm-id",
        default="",
        metavar="ID",
        help="id of the project there whose servers belong to projects of their own, told apart by names",
    )
    add.add_argument(
        "--plain-http", action="store_true", help="let the token be sent without TLS, over a safe network"
    )
    remove = actions.add_parser("remove-site", help="no longer collect from a site")
    remove.add_argument("name", help="the site's location")
    listing = actions.add_parser("list", help="what sites there are")
    write = actions.add_parser("write", help=f"make all files anew, after a change of {FILE}")
    for action in (add, remove, listing, write):
        action.add_argument(
            "--directory",
            type=Path,
            default=Path(),
            metavar="DIRECTORY",
            help="the portal's (default: this one)",
        )
    for action in (init, add, remove, write):
        action.add_argument("--force", action="store_true", help="overwrite files that were changed by hand")


def run(options: argparse.Namespace) -> int:
    """Do what was asked for.

    Returns:
        The exit status: 0, or 1 when it could not be done.
    """
    actions: dict[str, Callable[[argparse.Namespace], None]] = {
        "init": _init,
        "add-site": _add,
        "remove-site": _remove,
        "list": _list,
        "write": _write,
    }
    try:
        actions[options.portal_action](options)
    except ConfigError as error:
        print(f"chrysaetos portal: {error}", file=sys.stderr)
        return 1
    return 0


def _init(options: argparse.Namespace) -> None:
    if (options.directory / FILE).exists():
        raise ConfigError(f"there is a portal in {options.directory}: use add-site, or write")
    version = options.prometheus_version
    registry = Registry(
        prometheus_version=installed_version() if version is None else version,
        scrape_interval=options.scrape_interval,
        remote_write=tuple(map(Remote, options.remote_write)),
        remote_read=tuple(map(Remote, options.remote_read)),
    )
    _save(registry, options)
    shown = registry.prometheus_version or "not known, so that the files suit each"
    print(f"Prometheus' version: {shown}")
    place = options.directory
    print(
        "Next:\n"
        f"  1. chrysaetos portal add-site NAME --directory {place} --url https://… --token-file …\n"
        f"  2. prometheus --config.file={place}/prometheus.yml --storage.tsdb.retention.time=400d\n"
        f"  3. Grafana: {place}/grafana has provisioning, and dashboards for /etc/grafana/dashboards"
    )


def _add(options: argparse.Namespace) -> None:
    registry = read_registry(options.directory)
    if is_clear(options.url) and not options.plain_http:
        raise ConfigError(
            f"{options.url}: the token would be sent in the clear; use https, or --plain-http in a "
            "network that is safe by itself"
        )
    number = options.location_id
    site = Site(
        name=options.name,
        location_id=registry.next_location_id() if number is None else number,
        url=options.url,
        token_file=options.token_file,
        ca_file=options.ca_file,
        match=(USAGE,) if options.usage_only else (USAGE, FRESHNESS),
        simple_vm_id=options.simple_vm_id,
    )
    _save(registry.adding(site), options)
    token = options.directory / options.token_file
    if not token.is_file():
        print(f"Put the token into {token}, for Prometheus to read and nobody else.")
    print("Then reload Prometheus: send it SIGHUP.")


def _remove(options: argparse.Namespace) -> None:
    _save(read_registry(options.directory).removing(options.name), options)
    print("Then reload Prometheus: send it SIGHUP. What was collected stays.")


def _list(options: argparse.Namespace) -> None:
    for site in read_registry(options.directory).sites:
        print(f"{site.location_id:>4}  {site.name}  {site.url}  {site.token_file}")


def _write(options: argparse.Namespace) -> None:
    registry = read_registry(options.directory)
    _make(registry, portal_files(registry), options)


def _save(registry: Registry, options: argparse.Namespace) -> None:
    """Write the registry and what is made from it, together."""
    _make(registry, [*portal_files(registry), File(FILE, render_registry(registry), ours=True)], options)


def _make(registry: Registry, files: Sequence[File], options: argparse.Namespace) -> None:
    if can_check(registry):
        check_prometheus(files, "prometheus.yml")
    for name in write_files(options.directory, files, force=options.force, renew=True):
        print(f"written: {options.directory / name}")

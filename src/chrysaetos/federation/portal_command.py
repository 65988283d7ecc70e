"""``chrysaetos portal``: configure the Prometheus that collects the usage of sites."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.federation.compose import portal_compose_files
from chrysaetos.federation.portal import can_check, installed_version, portal_files
from chrysaetos.federation.registry import (
    FILE,
    FRESHNESS,
    USAGE,
    Registry,
    Remote,
    Site,
    is_cleartext,
    read_registry,
    render_registry,
)
from chrysaetos.scaffold import File, check_prometheus, write_files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    actions = parser.add_subparsers(dest="portal_action", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="create a portal: its registry and all generated files")
    _add_init_arguments(init)
    add = actions.add_parser("add-site", help="add a site")
    _add_site_arguments(add)
    remove = actions.add_parser("remove-site", help="remove a site")
    remove.add_argument("name", help="name of the site")
    listing = actions.add_parser("list", help="list the sites")
    write = actions.add_parser("write", help=f"regenerate all files, after {FILE} was edited")
    for action in (add, remove, listing, write):
        action.add_argument(
            "--directory",
            type=Path,
            default=Path(),
            metavar="DIRECTORY",
            help="directory of the portal (default: the current directory)",
        )
    for action in (init, add, remove, write):
        action.add_argument("--force", action="store_true", help="overwrite files that were edited")


def _add_init_arguments(init: argparse.ArgumentParser) -> None:
    init.add_argument("directory", type=Path, metavar="DIRECTORY", help="directory to write the files to")
    init.add_argument(
        "--prometheus-version",
        metavar="VERSION",
        help="version of the portal's Prometheus (default: the version installed on this machine)",
    )
    init.add_argument(
        "--scrape-interval",
        default=Registry().scrape_interval,
        metavar="DURATION",
        help="scrape interval of the sites (default: %(default)s)",
    )
    for name, direction in (("--remote-write", "write samples to"), ("--remote-read", "read samples from")):
        init.add_argument(
            name,
            action="append",
            default=[],
            metavar="URL",
            help=f"{direction} this remote storage; its credentials are configured in {FILE}",
        )


def _add_site_arguments(add: argparse.ArgumentParser) -> None:
    add.add_argument("name", help="name of the site")
    add.add_argument(
        "--url", required=True, metavar="URL", help="URL of the site's gate, such as https://gate:9091"
    )
    add.add_argument(
        "--token-file",
        required=True,
        metavar="FILE",
        help="file from which Prometheus reads the token; a relative path starts at the portal's directory",
    )
    add.add_argument(
        "--location-id", type=int, metavar="N", help="number of the site (default: the next free number)"
    )
    add.add_argument(
        "--ca-file", default="", metavar="FILE", help="CA certificates for the gate's certificate"
    )
    add.add_argument(
        "--usage-only",
        action="store_true",
        help="scrape the usage but not the exporter's health, for sites that use HAProxy as the gate",
    )
    add.add_argument(
        "--simple-vm-id",
        default="",
        metavar="ID",
        help="id of the site's SimpleVM project, whose servers belong to several projects with own names",
    )
    add.add_argument(
        "--plain-http", action="store_true", help="allow sending the token without TLS, in a trusted network"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 1 for an error.
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
    except (ConfigError, OSError) as error:
        print(f"chrysaetos portal: {error}", file=sys.stderr)
        return 1
    return 0


def _init(options: argparse.Namespace) -> None:
    if (options.directory / FILE).exists():
        raise ConfigError(f"{options.directory} already contains a portal: use add-site or write")
    version = options.prometheus_version
    registry = Registry(
        prometheus_version=installed_version() if version is None else version,
        scrape_interval=options.scrape_interval,
        remote_write=tuple(map(Remote, options.remote_write)),
        remote_read=tuple(map(Remote, options.remote_read)),
    )
    _save(registry, options)
    version = registry.prometheus_version or "unknown, so the files support every version"
    print(f"Prometheus version: {version}")
    directory = shlex.quote(str(options.directory))
    print(
        "Next:\n"
        f"  1. chrysaetos portal add-site NAME --directory {directory} --url https://… --token-file …\n"
        f"  2. prometheus --config.file={directory}/prometheus.yml --storage.tsdb.retention.time=400d\n"
        f"  3. Grafana: install {directory}/grafana/provisioning, and copy {directory}/grafana/dashboards\n"
        "     to /etc/grafana/dashboards"
    )


def _add(options: argparse.Namespace) -> None:
    registry = read_registry(options.directory)
    if is_cleartext(options.url) and not options.plain_http:
        raise ConfigError(
            f"{options.url}: the token would be sent unencrypted; use https, or --plain-http in a "
            "trusted network"
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
    registry = registry.with_site(site)
    token = options.directory / options.token_file
    if not Path(options.token_file).is_absolute():
        token.parent.mkdir(parents=True, exist_ok=True)
    _save(registry, options)
    # Only Prometheus may have access to its directory.
    if not os.access(token, os.F_OK):
        print(f"Put the token into {token}, readable only by Prometheus.")
    print("Then reload Prometheus: send it SIGHUP.")


def _remove(options: argparse.Namespace) -> None:
    _save(read_registry(options.directory).without_site(options.name), options)
    print("Then reload Prometheus: send it SIGHUP. The collected samples are kept.")


def _list(options: argparse.Namespace) -> None:
    for site in read_registry(options.directory).sites:
        print(f"{site.location_id:>4}  {site.name}  {site.url}  {site.token_file}")


def _write(options: argparse.Namespace) -> None:
    registry = read_registry(options.directory)
    _write_checked(registry, (), options)


def _save(registry: Registry, options: argparse.Namespace) -> None:
    """Write the registry and the files generated from it."""
    _write_checked(registry, [File(FILE, render_registry(registry), rewrite=True)], options)


def _write_checked(registry: Registry, more: Sequence[File], options: argparse.Namespace) -> None:
    """Write the files generated from the registry, and others."""
    files = [*portal_files(registry), *portal_compose_files(), *more]
    if can_check(registry):
        check_prometheus(files, "prometheus.yml")
    for name in write_files(options.directory, files, force=options.force, update=True):
        print(f"written: {options.directory / name}")

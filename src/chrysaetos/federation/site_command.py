"""``chrysaetos site``: write the files of a site that publishes its usage to portals."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.federation.site import SiteSettings, next_steps, site_files
from chrysaetos.scaffold import check_prometheus, write_files

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    actions = parser.add_subparsers(dest="site_action", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="write the files of a site: Prometheus, systemd, compose, HAProxy")
    init.add_argument("directory", type=Path, metavar="DIRECTORY", help="directory to write the files to")
    init.add_argument("--location", required=True, metavar="NAME", help="name of the site")
    init.add_argument("--start", metavar="DATE", help="start date of the usage, YYYY-MM-DD (default: today)")
    init.add_argument(
        "--bind", metavar="ADDRESS", help="address that the gate listens on (default: %(default)s)"
    )
    init.add_argument(
        "--port", type=int, metavar="PORT", help="port that the gate listens on (default: %(default)s)"
    )
    init.add_argument("--tls-cert", metavar="FILE", help="certificate of the gate; enables HTTPS")
    init.add_argument("--tls-key", metavar="FILE", help="key of the gate's certificate")
    init.add_argument(
        "--exporter", metavar="HOST:PORT", help="address of the usage exporter (default: %(default)s)"
    )
    init.add_argument("--prometheus", metavar="URL", help="the site's Prometheus (default: %(default)s)")
    init.add_argument(
        "--allow", metavar="SELECTOR", help="selector that the portal may read (default: %(default)s)"
    )
    init.add_argument("--force", action="store_true", help="overwrite existing files")
    defaults = {field.name: field.default for field in fields(SiteSettings) if field.default is not MISSING}
    init.set_defaults(**defaults)


def run(options: argparse.Namespace) -> int:
    """Write the files.

    Returns:
        The exit status: 0, or 1 for an error.
    """
    try:
        settings = SiteSettings(
            **{field.name: getattr(options, field.name) for field in fields(SiteSettings)}
        )
        files = site_files(settings)
        check_prometheus(files, "prometheus.yml")
        written = write_files(options.directory, files, force=options.force)
    except ConfigError as error:
        print(f"chrysaetos site: {error}", file=sys.stderr)
        return 1
    for name in written:
        print(f"written: {options.directory / name}")
    print(next_steps(settings))
    return 0

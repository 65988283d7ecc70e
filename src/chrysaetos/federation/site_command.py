"""``chrysaetos site``: the files of a site that shows its usage to portals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.federation.scaffold import check_prometheus, write_files
from chrysaetos.federation.site import SiteSettings, next_steps, site_files

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(dest="site_action", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="write the files of a site: Prometheus, systemd, compose, HAProxy")
    init.add_argument("directory", type=Path, metavar="DIRECTORY", help="where to")
    init.add_argument("--location", required=True, metavar="NAME", help="the site's name")
    init.add_argument(
        "--start", default="", metavar="DATE", help="count usage from here on: YYYY-MM-DD (default: today)"
    )
    defaults = {one: getattr(SiteSettings("x"), one) for one in ("bind", "port", "exporter", "prometheus")}
    init.add_argument("--bind", metavar="ADDRESS", help="address of the gate (default: %(default)s)")
    init.add_argument("--port", type=int, metavar="PORT", help="port of the gate (default: %(default)s)")
    init.add_argument("--tls-cert", default="", metavar="FILE", help="certificate of the gate: HTTPS")
    init.add_argument("--tls-key", default="", metavar="FILE", help="its key")
    init.add_argument(
        "--exporter", metavar="HOST:PORT", help="where Prometheus finds the exporter (default: %(default)s)"
    )
    init.add_argument("--prometheus", metavar="URL", help="the site's Prometheus (default: %(default)s)")
    init.add_argument(
        "--allow",
        default=SiteSettings("x").allow,
        metavar="SELECTOR",
        help="what the portal may see (default: %(default)s)",
    )
    init.add_argument("--force", action="store_true", help="overwrite files that are there")
    init.set_defaults(**defaults)


def run(options: argparse.Namespace) -> int:
    """Write the files.

    Returns:
        The exit status: 0, or 1 when it could not be done.
    """
    try:
        settings = SiteSettings(
            location=options.location,
            bind=options.bind,
            port=options.port,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
            exporter=options.exporter,
            prometheus=options.prometheus,
            start=options.start,
            allow=options.allow,
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

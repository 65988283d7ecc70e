"""``chrysaetos gateway init``: write the files of a gateway."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.install.files import installation_files
from chrysaetos.install.settings import ENGINES, PROXIES, Settings
from chrysaetos.scaffold import write_files
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]

_HELP = {
    "keystone_url": ("URL", "URL of Keystone, such as https://cloud.example/identity"),
    "public_url": ("URL", "URL of the gateway in the catalog, such as https://cloud.example/metric-storage"),
    "prometheus_url": ("URL", "URL of Prometheus or another engine"),
    "engine": ("NAME", f"what serves Prometheus' API: {', '.join(ENGINES)}"),
    "tenant": ("NAME", "with the engine mimir, the tenant that has the series of all projects"),
    "project_label": ("LABEL", "label that holds the project id of a series"),
    "region": ("NAME", "region of the endpoint in the catalog"),
    "service_user": ("NAME", "Keystone user with which the gateway validates tokens"),
    "system_user": ("NAME", "user of the operating system that runs the gateway"),
    "listen": ("ADDRESS", "path of a Unix socket, or HOST:PORT, for the load balancer"),
    "workers": ("NUMBER", "number of processes"),
    "metrics": ("HOST:PORT", "address of the gateway's own metrics"),
    "proxy": ("NAME", f"what terminates TLS: {', '.join(PROXIES)}"),
    "certificate": ("FILE", "the proxy's certificate, with its chain and key in one file"),
    "keystone_ca": ("FILE", "CA certificates for Keystone's certificate"),
    "prometheus_ca": ("FILE", "CA certificates for Prometheus' certificate"),
    "program": ("FILE", "the command chrysaetos, for the systemd unit"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=Path("/etc/chrysaetos"),
        metavar="DIR",
        help="directory to write the files to (default: %(default)s)",
    )
    defaults = {field.name: field.default for field in fields(Settings) if field.default is not MISSING}
    for name, (metavar, text) in _HELP.items():
        default = defaults.get(name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=int if isinstance(default, int) else str,
            metavar=metavar,
            default=default,
            required=default is None,
            help=f"{text} (default: %(default)s)" if default else text,
        )
    parser.add_argument(
        "--gateway",
        dest="gateways",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="another gateway for the load balancer; repeat it for several",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that were edited")


def run(options: argparse.Namespace) -> int:
    """Write the files.

    Returns:
        The exit status: 0, or 1 for an error.
    """
    directory: Path = options.directory.absolute()
    try:
        settings = Settings(
            **{name: getattr(options, name) for name in _HELP}, gateways=tuple(options.gateways)
        )
        files = installation_files(settings, directory, new_secret())
        written = write_files(directory, files, force=options.force, update=True)
    except ConfigError as error:
        print(f"chrysaetos gateway init: {error}", file=sys.stderr)
        return 1
    for name in written:
        print(f"written: {directory / name}")
    return 0

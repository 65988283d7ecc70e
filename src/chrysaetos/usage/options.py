"""The options of ``chrysaetos usage`` and the environment variables that set their defaults."""

from __future__ import annotations

import argparse
import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.arguments import PORT, POSITIVE, SECONDS
from chrysaetos.regular_file import regular_file, why_unreadable
from chrysaetos.usage.records import UsageError
from chrysaetos.usage.weights import parse_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SOURCES", "command_parser", "parse_options", "read_credentials", "state_directory"]

SOURCES = ("servers", "volumes", "floating-ips", "compute-quotas", "volume-quotas", "network-quotas")
"""What the exporter can export, in the order of the metrics."""

_PREFIX = "USAGE_EXPORTER_"
_ACTIONS = ("serve", "check")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def parse_options(arguments: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    """Parse the command's arguments, with defaults from the environment.

    Args:
        arguments: the arguments.
        environ: the environment.

    Raises:
        SystemExit: 2 for an invalid option, after printing a message; 0 for ``--help``.
    """
    parser = command_parser(environ)
    options = parser.parse_args(arguments)
    if bool(options.tls_cert) != bool(options.tls_key):
        parser.error("--tls-cert and --tls-key: give both or neither")
    if options.dummy_data and options.sources != SOURCES[:1]:
        parser.error("--dummy-data has only servers: remove --sources")
    if options.max_age is None:
        options.max_age = max(3 * options.update_interval, 900.0)
    return options


def command_parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the command's parser.

    Args:
        environ: the environment, which contains the defaults of options.

    Raises:
        SystemExit: 2 for an invalid variable, after printing a message.
    """
    parser = argparse.ArgumentParser(
        prog="chrysaetos usage",
        description="Export the usage of each project of an OpenStack site as Prometheus metrics.",
        epilog="Credentials are read from --os-cloud, OS_* variables, or --openrc. The environment variable "
        "in brackets sets the default of an option. chrysaetos usage credits shows and grants credits.",
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=_ACTIONS,
        default="serve",
        help="serve the metrics (default), or check credentials, roles and policies",
    )
    variables: dict[str, str] = {}
    for title, add_options in (("site", _add_site), ("counting", _add_counting), ("serving", _add_serving)):
        add_options(_Group(parser.add_argument_group(title), variables))
    _set_defaults(parser, variables, environ)
    return parser


class _Group:
    """A group of options, some of which get their defaults from the environment.

    Args:
        group: the group.
        variables: the variables by the name of the option; those of the group are added.
    """

    def __init__(self, group: argparse._ArgumentGroup, variables: dict[str, str]) -> None:
        self._group = group
        self._variables = variables

    def add(self, *flags: str, variable: str | None = None, text: str, **settings: Any) -> None:
        """Add an option and, if it has a variable, name that in the help."""
        if variable is None:
            self._group.add_argument(*flags, help=text, **settings)
            return
        action = self._group.add_argument(*flags, help=f"{text} [{_PREFIX}{variable}]", **settings)
        self._variables[action.dest] = _PREFIX + variable


def _add_site(group: _Group) -> None:
    """Add the options for what to export, and with which credentials."""
    group.add("--os-cloud", metavar="NAME", text="name of the cloud in clouds.yaml")
    group.add(
        "--openrc",
        type=Path,
        metavar="FILE",
        text="file with lines such as OS_AUTH_URL=… to add to the environment",
    )
    group.add(
        "-d",
        "--dummy-data",
        variable="DUMMY_FILE",
        type=Path,
        metavar="FILE",
        text="export the sample data in this TOML file, which is reloaded when it changes",
    )
    group.add(
        "--domain",
        variable="PROJECT_DOMAINS",
        nargs="*",
        default=None,
        metavar="DOMAIN",
        text="names or ids of the domains to export; all if empty. Separate them by commas in the variable",
    )
    group.add(
        "--domain-id",
        variable="PROJECT_DOMAIN_ID",
        metavar="ID",
        text="id of the only domain to export; overrides --domain",
    )
    group.add(
        "--own-project",
        variable="OWN_PROJECT",
        action="store_true",
        text="export only the project of the credentials, which need no role but reader on it",
    )
    group.add(
        "--simple-vm-id",
        variable="SIMPLE_VM_PROJECT_ID",
        metavar="ID",
        text="id of the SimpleVM project, whose servers belong to the projects named in their metadata",
    )
    group.add(
        "--simple-vm-tag",
        variable="SIMPLE_VM_PROJECT_TAG",
        metavar="KEY",
        default="project_name",
        text="metadata key with the project name of a server (default: %(default)s)",
    )


def _add_counting(group: _Group) -> None:
    """Add the options for how usage is counted and where it is stored."""
    group.add(
        "--sources",
        variable="SOURCES",
        type=_sources,
        default=SOURCES[:1],
        metavar="NAMES",
        text=f"what to export, separated by commas: {', '.join(SOURCES)} (default: servers)",
    )
    group.add(
        "-s",
        "--start",
        variable="START_DATE",
        metavar="DATE",
        text="start date: YYYY-MM-DD, optionally with a time; UTC unless a zone is given (default: today)",
    )
    group.add(
        "--start-date-endpoint",
        variable="START_DATE_ENDPOINT",
        metavar="URL",
        text="URL to fetch the start date from; overrides --start",
    )
    group.add(
        "-w",
        "--dummy-weights",
        variable="DUMMY_WEIGHTS_FILE",
        type=Path,
        metavar="FILE",
        text="TOML file with weights; overrides --weight-update-endpoint",
    )
    group.add(
        "--weight-update-endpoint",
        variable="WEIGHTS_UPDATE_ENDPOINT",
        metavar="URL",
        text="URL to fetch the weights from",
    )
    group.add(
        "--weight-update-frequency",
        variable="WEIGHT_UPDATE_FREQUENCY",
        type=POSITIVE,
        default=10,
        metavar="N",
        text="refresh the weights at every N-th update (default: %(default)s)",
    )
    group.add(
        "--vcpu-weights",
        variable="VCPU_WEIGHTS",
        type=_weights,
        metavar="{CPUS:WEIGHT}",
        text="weights by number of vCPUs, instead of a file or URL",
    )
    group.add(
        "--mb-weights",
        variable="PROJECT_MB_WEIGHTS",
        type=_weights,
        metavar="{MB:WEIGHT}",
        text="weights by MB of memory, instead of a file or URL",
    )
    group.add(
        "--compat-gib",
        variable="COMPAT_GIB",
        action="store_true",
        text="count memory in whole GiB, as older exporters did although they called it MB",
    )
    group.add(
        "--state",
        variable="STATE",
        type=Path,
        metavar="DIRECTORY",
        text="directory for the ledger, which stores the usage counted so far (default: $STATE_DIRECTORY, or "
        "$XDG_STATE_HOME/chrysaetos)",
    )
    group.add(
        "--stateless",
        variable="STATELESS",
        action="store_true",
        text="do not store a ledger: request all usage since the start date at each update",
    )


def _add_serving(group: _Group) -> None:
    """Add the options for how and how often the metrics are served."""
    group.add(
        "-i",
        "--update-interval",
        "--interval",
        variable="UPDATE_INTERVAL",
        type=SECONDS,
        default=300.0,
        metavar="SECONDS",
        text="interval between updates (default: 300)",
    )
    group.add(
        "--max-age",
        variable="MAX_AGE",
        type=SECONDS,
        metavar="SECONDS",
        text="maximum age of exported usage (default: three update intervals, at least 15 minutes)",
    )
    group.add(
        "--bind",
        variable="BIND",
        default="127.0.0.1",
        metavar="ADDRESS",
        text="address to listen on (default: %(default)s)",
    )
    group.add(
        "-p",
        "--port",
        variable="PORT",
        type=PORT,
        default=8080,
        metavar="PORT",
        text="port to listen on (default: %(default)s)",
    )
    group.add("--tls-cert", variable="TLS_CERT", type=Path, metavar="FILE", text="certificate; enables TLS")
    group.add("--tls-key", variable="TLS_KEY", type=Path, metavar="FILE", text="key of the certificate")
    group.add(
        "--basic-auth",
        variable="BASIC_AUTH_FILE",
        type=Path,
        metavar="FILE",
        text="require Basic authentication; the file contains one line, user:password",
    )
    group.add("--once", action="store_true", text="print the metrics once and exit")
    group.add("-v", "--verbose", variable="VERBOSE_MODE", action="store_true", text="log debug messages")


def _set_defaults(
    parser: argparse.ArgumentParser, variables: Mapping[str, str], environ: Mapping[str, str]
) -> None:
    """Set the defaults of options from the environment. An invalid variable is reported by its name."""
    actions = {action.dest: action for action in parser._actions}  # noqa: SLF001  # argparse has no public list
    for name, variable in variables.items():
        value = environ.get(variable)
        if value is None or (value == "" and name != "domain"):
            continue
        action = actions[name]
        if action.nargs == "*":
            action.default = [entry.strip() for entry in value.split(",") if entry.strip()]
        elif action.nargs == 0:
            if value.lower() not in _TRUE | _FALSE:
                parser.error(f"{variable} is {value!r}, expected true or false")
            action.default = value.lower() in _TRUE
        else:
            convert: Callable[[str], Any] = action.type or str  # type: ignore[assignment]
            try:
                action.default = convert(value)
            except (argparse.ArgumentTypeError, ValueError) as error:
                parser.error(f"{variable} is {value!r}: {error}")


def _sources(text: str) -> tuple[str, ...]:
    """Return the named sources, in the order of ``SOURCES``."""
    names = {name.strip() for name in text.split(",")}
    unknown = names - set(SOURCES)
    if unknown:
        raise argparse.ArgumentTypeError(f"{min(unknown)!r} is not one of {', '.join(SOURCES)}")
    return tuple(name for name in SOURCES if name in names)


def _weights(text: str) -> dict[float, float]:
    """Return the weight of each size from a Python literal such as ``{2: 1, 4: 1.5}``."""
    try:
        return parse_steps(text, ast.literal_eval(text).items())
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    except (ValueError, SyntaxError, TypeError, AttributeError) as error:
        raise argparse.ArgumentTypeError(f"{text} does not have the form {{2: 1, 4: 1.5}}") from error


def read_credentials(path: Path) -> tuple[str, str]:
    """Return user and password from a file that contains the line ``user:password``.

    Raises:
        UsageError: the file cannot be read or is invalid.
    """
    try:
        with open(path, encoding="utf-8", opener=regular_file) as file:
            user, colon, password = file.read().strip("\r\n").partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {why_unreadable(error)}") from error
    if not colon or not user or not password or "\n" in password:
        raise UsageError(f"{path} must contain a single line of the form user:password")
    return user, password


def state_directory(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the directory of the ledger.

    Args:
        given: the value of ``--state``; None to use that of the environment.
        environ: the environment: systemd sets STATE_DIRECTORY, and users may set XDG_STATE_HOME.
    """
    configured = given or environ.get(f"{_PREFIX}STATE")
    if configured:
        return Path(configured)
    from_systemd = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if from_systemd:
        return Path(from_systemd)
    # Unlike Path.expanduser, this does not fail for a user without a home directory.
    home = environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111  # see above
    return Path(home, "chrysaetos")

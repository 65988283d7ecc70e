"""The options of ``chrysaetos usage``, each also as an environment variable."""

from __future__ import annotations

import argparse
import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["command_parser", "parse_options", "read_credentials", "read_openrc", "state_directory"]

_PREFIX = "USAGE_EXPORTER_"
_ACTIONS = ("serve", "check")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def parse_options(arguments: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    """Read options from arguments and, where those say nothing, from the environment.

    Args:
        arguments: the command's own.
        environ: the environment.

    Raises:
        SystemExit: 2 with a message, for an option that is wrong; 0 for ``--help``.
    """
    parser = command_parser(environ)
    options = parser.parse_args(arguments)
    if bool(options.tls_cert) != bool(options.tls_key):
        parser.error("--tls-cert and --tls-key belong together")
    if options.max_age is None:
        options.max_age = max(3 * options.update_interval, 900.0)
    return options


def command_parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the command's parser.

    Args:
        environ: the environment, whose variables are defaults.

    Raises:
        SystemExit: 2 with a message, for a variable that is wrong.
    """
    parser = argparse.ArgumentParser(
        prog="chrysaetos usage",
        description="Export what each project of an OpenStack site has used, as Prometheus metrics.",
        epilog="Credentials: --os-cloud, OS_* variables, or --openrc. An option that names a variable may be "
        "given by it; the option itself wins.",
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=_ACTIONS,
        default="serve",
        help="serve: the default; check: say what is wrong with credentials, roles and policies, and end",
    )
    site = parser.add_argument_group("what is exported")
    variables: dict[str, str] = {}

    def add(group: Any, *flags: str, variable: str | None = None, text: str, **settings: Any) -> None:
        if variable:
            text += f" [{_PREFIX}{variable}]"
        action = group.add_argument(*flags, help=text, **settings)
        if variable:
            variables[action.dest] = _PREFIX + variable

    add(site, "--os-cloud", metavar="NAME", text="the cloud's name in clouds.yaml")
    add(
        site,
        "--openrc",
        type=Path,
        metavar="FILE",
        text="file of key=value lines (OS_AUTH_URL=…) to add to the environment",
    )
    add(
        site,
        "-d",
        "--dummy-data",
        variable="DUMMY_FILE",
        type=Path,
        metavar="FILE",
        text="export the invented site of this TOML file; it is read again when it changes",
    )
    add(
        site,
        "--domain",
        variable="PROJECT_DOMAINS",
        nargs="*",
        default=None,
        metavar="DOMAIN",
        text="only projects of these domains, by name or id; none means all. In the variable with commas",
    )
    add(
        site,
        "--domain-id",
        variable="PROJECT_DOMAIN_ID",
        metavar="ID",
        text="only projects of this domain; wins over --domain",
    )
    add(
        site,
        "--simple-vm-id",
        variable="SIMPLE_VM_PROJECT_ID",
        metavar="ID",
        text="project whose servers belong to projects of their own, named in the servers' metadata",
    )
    add(
        site,
        "--simple-vm-tag",
        variable="SIMPLE_VM_PROJECT_TAG",
        metavar="KEY",
        default="project_name",
        text="the key in that metadata (default: %(default)s)",
    )
    counted = parser.add_argument_group("how it is counted")
    add(
        counted,
        "-s",
        "--start",
        variable="START_DATE",
        metavar="DATE",
        text="count from here on: YYYY-MM-DD or with a time, UTC unless it says otherwise (default: today)",
    )
    add(
        counted,
        "--start-date-endpoint",
        variable="START_DATE_ENDPOINT",
        metavar="URL",
        text="ask here for the start date; wins over --start",
    )
    add(
        counted,
        "-w",
        "--dummy-weights",
        variable="DUMMY_WEIGHTS_FILE",
        type=Path,
        metavar="FILE",
        text="weights from this TOML file; wins over the endpoint",
    )
    add(
        counted,
        "--weight-update-endpoint",
        variable="WEIGHTS_UPDATE_ENDPOINT",
        metavar="URL",
        text="ask here for the weights",
    )
    add(
        counted,
        "--weight-update-frequency",
        variable="WEIGHT_UPDATE_FREQUENCY",
        type=_at_least_one,
        default=10,
        metavar="N",
        text="renew the weights at each N-th update (default: %(default)s)",
    )
    add(
        counted,
        "--vcpu-weights",
        variable="VCPU_WEIGHTS",
        type=_steps,
        metavar="{CPUS:WEIGHT}",
        text="weights for all servers, in place of a file or endpoint",
    )
    add(
        counted,
        "--mb-weights",
        variable="PROJECT_MB_WEIGHTS",
        type=_steps,
        metavar="{MB:WEIGHT}",
        text="the same for memory",
    )
    add(
        counted,
        "--compat-gib",
        variable="COMPAT_GIB",
        action="store_true",
        text="count memory in whole GiB, as older exporters did under the name of MB",
    )
    add(
        counted,
        "--state",
        variable="STATE",
        type=Path,
        metavar="DIRECTORY",
        text="where the ledger of what was counted is kept (default: $STATE_DIRECTORY, else "
        "$XDG_STATE_HOME/chrysaetos)",
    )
    add(
        counted,
        "--stateless",
        variable="STATELESS",
        action="store_true",
        text="keep no ledger: ask for everything since the start date at each update",
    )
    serving = parser.add_argument_group("how it is served")
    add(
        serving,
        "-i",
        "--update-interval",
        "--interval",
        variable="UPDATE_INTERVAL",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        text="from one update to the next (default: 300)",
    )
    add(
        serving,
        "--max-age",
        variable="MAX_AGE",
        type=_seconds,
        metavar="SECONDS",
        text="usage older than this is no longer shown (default: three intervals, at least 15 minutes)",
    )
    add(
        serving,
        "--bind",
        variable="BIND",
        default="127.0.0.1",
        metavar="ADDRESS",
        text="address to listen on (default: %(default)s)",
    )
    add(
        serving,
        "-p",
        "--port",
        variable="PORT",
        type=_port,
        default=8080,
        metavar="PORT",
        text="port to listen on (default: %(default)s)",
    )
    add(serving, "--tls-cert", variable="TLS_CERT", type=Path, metavar="FILE", text="serve with TLS")
    add(serving, "--tls-key", variable="TLS_KEY", type=Path, metavar="FILE", text="the certificate's key")
    add(
        serving,
        "--basic-auth",
        variable="BASIC_AUTH_FILE",
        type=Path,
        metavar="FILE",
        text="ask for Basic authentication; the file has one line, user:password",
    )
    add(serving, "--once", action="store_true", text="print the metrics once and end")
    add(
        serving,
        "-v",
        "--verbose",
        variable="VERBOSE_MODE",
        action="store_true",
        text="say more in the log",
    )
    _defaults_of_environment(parser, variables, environ)
    return parser


def _defaults_of_environment(
    parser: argparse.ArgumentParser, variables: Mapping[str, str], environ: Mapping[str, str]
) -> None:
    """Let variables be the defaults; a bad one is told by its name.

    argparse converts a default that is a text by the option's own type, as if it had been given.
    """
    actions = {action.dest: action for action in parser._actions}  # noqa: SLF001 - there is no public way
    for name, variable in variables.items():
        value = environ.get(variable)
        if value is None or (value == "" and name != "domain"):
            continue
        action = actions[name]
        if action.nargs == "*":
            action.default = [one.strip() for one in value.split(",") if one.strip()]
        elif action.nargs == 0:
            if value.lower() not in _TRUE | _FALSE:
                parser.error(f"{variable} is {value!r}, neither true nor false")
            action.default = value.lower() in _TRUE
        else:
            convert: Callable[[str], Any] = action.type or str  # type: ignore[assignment]
            try:
                action.default = convert(value)
            except (argparse.ArgumentTypeError, ValueError) as error:
                parser.error(f"{variable} is {value!r}: {error}")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return value


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return value


def _steps(text: str) -> dict[float, float]:
    """A size → weight table, as a Python or JSON literal with numbers as keys."""
    try:
        value = ast.literal_eval(text)
        return {float(size): float(weight) for size, weight in value.items()}
    except (ValueError, SyntaxError, TypeError, AttributeError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not of the form {{2: 1, 4: 1.5}}") from error


def read_credentials(path: Path) -> tuple[str, str]:
    """User and password from a file of one line.

    Raises:
        UsageError: if it cannot be read, or has no colon.
    """
    try:
        user, colon, password = path.read_text(encoding="utf-8").strip("\r\n").partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not colon or not user or not password or "\n" in password:
        raise UsageError(f"{path} is not one line of the form user:password")
    return user, password


def read_openrc(path: Path) -> dict[str, str]:
    """Variables from a file of ``key=value`` lines.

    Comments, empty lines and ``export`` are allowed; a value in matching quotes loses them, as a shell would.

    Raises:
        UsageError: if it cannot be read, or a line is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    variables = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"{path}, line {number}: not of the form OS_NAME=value")
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        variables[name] = value
    return variables


def state_directory(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Where the ledger is kept.

    Args:
        given: the option.
        environ: systemd gives STATE_DIRECTORY to a unit that asks for one; XDG_STATE_HOME is a user's.
    """
    if given:
        return given
    by_systemd = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if by_systemd:
        return Path(by_systemd)
    home = environ.get("XDG_STATE_HOME") or Path(os.path.expanduser("~"), ".local", "state")  # noqa: PTH111
    return Path(home, "chrysaetos")

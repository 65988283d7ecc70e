"""The configuration, as the gateway itself reads and checks it at its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from oslo_config import cfg

from chrysaetos.errors import ConfigError
from chrysaetos.findings import failed, ok, warning
from chrysaetos.gateway.build import build
from chrysaetos.gateway.options import load_conf
from chrysaetos.gateway.settings import load_labels, load_options
from chrysaetos.gateway.unknown_options import configuration_files, unknown_options
from chrysaetos.identity.settings import GROUP, load_settings
from chrysaetos.install.files import EXAMPLE_PASSWORD
from chrysaetos.promql.selftest import InterpreterError, check_interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chrysaetos.findings import Finding
    from chrysaetos.gateway.unknown_options import Unknown
    from chrysaetos.http.upstream.pool import UpstreamOptions
    from chrysaetos.identity.settings import KeystoneSettings
    from chrysaetos.tenancy.labels import LabelTable

__all__ = ["Setup", "check_options", "check_python", "is_set", "load"]

_CHECK = "configuration"
_MISSING = ("Permission denied", "No such file", "there is no file", "Failed to find", "Failed to open")
"""Parts of messages about files that are missing, or that this user may not read."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the gateway would start with.

    Attributes:
        conf: the configuration. All options that the gateway reads are registered in it.
        servers: the servers of Prometheus.
        label: the label that holds the project.
        labels: the metrics that have another label, or are open to all.
        keystone: how to connect to Keystone; None without authentication.
    """

    conf: cfg.ConfigOpts
    servers: tuple[UpstreamOptions, ...]
    label: str
    labels: LabelTable
    keystone: KeystoneSettings | None


def load(arguments: Sequence[str]) -> tuple[Setup | None, list[Finding]]:
    """Read the configuration and build the gateway's service, without starting it.

    Args:
        arguments: ``--config-file`` and ``--config-dir``.

    Returns:
        The set-up, None if the gateway would not start; and findings.
    """
    try:
        conf = load_conf(arguments)
    except ConfigError as error:
        return None, [_invalid(error)]
    found = []
    if not any(configuration_files(conf)):
        found.append(
            failed(
                _CHECK,
                "there is no configuration file",
                "name it with --config-file, or write one with: chrysaetos gateway init",
            )
        )
    # Without this, the file of the audit log would be created.
    conf.set_override("audit", False, group="gateway")  # noqa: FBT003  # positional by its signature
    try:
        build(conf)
        servers = load_options(conf)[1]
        label, labels = load_labels(conf)
        keystone = None if conf.auth_mode == "noauth" else load_settings(conf)
    except ConfigError as error:
        # Not all options are registered, so only a name that resembles the one in the error is a mistake.
        related = [each for each in unknown_options(conf) if each.hint and each.hint in str(error)]
        return None, [*found, _invalid(error), *map(_unknown, related)]
    finally:
        conf.clear_override("audit", group="gateway")
    return Setup(conf, servers, label, labels, keystone), found


def check_python() -> Finding:
    """Check that this Python reads PromQL correctly."""
    try:
        check_interpreter()
    except InterpreterError as error:
        return failed("interpreter", str(error), "install the gateway with another Python release")
    return ok("interpreter", "Python reads PromQL correctly")


def check_options(setup: Setup) -> Iterator[Finding]:
    """Check for options that nothing reads, and for values that are valid but unwise."""
    files = ", ".join(map(str, configuration_files(setup.conf)))
    yield ok(_CHECK, f"the gateway accepts {files}")
    yield from (_unknown(each) for each in unknown_options(setup.conf) if each.likely)
    yield from _authentication(setup)
    yield from _web(setup.conf)
    gateway, most = setup.conf.gateway, setup.conf.prometheus.max_connections
    wanted = gateway.max_requests + gateway.max_sending
    if most < wanted:
        yield warning(
            "limits",
            f"[prometheus] max_connections is {most}: requests of all projects queue for connections",
            f"set it to {wanted} or more, the sum of [gateway] max_requests and max_sending",
        )


def _authentication(setup: Setup) -> Iterator[Finding]:
    """Check for insecure ways to authenticate callers and the gateway."""
    if setup.keystone is None:
        yield warning(
            "authentication",
            "[DEFAULT] auth_mode is noauth: anyone who can reach the gateway can read all series",
            "set auth_mode = keystone, unless this is a trial",
        )
        return
    if setup.keystone.verify is False:
        yield warning(
            "authentication",
            f"[{GROUP}] insecure is true: anybody between the gateway and Keystone can read the password",
            f"set insecure = false, and cafile in [{GROUP}] if the authority is your own",
        )
    section = setup.conf[GROUP].auth_section or GROUP
    if getattr(setup.conf[section], "password", None) == EXAMPLE_PASSWORD:
        yield failed(
            "authentication",
            f"[{section}] password is that of the example configuration, which everybody knows",
            "write a new one with: chrysaetos gateway init; if a user in Keystone has it, change it there",
        )


def _web(conf: cfg.ConfigOpts) -> Iterator[Finding]:
    """Check the web page, if it is served."""
    web, prefix = conf.web, conf.gateway.path_prefix
    if not web.enabled:
        return
    if not web.session_key_file:
        yield warning(
            "web page",
            "[web] session_key_file is unset: sessions end at a restart, and no other gateway accepts them",
            "write a key with openssl rand -base64 32 into a file for the gateway alone, and name it",
        )
    if web.public_url and urlsplit(web.public_url).path != prefix:
        yield warning(
            "web page",
            f"the path of [web] public_url ({web.public_url}) is not that of [gateway] ({prefix or 'unset'})",
            "set public_url to the gateway's URL in the catalog, unless the load balancer removes the path",
        )
    else:
        yield ok("web page", f"served at {web.public_url or 'the public URL'}/ui")


def is_set(conf: cfg.ConfigOpts, name: str, group: str) -> bool:
    """Return whether a configuration file sets an option."""
    location = conf.get_location(name, group=group)
    return location is not None and location.location is cfg.Locations.user


def _invalid(error: ConfigError) -> Finding:
    remedy = "correct the option that the message names: the gateway does not start with it"
    if any(sign in str(error) for sign in _MISSING):
        remedy = "check the path, and that the gateway's user may read the file and enter its directory"
    return failed(_CHECK, str(error), remedy)


def _unknown(unknown: Unknown) -> Finding:
    remedy = (
        f"did you mean {unknown.hint}?" if unknown.hint else "remove it, or look for its name in the sample"
    )
    return warning(_CHECK, f"{unknown.path}: nothing reads {unknown.name}", remedy)

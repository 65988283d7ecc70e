"""The portal's registry, ``sites.toml``: the sites it scrapes and the remote storage it uses."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chrysaetos.errors import ConfigError, QueryError
from chrysaetos.http.urls import check_url
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse_selector
from chrysaetos.promql.units import duration_milliseconds
from chrysaetos.regular_file import read_toml, why_unreadable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "FILE",
    "FRESHNESS",
    "MAX_INTERVAL",
    "USAGE",
    "Registry",
    "Remote",
    "Site",
    "check_location",
    "is_cleartext",
    "read_registry",
    "render_registry",
]

FILE = "sites.toml"
USAGE = '{job="project_usages",__name__=~"project_.*_usage"}'
"""The selector of the usage, which all sites and portals use."""
FRESHNESS = '{job="project_usages",__name__=~"up|usage_exporter_.*"}'
"""The selector of the metrics that show whether a site's exporter works and how old its usage is."""

_NAME = re.compile(r"[^\W_][\w.-]{0,63}")
_VERSION = re.compile(r"[0-9]+\.[0-9]+(\.[0-9]+)?")
MAX_INTERVAL = 240_000
"""The longest interval in milliseconds, below Prometheus' lookback delta of 5 minutes. With a longer one, a
query at a full hour finds no sample, and the usage of that hour is not billed."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_COMMENT = """\
# The sites of this portal. `chrysaetos portal add-site` and `remove-site` rewrite this file and
# drop its comments. After editing it, run `chrysaetos portal write`.
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A site.

    Attributes:
        name: the site's name, the value of the label ``location``.
        location_id: the site's number, the value of the label ``location_id``.
        url: URL of the site's gate, without ``/federate``.
        token_file: path, on the portal's machine, of the file from which Prometheus reads the token.
        ca_file: path of the CA certificates for the gate's certificate; the system's if empty.
        match: the selectors that the portal sends.
        simple_vm_id: id of the SimpleVM project; its series are told apart by project name.
    """

    name: str
    location_id: int
    url: str
    token_file: str
    ca_file: str = ""
    match: tuple[str, ...] = (USAGE, FRESHNESS)
    simple_vm_id: str = ""

    def __post_init__(self) -> None:
        check_location(self.name, "site")
        if self.location_id < 0:
            raise ConfigError(f"site {self.name}: location_id {self.location_id} is negative")
        check_url(self.url, f"site {self.name}: url", "token_file")
        if not self.token_file:
            raise ConfigError(f"site {self.name}: token_file is empty: the gate requires a token")
        if not self.match:
            raise ConfigError(f"site {self.name}: match is empty: give at least one selector")
        for selector in self.match:
            try:
                parse_selector(selector, DEFAULT_BOUNDS)
            except QueryError as error:
                raise ConfigError(
                    f"site {self.name}: match {selector!r} is not a valid selector: {error}"
                ) from error


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote storage.

    Attributes:
        url: URL of the endpoint.
        token_file: path of the file with the bearer token; empty for none.
        username: user for Basic authentication; empty for none.
        password_file: path of the file with the user's password.
        ca_file: path of the CA certificates for the server's certificate; the system's if empty.
    """

    url: str
    token_file: str = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""

    def __post_init__(self) -> None:
        check_url(self.url, "remote storage: url", "username and password_file")
        if bool(self.username) != bool(self.password_file):
            raise ConfigError(f"remote storage {self.url}: give both username and password_file, or neither")
        if self.username and self.token_file:
            raise ConfigError(f"remote storage {self.url}: give token_file or username, not both")


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything from which the portal's configuration is generated.

    Attributes:
        prometheus_version: version of the portal's Prometheus; empty if unknown.
        scrape_interval: the scrape interval of the sites.
        rule_interval: the evaluation interval of the rules.
        sites: the sites, in the order in which they were added.
        remote_write: the storages that Prometheus writes samples to.
        remote_read: the storages that Prometheus reads samples from.
    """

    prometheus_version: str = ""
    scrape_interval: str = "1m"
    rule_interval: str = "2m"
    sites: tuple[Site, ...] = ()
    remote_write: tuple[Remote, ...] = ()
    remote_read: tuple[Remote, ...] = ()

    def __post_init__(self) -> None:
        if self.prometheus_version and not _VERSION.fullmatch(self.prometheus_version):
            raise ConfigError(
                f"prometheus_version {self.prometheus_version!r} is not a version such as 2.53.0"
            )
        for name in ("scrape_interval", "rule_interval"):
            value = getattr(self, name)
            try:
                length = duration_milliseconds(value)
            except (ValueError, OverflowError) as error:
                raise ConfigError(f"{name}: {error}") from error
            if not 0 < length <= MAX_INTERVAL:
                raise ConfigError(
                    f"{name} is {value!r}, and may be at most 4m: Prometheus ignores samples older than 5 "
                    "minutes, so hours would not be billed"
                )
        for attribute in ("name", "location_id"):
            values = [getattr(site, attribute) for site in self.sites]
            duplicates = {value for value in values if values.count(value) > 1}
            if duplicates:
                raise ConfigError(f"two sites have the same {attribute}: {duplicates.pop()}")

    def next_location_id(self) -> int:
        """Return the number after the highest location_id."""
        return max((site.location_id for site in self.sites), default=0) + 1

    def with_site(self, site: Site) -> Registry:
        """Return this registry with another site.

        Raises:
            ConfigError: the site's name or number is already used.
        """
        return replace(self, sites=(*self.sites, site))

    def without_site(self, name: str) -> Registry:
        """Return this registry without a site.

        Raises:
            ConfigError: there is no such site.
        """
        kept = tuple(site for site in self.sites if site.name != name)
        if len(kept) == len(self.sites):
            names = ", ".join(site.name for site in kept) or "none"
            raise ConfigError(f"there is no site {name}; known sites: {names}")
        return replace(self, sites=kept)


def check_location(name: str, setting: str) -> None:
    """Check the name of a site.

    Args:
        name: the name.
        setting: the name of the setting, for the error message.

    Raises:
        ConfigError: the name is invalid.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{setting} {name!r} is not a valid site name: use up to 64 letters, digits, and . _ -"
        )


def is_cleartext(url: str) -> bool:
    """Return whether requests to a URL cross the network unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in _LOOPBACK


def read_registry(directory: Path) -> Registry:
    """Read a portal's registry.

    Raises:
        ConfigError: the file cannot be read, or a setting in it is invalid or unknown.
    """
    path = directory / FILE
    try:
        document = read_toml(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} does not exist: create it with chrysaetos portal init {shlex.quote(str(directory))}"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {why_unreadable(error)}") from error
    try:
        for name, kind in (("sites", Site), ("remote_write", Remote), ("remote_read", Remote)):
            if name in document:
                document[name] = tuple(_parse(kind, f"[[{name}]]", entry) for entry in document[name])
        registry: Registry = _parse(Registry, "top level", document)
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return registry


def _parse(kind: Any, table: str, values: dict[str, Any]) -> Any:
    known = {field.name: field for field in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{table}: unknown setting {', '.join(unknown)}; known are {', '.join(known)}")
    missing = [name for name, field in known.items() if field.default is MISSING and name not in values]
    if missing:
        raise ConfigError(f"{table}: {', '.join(missing)} is missing")
    for name, value in values.items():
        expected = (
            int if known[name].type == "int" else tuple if known[name].type.startswith("tuple") else str
        )
        given = tuple(value) if isinstance(value, list) else value
        strings = given if isinstance(given, tuple) and name == "match" else ()
        if type(given) is not expected or not all(isinstance(string, str) for string in strings):
            raise ConfigError(f"{table}: {name} is {value!r}, expected {_TYPES[expected]}")
        values[name] = given
    return kind(**values)


_TYPES = {int: "an integer", str: "a string", tuple: "a list of strings"}


def render_registry(registry: Registry) -> str:
    """Return the registry as TOML."""
    lines = [_COMMENT.rstrip()]
    tables = {
        "sites": registry.sites,
        "remote_write": registry.remote_write,
        "remote_read": registry.remote_read,
    }
    lines += _assignments(registry, hidden=tables)
    for name, entries in tables.items():
        for entry in entries:
            lines += ["", f"[[{name}]]", *_assignments(entry)]
    return "\n".join(lines) + "\n"


def _assignments(entry: Any, hidden: Any = ()) -> list[str]:
    """Return the assignments of all fields that do not have their default."""
    return [
        f"{field.name} = {_value(getattr(entry, field.name))}"
        for field in fields(entry)
        if field.name not in hidden and getattr(entry, field.name) != field.default
    ]


def _value(value: str | int | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    # JSON strings are valid TOML except for DEL and surrogate pairs, which ``ensure_ascii=False`` avoids.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

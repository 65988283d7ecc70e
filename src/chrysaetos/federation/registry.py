"""The portal's registry, ``sites.toml``: the sites that it collects from, and where it keeps what it has."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chrysaetos.errors import ConfigError, QueryError
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse_selector

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "FILE",
    "FRESHNESS",
    "USAGE",
    "Registry",
    "Remote",
    "Site",
    "check_location",
    "check_url",
    "is_clear",
    "read_registry",
    "render_registry",
]

FILE = "sites.toml"
USAGE = '{job="project_usages",__name__=~"project_.*_usage"}'
"""What sites and portals have agreed on since there are any."""
FRESHNESS = '{job="project_usages",__name__=~"up|usage_exporter_.*"}'
"""Whether a site's exporter works, and up to when its totals count."""

_NAME = re.compile(r"[^\W_][\w.-]{0,63}")
_DURATION = re.compile(r"[1-9][0-9]{0,5}(ms|s|m|h)")
_VERSION = re.compile(r"[0-9]+\.[0-9]+(\.[0-9]+)?")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_COMMENT = """\
# The sites of this portal. `chrysaetos portal add-site` and `remove-site` write it anew, without comments.
# After a change by hand: `chrysaetos portal write`.
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A site.

    Attributes:
        name: its location, as the label says.
        location_id: its number, as the label says.
        url: of its gate, without ``/federate``.
        token_file: what Prometheus reads the token from, as a path on its machine.
        ca_file: certificates that sign the gate's; the system's when empty.
        match: what it is asked for.
        simple_vm_id: id of the project that hosts others' servers, whose names then tell projects apart.
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
            raise ConfigError(f"site {self.name}: location_id {self.location_id} is below 0")
        check_url(self.url, f"site {self.name}: url")
        if not self.token_file:
            raise ConfigError(f"site {self.name}: token_file is empty: the gate asks for a token")
        if not self.match:
            raise ConfigError(f"site {self.name}: match is empty: it says what the site is asked for")
        for selector in self.match:
            try:
                parse_selector(selector, DEFAULT_BOUNDS)
            except QueryError as error:
                raise ConfigError(f"site {self.name}: match {selector!r} is no selector: {error}") from error


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote storage.

    Attributes:
        url: of its endpoint.
        token_file: a bearer token for it; none when empty.
        username: for Basic authentication; none when empty.
        password_file: its password.
        ca_file: certificates that sign its own; the system's when empty.
    """

    url: str
    token_file: str = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""

    def __post_init__(self) -> None:
        check_url(self.url, "remote storage: url")
        if bool(self.username) != bool(self.password_file):
            raise ConfigError(f"remote storage {self.url}: username and password_file belong together")
        if self.username and self.token_file:
            raise ConfigError(f"remote storage {self.url}: give token_file or username, not both")


@dataclass(frozen=True, slots=True)
class Registry:
    """All that the portal's configuration is made from.

    Attributes:
        prometheus_version: of the portal's Prometheus; empty when not known.
        scrape_interval: how often the sites are asked.
        rule_interval: how often the recording rules are evaluated; below Prometheus' look-back of 5 minutes.
        sites: in the order in which they were added.
        remote_write: where samples are sent to.
        remote_read: where they are read from.
    """

    prometheus_version: str = ""
    scrape_interval: str = "1m"
    rule_interval: str = "2m"
    sites: tuple[Site, ...] = ()
    remote_write: tuple[Remote, ...] = ()
    remote_read: tuple[Remote, ...] = ()

    def __post_init__(self) -> None:
        if self.prometheus_version and not _VERSION.fullmatch(self.prometheus_version):
            raise ConfigError(f"prometheus_version {self.prometheus_version!r} is not like 2.53.0")
        for name in ("scrape_interval", "rule_interval"):
            value = getattr(self, name)
            if not _DURATION.fullmatch(value):
                raise ConfigError(f"{name} {value!r} is not a time such as 30s or 1m")
        for what in ("name", "location_id"):
            seen = [getattr(site, what) for site in self.sites]
            doubled = {one for one in seen if seen.count(one) > 1}
            if doubled:
                raise ConfigError(f"two sites have the same {what}: {doubled.pop()}")

    def next_location_id(self) -> int:
        """A number that no site has had as long as the largest one stays."""
        return max((site.location_id for site in self.sites), default=0) + 1

    def adding(self, site: Site) -> Registry:
        """The same with another site.

        Raises:
            ConfigError: its name or number is taken.
        """
        return replace(self, sites=(*self.sites, site))

    def removing(self, name: str) -> Registry:
        """The same without a site.

        Raises:
            ConfigError: there is no such site.
        """
        kept = tuple(site for site in self.sites if site.name != name)
        if len(kept) == len(self.sites):
            raise ConfigError(f"there is no site {name}; there are: {', '.join(s.name for s in kept) or '-'}")
        return replace(self, sites=kept)


def check_location(name: str, what: str) -> None:
    """Check the name of a site.

    Raises:
        ConfigError: it cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{what} {name!r} is no name of a site: use up to 64 letters, digits, and . _ -")


def check_url(url: str, what: str) -> None:
    """Check that something is an http or https URL that holds no secret.

    Raises:
        ConfigError: it is not.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{what} {url!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ConfigError(f"{what} {url!r} is not like https://host:port")
    if (
        parts.username is not None
        or parts.query
        or parts.fragment
        or " " in url
        or not url.isascii()
        or not url.isprintable()
    ):
        raise ConfigError(f"{what} {url!r} may have scheme, host, port and path only")


def is_clear(url: str) -> bool:
    """Whether what is sent there can be read on the way: plain http, to another machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in _LOOPBACK


def read_registry(directory: Path) -> Registry:
    """Read a portal's registry.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong or not known.
    """
    path = directory / FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no {path}: begin with chrysaetos portal init {directory}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        for name, kind in (("sites", Site), ("remote_write", Remote), ("remote_read", Remote)):
            if name in document:
                document[name] = tuple(_made(kind, f"[[{name}]]", entry) for entry in document[name])
        registry: Registry = _made(Registry, "the top", document)
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return registry


def _made(kind: Any, where: str, values: dict[str, Any]) -> Any:
    known = {one.name: one for one in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{where}: {', '.join(unknown)}: not known; known are {', '.join(known)}")
    missing = [name for name, one in known.items() if one.default is MISSING and name not in values]
    if missing:
        raise ConfigError(f"{where}: {', '.join(missing)}: missing")
    for name, value in values.items():
        wanted = int if known[name].type == "int" else tuple if known[name].type.startswith("tuple") else str
        given = tuple(value) if isinstance(value, list) else value
        texts = given if isinstance(given, tuple) and name == "match" else ()
        if type(given) is not wanted or not all(isinstance(one, str) for one in texts):
            raise ConfigError(f"{where}: {name} is {value!r}, not {_KINDS[wanted]}")
        values[name] = given
    return kind(**values)


_KINDS = {int: "a number", str: "a text", tuple: "a list of texts"}


def render_registry(registry: Registry) -> str:
    """The registry as TOML."""
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
    """Its fields that are not as they are without being said."""
    return [
        f"{one.name} = {_value(getattr(entry, one.name))}"
        for one in fields(entry)
        if one.name not in hidden and getattr(entry, one.name) != one.default
    ]


def _value(value: str | int | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's strings and numbers are TOML's, but for DEL; surrogates are not written as pairs of escapes.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

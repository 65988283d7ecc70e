"""The files of a site: for Prometheus, systemd, compose, and for who wants HAProxy as the gate."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from importlib import resources
from itertools import product
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, urlsplit

from chrysaetos.errors import ConfigError, QueryError
from chrysaetos.federation.registry import FRESHNESS, USAGE, check_location, check_url
from chrysaetos.federation.scaffold import File, scalar
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse_selector

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SiteSettings", "allowed_urls", "next_steps", "site_files"]

_ADDRESS = re.compile(r"[A-Za-z0-9.:-]{1,255}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?)?")
_PLACE = re.compile(r"@@[A-Z_]+@@")
_IMAGE_PORT = 9091
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """What there is to say of a site.

    Attributes:
        location: its name.
        bind: address that the gate listens on.
        port: port that the gate listens on.
        tls_cert: certificate of the gate; without TLS when empty.
        tls_key: its key.
        exporter: address and port of the exporter.
        prometheus: root of the site's Prometheus.
        start: from when on usage counts; the exporter's default when empty.
        allow: the query that HAProxy lets through.
    """

    location: str
    bind: str = "127.0.0.1"
    port: int = 9091
    tls_cert: str = ""
    tls_key: str = ""
    exporter: str = "127.0.0.1:8080"
    prometheus: str = "http://127.0.0.1:9090"
    start: str = ""
    allow: str = USAGE

    def __post_init__(self) -> None:
        check_location(self.location, "--location")
        if not _ADDRESS.fullmatch(self.bind):
            raise ConfigError(f"--bind {self.bind!r} is no address")
        if not 0 < self.port < 65536:
            raise ConfigError(f"--port {self.port} is not from 1 to 65535")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ConfigError("--tls-cert and --tls-key: give both or neither")
        for name in (self.tls_cert, self.tls_key):
            if name and (not name.startswith("/") or not re.fullmatch(r"[\w./+@=-]+", name)):
                raise ConfigError(f"{name!r} is not an absolute path without spaces")
        host, _, port = self.exporter.rpartition(":")
        if not _ADDRESS.fullmatch(host) or not port.isdecimal():
            raise ConfigError(f"--exporter {self.exporter!r} is not like 127.0.0.1:8080")
        check_url(self.prometheus, "--prometheus")
        if self.start and not _DATE.fullmatch(self.start):
            raise ConfigError(f"--start {self.start!r} is not like 2026-01-01 or 2026-01-01T00:00:00")
        try:
            parse_selector(self.allow, DEFAULT_BOUNDS)
        except QueryError as error:
            raise ConfigError(f"--allow {self.allow!r} is no selector: {error}") from error


def site_files(settings: SiteSettings) -> list[File]:
    """All files of a site."""
    exporter_environment = ""
    if settings.start:
        exporter_environment = (
            f"    environment:\n      USAGE_EXPORTER_START_DATE: {scalar(settings.start)}\n"
        )
    tls_volumes = ""
    if settings.tls_cert:
        tls_volumes = (
            f"      - {settings.tls_cert}:/tls/cert.pem:ro\n      - {settings.tls_key}:/tls/key.pem:ro\n"
        )
    published = f"{_bracketed(settings.bind)}:{settings.port}:{_IMAGE_PORT}"
    first, *others = allowed_urls(settings.allow)
    upstream = urlsplit(settings.prometheus)
    values = {
        "LOCATION": settings.location,
        "LOCATION_QUOTED": scalar(settings.location),
        "EXPORTER_QUOTED": scalar(settings.exporter),
        "EXPORTER_ENVIRONMENT": exporter_environment,
        "GATE_ARGUMENTS": shlex.join(_gate_arguments(settings)),
        "GATE_COMMAND": json.dumps(_contained_arguments(settings)),
        "PUBLISHED": scalar(published),
        "TLS_VOLUMES": tls_volumes,
        "BIND": f"{_bracketed(settings.bind)}:{settings.port}",
        "TLS": "ssl crt gate.pem alpn http/1.1 " if settings.tls_cert else "",
        "FIRST_URL": first,
        "MORE_URLS": "".join(f"    acl allowed_url url -m str -- {url}\n" for url in others),
        "UPSTREAM": _server(upstream.hostname or "", upstream.port, tls=upstream.scheme == "https"),
    }
    usage_unit = _filled("chrysaetos-usage.service", values)
    if settings.start:
        usage_unit = usage_unit.replace(
            "\nExecStart=", f"\nEnvironment=USAGE_EXPORTER_START_DATE={settings.start}\nExecStart=", 1
        )
    return [
        File("prometheus.yml", _filled("prometheus.yml", values)),
        File("systemd/chrysaetos-usage.service", usage_unit),
        File("systemd/chrysaetos-federate.service", _filled("chrysaetos-federate.service", values)),
        File("compose/compose.yaml", _filled("compose.yaml", values)),
        File(
            "compose/prometheus.yml",
            _filled("prometheus.yml", {**values, "EXPORTER_QUOTED": '"exporter:8080"'}),
        ),
        File("haproxy/haproxy.cfg", _filled("haproxy.cfg", values)),
    ]


def allowed_urls(selector: str) -> list[str]:
    """A query for a selector, in the encodings that Prometheus, curl and common libraries make of it."""
    values = dict.fromkeys((quote_plus(selector), quote(selector, safe="")))
    in_lower_case = [re.sub(r"%[0-9A-F]{2}", lambda hit: hit[0].lower(), value) for value in values]
    names = ("match%5B%5D", "match[]", "match%5b%5d")
    return [f"/federate?{name}={value}" for name, value in product(names, [*values, *in_lower_case])]


def next_steps(settings: SiteSettings) -> str:
    """What is left to do, for people to read and paste."""
    token = (
        f"chrysaetos federate token new portal --expires 90d --allow '{settings.allow}' --allow '{FRESHNESS}'"
    )
    lines = [
        "Next:",
        "  1. Add the job of prometheus.yml to this site's Prometheus, or start one with that file.",
        "  2. Put the credentials into /etc/chrysaetos/usage-openrc, mode 0600, and try them:",
        "     chrysaetos usage check --openrc /etc/chrysaetos/usage-openrc",
        "  3. Make a token, and give to the portal what is printed:",
        f"     {token}",
        "  4. Install the units of systemd/; start chrysaetos-usage and chrysaetos-federate; or use compose.",
        "     For HAProxy in place of the gate there is haproxy/haproxy.cfg, with how to make its tokens.",
    ]
    if not settings.tls_cert or settings.bind in _LOOPBACK:
        how = f"{settings.bind} {'with' if settings.tls_cert else 'without'} TLS"
        lines += [
            f"  5. The gate listens on {how}. For a portal on another machine, again with",
            "     --bind ADDRESS --tls-cert FILE --tls-key FILE --force",
        ]
    return "\n".join(lines)


def _gate_arguments(settings: SiteSettings) -> list[str]:
    arguments = ["--bind", settings.bind, "--port", str(settings.port), "--upstream", settings.prometheus]
    if settings.tls_cert:
        arguments += ["--tls-cert", settings.tls_cert, "--tls-key", settings.tls_key]
    return arguments


def _contained_arguments(settings: SiteSettings) -> list[str]:
    arguments = ["--tokens", "/tokens/federation-tokens.json", "--upstream", "http://prometheus:9090"]
    if settings.tls_cert:
        arguments += ["--tls-cert", "/tls/cert.pem", "--tls-key", "/tls/key.pem"]
    return arguments


def _server(host: str, port: int | None, *, tls: bool) -> str:
    address = f"{_bracketed(host)}:{port or (443 if tls else 80)}"
    return f"{address} ssl verify required ca-file @system-ca sni str({host})" if tls else address


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _filled(template: str, values: Mapping[str, str]) -> str:
    text = (resources.files("chrysaetos.federation") / "templates" / template).read_text(encoding="utf-8")
    return _PLACE.sub(lambda place: values[place[0].strip("@")], text)

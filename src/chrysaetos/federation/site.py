"""The files of a site: for Prometheus, systemd and compose, and for HAProxy as an alternative to the gate."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from functools import partial
from itertools import product
from urllib.parse import quote, quote_plus, urlsplit

from chrysaetos.errors import ConfigError, QueryError
from chrysaetos.federation.registry import FRESHNESS, USAGE, check_location
from chrysaetos.federation.rules import credit_rules, quota_rules
from chrysaetos.federation.token_command import DEFAULT_FILE
from chrysaetos.http.urls import check_url, split_address
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse_selector
from chrysaetos.scaffold import File, fill_template, yaml_scalar

__all__ = [
    "PROMETHEUS_TAG",
    "USAGE_UNIT",
    "SiteSettings",
    "allowed_urls",
    "next_steps",
    "prometheus_job",
    "site_files",
]

_ADDRESS = re.compile(r"[A-Za-z0-9.:-]{1,255}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?)?")
_IMAGE_PORT = 9091
PROMETHEUS_TAG = "v3.5.0"
"""The tag of Prometheus' image in compose files: a release with long-term support."""
USAGE_UNIT = "systemd/chrysaetos-usage.service"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

_fill = partial(fill_template, "chrysaetos.federation")


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """The settings of a site.

    Attributes:
        location: the site's name.
        bind: address that the gate listens on.
        port: port that the gate listens on.
        tls_cert: path of the gate's certificate; without TLS if empty.
        tls_key: path of the certificate's key.
        exporter: address and port of the exporter.
        prometheus: root URL of the site's Prometheus.
        start: start date of the usage; the exporter's default if empty.
        allow: selector that HAProxy allows.
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
            raise ConfigError(f"--bind {self.bind!r} is not an address")
        if not 0 < self.port < 65536:
            raise ConfigError(f"--port {self.port} is not between 1 and 65535")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ConfigError("--tls-cert and --tls-key: give both or neither")
        for name in (self.tls_cert, self.tls_key):
            if name and (not name.startswith("/") or not re.fullmatch(r"[\w./+@=-]+", name)):
                raise ConfigError(f"{name!r} is not an absolute path without spaces")
        split_address(self.exporter, "--exporter")
        check_url(self.prometheus, "--prometheus", "--upstream-user and --upstream-password-file of the gate")
        if self.start and not _DATE.fullmatch(self.start):
            raise ConfigError(
                f"--start {self.start!r} is not a date such as 2026-01-01 or 2026-01-01T00:00:00"
            )
        try:
            parse_selector(self.allow, DEFAULT_BOUNDS)
        except QueryError as error:
            raise ConfigError(f"--allow {self.allow!r} is not a valid selector: {error}") from error


def site_files(settings: SiteSettings) -> list[File]:
    """Return all files of a site."""
    service_start = compose_start = tls_volumes = ""
    if settings.start:
        service_start = f"Environment=USAGE_EXPORTER_START_DATE={settings.start}\n"
        compose_start = f"    environment:\n      USAGE_EXPORTER_START_DATE: {yaml_scalar(settings.start)}\n"
    if settings.tls_cert:
        tls_volumes = (
            f"      - {settings.tls_cert}:/tls/cert.pem:ro\n      - {settings.tls_key}:/tls/key.pem:ro\n"
        )
    published = f"{_bracket_ipv6(settings.bind)}:{settings.port}:{_IMAGE_PORT}"
    first, *others = allowed_urls(settings.allow)
    upstream = urlsplit(settings.prometheus)
    values = {
        "LOCATION": settings.location,
        "PROMETHEUS": PROMETHEUS_TAG,
        "SERVICE_START": service_start,
        "COMPOSE_START": compose_start,
        "GATE_ARGUMENTS": shlex.join(_gate_arguments(settings)),
        "GATE_COMMAND": json.dumps(_container_arguments(settings)),
        "PUBLISHED": yaml_scalar(published),
        "TLS_VOLUMES": tls_volumes,
        "BIND": f"{_bracket_ipv6(settings.bind)}:{settings.port}",
        "TLS": "ssl crt gate.pem alpn http/1.1 " if settings.tls_cert else "",
        "FIRST_URL": first,
        "MORE_URLS": "".join(f"    acl allowed_url url -m str -- {url}\n" for url in others),
        "UPSTREAM": _haproxy_server(upstream.hostname or "", upstream.port, tls=upstream.scheme == "https"),
    }
    rules = {"rules/credits.yml": credit_rules("1m"), "rules/quotas.yml": quota_rules("1m")}
    return [
        File("prometheus.yml", prometheus_job(settings.location, settings.exporter)),
        *(File(name, text) for name, text in rules.items()),
        File(USAGE_UNIT, _fill("chrysaetos-usage.service", values)),
        File("systemd/chrysaetos-federate.service", _fill("chrysaetos-federate.service", values)),
        File("compose/compose.yaml", _fill("compose.yaml", values)),
        File("compose/prometheus.yml", prometheus_job(settings.location, "exporter:8080")),
        *(File(f"compose/{name}", text) for name, text in rules.items()),
        File("haproxy/haproxy.cfg", _fill("haproxy.cfg", values)),
    ]


def prometheus_job(location: str, exporter: str) -> str:
    """Return the configuration of a site's Prometheus.

    Args:
        location: the site's name.
        exporter: address and port of the exporter.
    """
    return _fill(
        "prometheus.yml",
        {
            "LOCATION": location,
            "LOCATION_QUOTED": yaml_scalar(location),
            "EXPORTER_QUOTED": yaml_scalar(exporter),
        },
    )


def allowed_urls(selector: str) -> list[str]:
    """Return the URLs of a query in the encodings that Prometheus, curl and common libraries use."""
    values = dict.fromkeys((quote_plus(selector), quote(selector, safe="")))
    in_lower_case = [re.sub(r"%[0-9A-F]{2}", lambda escape: escape[0].lower(), value) for value in values]
    names = ("match%5B%5D", "match[]", "match%5b%5d")
    return [f"/federate?{name}={value}" for name, value in product(names, [*values, *in_lower_case])]


def next_steps(settings: SiteSettings) -> str:
    """Return instructions with the commands that remain to be run."""
    allowed = f"--allow {shlex.quote(settings.allow)} --allow {shlex.quote(FRESHNESS)}"
    lines = [
        "Next:",
        "  1. Add the job in prometheus.yml to this site's Prometheus, or start a Prometheus with this file.",
        "  2. Put the credentials into /etc/chrysaetos/usage-openrc (mode 0600) and check them:",
        "     chrysaetos usage check --openrc /etc/chrysaetos/usage-openrc",
        "  3. Generate a token, and give the printed token to the portal:",
        f"     chrysaetos federate token new portal --expires 90d {allowed}",
        "  4. Create the gate's user, and let it read the tokens:",
        "     useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin chrysaetos-federate",
        f"     chown root:chrysaetos-federate {DEFAULT_FILE}",
        f"     chmod 0640 {DEFAULT_FILE}",
        "  5. Install the units in systemd/ and start chrysaetos-usage and chrysaetos-federate.",
        "     Alternatively use compose.",
        "     To use HAProxy instead of the gate, follow the instructions in haproxy/haproxy.cfg.",
    ]
    if not settings.tls_cert or settings.bind in _LOOPBACK:
        listener = f"{settings.bind} {'with' if settings.tls_cert else 'without'} TLS"
        lines += [
            f"  6. The gate listens on {listener}. For a portal on another machine, repeat the command with",
            "     --bind ADDRESS --tls-cert FILE --tls-key FILE --force",
        ]
    return "\n".join(lines)


def _gate_arguments(settings: SiteSettings) -> list[str]:
    arguments = ["--bind", settings.bind, "--port", str(settings.port), "--upstream", settings.prometheus]
    if settings.tls_cert:
        arguments += ["--tls-cert", settings.tls_cert, "--tls-key", settings.tls_key]
    return arguments


def _container_arguments(settings: SiteSettings) -> list[str]:
    arguments = ["--tokens", "/tokens/federation-tokens.json", "--upstream", "http://prometheus:9090"]
    if settings.tls_cert:
        arguments += ["--tls-cert", "/tls/cert.pem", "--tls-key", "/tls/key.pem"]
    return arguments


def _haproxy_server(host: str, port: int | None, *, tls: bool) -> str:
    address = f"{_bracket_ipv6(host)}:{port or (443 if tls else 80)}"
    return f"{address} ssl verify required ca-file @system-ca sni str({host})" if tls else address


def _bracket_ipv6(address: str) -> str:
    return f"[{address}]" if ":" in address else address

"""The settings of an installation: what the operator answers, checked before anything is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.proxy.engine_options import ENGINE_OPTIONS
from chrysaetos.http.abnf import PATH_PREFIX
from chrysaetos.http.server.client_address import TrustedProxies
from chrysaetos.http.urls import check_url, split_address

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ENGINES", "PROXIES", "Settings", "check_path"]

_TYPE: Any = next(option.type for option in ENGINE_OPTIONS if option.dest == "engine")
ENGINES: Sequence[str] = tuple(_TYPE.choices)
_PROXY_GROUPS = {"haproxy": "haproxy", "nginx": "www-data"}
"""The group of each proxy's processes in Debian."""
PROXIES = ("haproxy", "nginx", "none")

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9][\w.@-]{0,63}", re.ASCII)
_PATH = re.compile(r"/[\w./+@=-]+", re.ASCII)
_HOSTNAME = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_NAME_TEXT = "a name of letters, digits, '.', '_', '@' and '-'"
_PATH_TEXT = "an absolute path without spaces"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an installation needs to know. The names of the options are those of ``chrysaetos gateway init``.

    Attributes:
        keystone_url: URL of Keystone, such as ``https://cloud.example/identity``.
        public_url: URL of the gateway in the catalog, with its path.
        prometheus_url: URL of Prometheus or another engine, with its path if it has one.
        engine: the value of ``[prometheus] engine``.
        tenant: with the engine ``mimir``, the tenant that has the series of all projects.
        project_label: the label that holds the project id.
        region: the region of the endpoint.
        service_user: the user with which the gateway validates tokens.
        system_user: the user of the operating system that runs the gateway.
        listen: the Unix socket, or ``HOST:PORT``, at which the gateway listens.
        gateways: ``HOST:PORT`` of other gateways for the load balancer.
        trusted_proxies: addresses and networks of load balancers on other machines, which name their clients.
        workers: the number of processes.
        metrics: ``HOST:PORT`` of the first worker's metrics.
        proxy: what terminates TLS: ``haproxy``, ``nginx`` or ``none``.
        proxy_group: the group of the proxy's processes, which may connect to the Unix socket; empty for
            that of Debian's package.
        certificate: the proxy's certificate with its chain and key, as one PEM file; empty for
            ``metric-storage.pem`` in the folder ``certs`` of the proxy's configuration.
        keystone_ca: CA certificates for Keystone's certificate; the system's if empty.
        prometheus_ca: CA certificates for Prometheus' certificate; the system's if empty.
        program: the command ``chrysaetos``.
        web: whether to serve the web page for tenants.
    """

    keystone_url: str
    public_url: str
    prometheus_url: str = "http://127.0.0.1:9090"
    engine: str = "prometheus"
    tenant: str = "anonymous"
    project_label: str = "project"
    region: str = "RegionOne"
    service_user: str = "aetos"
    system_user: str = "chrysaetos"
    listen: str = "/run/chrysaetos/gateway.sock"
    gateways: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    workers: int = 1
    metrics: str = "127.0.0.1:9102"
    proxy: str = "haproxy"
    proxy_group: str = ""
    certificate: str = ""
    keystone_ca: str = ""
    prometheus_ca: str = ""
    program: str = "/opt/chrysaetos/bin/chrysaetos"
    web: bool = False

    def __post_init__(self) -> None:
        for option, url in (
            ("--keystone-url", self.keystone_url),
            ("--prometheus-url", self.prometheus_url),
            ("--public-url", self.public_url),
        ):
            _check_url(option, url)
        if self.public.scheme != "https":
            raise ConfigError(f"--public-url {self.public_url}: use https, since clients send tokens to it")
        self._check_names()
        if self.workers < 1:
            raise ConfigError(f"--workers {self.workers}: use at least 1")
        if not self.on_unix_socket:
            split_address(self.listen, "--listen")
        split_address(self.metrics, "--metrics", ports=self.workers)
        for address in self.gateways:
            split_address(address, "--gateway")
        try:
            TrustedProxies.parse(self.trusted_proxies, forwarded=False, proxy_protocol=False)
        except ValueError as error:
            raise ConfigError(f"--trusted-proxy: {error}") from error

    def _check_names(self) -> None:
        for option, value, choices in (
            ("--engine", self.engine, ENGINES),
            ("--proxy", self.proxy, PROXIES),
        ):
            if value not in choices:
                raise ConfigError(f"{option} {value!r} is not one of {', '.join(choices)}")
        for option, value, pattern, wanted in (
            ("--project-label", self.project_label, _LABEL, "the name of a label"),
            ("--tenant", self.tenant, _NAME, _NAME_TEXT),
            ("--region", self.region, _NAME, _NAME_TEXT),
            ("--service-user", self.service_user, _NAME, _NAME_TEXT),
            ("--system-user", self.system_user, _NAME, _NAME_TEXT),
            ("--proxy-group", self.socket_group, _NAME, _NAME_TEXT),
            ("--certificate", self.certificate_file, _PATH, _PATH_TEXT),
            ("--keystone-ca", self.keystone_ca or "/-", _PATH, _PATH_TEXT),
            ("--prometheus-ca", self.prometheus_ca or "/-", _PATH, _PATH_TEXT),
            ("--program", self.program, _PATH, _PATH_TEXT),
            ("--listen", self.listen if self.on_unix_socket else "/-", _PATH, _PATH_TEXT),
        ):
            if not pattern.fullmatch(value):
                raise ConfigError(f"{option} {value!r} is not {wanted}")

    @property
    def public(self) -> SplitResult:
        """The public URL's parts."""
        return urlsplit(self.public_url)

    @property
    def path_prefix(self) -> str:
        """The path of the public URL, empty for none."""
        return self.public.path.rstrip("/")

    @property
    def socket_group(self) -> str:
        """The group that may connect to the Unix socket."""
        return self.proxy_group or _PROXY_GROUPS.get(self.proxy, self.system_user)

    @property
    def certificate_file(self) -> str:
        """The path of the proxy's certificate."""
        return self.certificate or f"/etc/{self.proxy}/certs/metric-storage.pem"

    @property
    def on_unix_socket(self) -> bool:
        """Whether the gateway listens on a Unix socket."""
        return self.listen.startswith("/")


def check_path(option: str, path: str) -> None:
    """Check that a path can be written into every file without quotes.

    Raises:
        ConfigError: it is relative, or has a space or another character with a meaning.
    """
    if not _PATH.fullmatch(path):
        raise ConfigError(f"{option} {path!r} is not {_PATH_TEXT}")


def _check_url(option: str, url: str) -> None:
    parts = check_url(url, option, "the configuration")
    if not _HOSTNAME.fullmatch(parts.hostname or "") or not PATH_PREFIX.fullmatch(parts.path.rstrip("/")):
        raise ConfigError(f"{option} {url!r}: host and path may have letters, digits and . _ ~ - only")

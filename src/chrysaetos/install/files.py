"""The files of an installation, from the templates."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chrysaetos.dashboards import GATEWAY, load_dashboard
from chrysaetos.gateway.options import DEFAULT_FILE
from chrysaetos.http.urls import split_address
from chrysaetos.install.system import UNIT_DIRECTORY, USER_OPTIONS
from chrysaetos.scaffold import File, fill_template

if TYPE_CHECKING:
    from pathlib import Path, PurePath

    from chrysaetos.install.settings import Settings

__all__ = [
    "CONFIG",
    "DASHBOARD",
    "EXAMPLE_PASSWORD",
    "POLICY",
    "REGISTRATION",
    "SESSION_KEYS",
    "UNITS",
    "installation_files",
    "next_steps",
]

CONFIG = DEFAULT_FILE.name
POLICY = "policy.yaml"
SESSION_KEYS = "session-keys"
REGISTRATION = "keystone.sh"
DASHBOARD = "grafana/gateway.json"
HAPROXY = "haproxy/haproxy.cfg"
NGINX = "nginx/metric-storage.conf"
UNITS = ("chrysaetos-gateway.service", "chrysaetos-gateway.socket")

EXAMPLE_PASSWORD = "CHANGE-THIS"  # noqa: S105  # it is no secret
"""The password in the example configuration, which packages install. Everybody knows it."""

_SECRET_MODE = 0o640

_fill = partial(fill_template, "chrysaetos.install")


def installation_files(
    settings: Settings, directory: PurePath, password: str, session_keys: str = "", *, units: str = "systemd"
) -> list[File]:
    """Return all files of an installation.

    Args:
        settings: the operator's answers.
        directory: the directory of the configuration, as the gateway sees it.
        password: the password of the service user.
        session_keys: the keys of the web page's sessions, if it is served.
        units: the directory of the systemd units, relative to ``directory`` or absolute.
    """
    values = _values(settings, directory, password)
    files = [
        File(CONFIG, _fill("aetos.conf", values), mode=_SECRET_MODE),
        File(POLICY, _fill("policy.yaml", values)),
        File(REGISTRATION, _fill(REGISTRATION, values)),
        File("prometheus/scrape.yml", _fill("scrape.yml", values)),
        File("prometheus/alerts.yml", _fill("alerts.yml", values)),
        File(DASHBOARD, load_dashboard(GATEWAY)),
        *(File(f"{units}/{name}", _fill(name, values)) for name in UNITS),
    ]
    if settings.web:
        files.append(File(SESSION_KEYS, session_keys, mode=_SECRET_MODE))
    if settings.proxy == "haproxy":
        files.append(File(HAPROXY, _fill("haproxy.cfg", values)))
    if settings.proxy == "nginx":
        files.append(File(NGINX, _fill("nginx.conf", values)))
    return files


def next_steps(
    settings: Settings, directory: Path, *, system: bool, registered: bool, group_exists: bool
) -> str:
    """Return the commands that remain to be run.

    Args:
        settings: the operator's answers.
        directory: the directory of the files.
        system: whether the user was created and the units were installed.
        registered: whether the gateway was registered in Keystone.
        group_exists: whether the group that the socket unit names exists.
    """
    steps = []
    if not registered:
        lines = _fill(REGISTRATION, _values(settings, directory, "")).splitlines()
        commands = [f"    {line}" for line in lines if line and not line.startswith(("#", "set ", "["))]
        text = f"Register the gateway with sh {directory / REGISTRATION}, which runs these commands:"
        steps.append("\n".join((text, *commands)))
    if not system:
        user = settings.system_user
        secrets = " ".join(
            str(directory / name) for name in (CONFIG, *([SESSION_KEYS] if settings.web else []))
        )
        steps.append(
            f"Create the gateway's user: useradd {' '.join(USER_OPTIONS)} {user} && chgrp {user} {secrets}"
        )
        units = " ".join(str(directory / "systemd" / name) for name in UNITS)
        steps.append(f"Install the units: install -m 0644 {units} {UNIT_DIRECTORY}/")
    if settings.on_unix_socket and not group_exists:
        steps.append(
            f"Install {settings.proxy}: the group {settings.socket_group} in {UNITS[1]} does not exist; "
            "if it has another one here, use --proxy-group"
        )
    check = f"{settings.program} gateway check --config-file {directory / CONFIG}"
    steps.append(f"Check the installation: {check} --user {settings.system_user}")
    names = " ".join(reversed(UNITS))
    steps.append(f"Start the gateway: systemctl daemon-reload && systemctl enable --now {names}")
    if settings.proxy == "haproxy":
        config = directory / HAPROXY
        steps.append(
            f"Start HAProxy with {config} and {settings.certificate_file}: haproxy -c -f {config} checks it"
        )
    if settings.proxy == "nginx":
        config = directory / NGINX
        steps.append(
            f"Copy {config} to /etc/nginx/conf.d and start nginx with {settings.certificate_file}: "
            "nginx -t checks both"
        )
    if settings.web:
        steps.append(f"Open the web page: {settings.public_url.rstrip('/')}/ui")
    steps.append(
        f"Monitor the gateway: add the files in {directory / 'prometheus'} to Prometheus, "
        f"and {directory / DASHBOARD} to Grafana"
    )
    return "\n".join(("Next:", *(f"{number}. {step}" for number, step in enumerate(steps, start=1))))


def _values(settings: Settings, directory: PurePath, password: str) -> dict[str, str]:
    prometheus = urlsplit(settings.prometheus_url)
    tls = prometheus.scheme == "https"
    metrics_host, metrics_port = split_address(settings.metrics, "--metrics")
    return {
        "CERTIFICATE": settings.certificate_file,
        "DIRECTORY": str(directory),
        "ENGINE": settings.engine,
        "EXAMPLE_PASSWORD": EXAMPLE_PASSWORD,
        "HAPROXY_SERVERS": "".join(_haproxy_servers(settings)),
        "KEYSTONE_CA": f"cafile = {settings.keystone_ca}\n" if settings.keystone_ca else "",
        "KEYSTONE_URL": settings.keystone_url.rstrip("/"),
        "LISTEN": _listen_options(settings),
        "LISTEN_STREAM": settings.listen,
        "LOCATION": f"{settings.path_prefix}/",
        "METRICS_HOST": metrics_host,
        "METRICS_PORT": str(metrics_port),
        "METRICS_TARGETS": ", ".join(
            f'"{settings.metrics.rpartition(":")[0]}:{metrics_port + number}"'
            for number in range(settings.workers)
        ),
        "NGINX_SERVERS": "".join(f"    server {address};\n" for address in _nginx_servers(settings)),
        # In oslo.config a dollar sign starts a reference to another option.
        "PASSWORD": password.replace("$", "$$"),
        "PATH_PREFIX": settings.path_prefix,
        "POLICY_FILE": str(directory / POLICY),
        "PROGRAM": settings.program,
        "PROJECT_LABEL": settings.project_label,
        "PROMETHEUS_CA": f"ca_file = {settings.prometheus_ca}\n" if settings.prometheus_ca else "",
        "PROMETHEUS_HOST": prometheus.hostname or "",
        "PROMETHEUS_PORT": str(prometheus.port or (443 if tls else 80)),
        "PROMETHEUS_PREFIX": prometheus.path.rstrip("/"),
        "PROMETHEUS_TLS": str(tls).lower(),
        "PUBLIC_HOST": settings.public.hostname or "",
        "PUBLIC_PORT": str(settings.public.port or 443),
        "PUBLIC_URL": settings.public_url,
        "REGION": settings.region,
        "SERVICE_USER": settings.service_user,
        "SOCKET_OWNER": _socket_owner(settings),
        "SYSTEM_USER": settings.system_user,
        "TENANT": _tenant_options(settings),
        "WEB": _web_options(settings, directory),
        "WORKERS": str(settings.workers),
    }


def _listen_options(settings: Settings) -> str:
    lines = []
    trusted = list(settings.trusted_proxies)
    if settings.on_unix_socket:
        lines.append(f"unix_socket = {settings.listen}")
        # The proxies of the templates replace the address that a client has written into the header.
        if settings.proxy != "none":
            trusted.insert(0, "unix")
    else:
        host, port = split_address(settings.listen, "--listen")
        lines += [f"host = {host}", f"port = {port}"]
    if trusted:
        lines.append(f"trusted_proxies = {', '.join(trusted)}")
    return "\n".join(lines)


def _tenant_options(settings: Settings) -> str:
    """Return the options for an engine that requires a tenant: one tenant has the series of all projects."""
    if settings.engine != "mimir":
        return ""
    return f"tenants = *:{settings.tenant}\nheaders = X-Scope-OrgID:{settings.tenant}\n"


def _web_options(settings: Settings, directory: PurePath) -> str:
    if not settings.web:
        return ""
    keys, url = directory / SESSION_KEYS, settings.public_url.rstrip("/")
    return (
        "[web]\n# The page for tenants, at public_url followed by /ui. Other gateways need the same keys.\n"
        f"enabled = true\nsession_key_file = {keys}\npublic_url = {url}\n\n"
    )


def _socket_owner(settings: Settings) -> str:
    if not settings.on_unix_socket:
        return ""
    owner = f"SocketUser={settings.system_user}\nSocketGroup={settings.socket_group}\n"
    return f"{owner}SocketMode=0660\nDirectoryMode=0755\n"


def _haproxy_servers(settings: Settings) -> list[str]:
    local = f"unix@{settings.listen}" if settings.on_unix_socket else settings.listen
    servers = {"local": local}
    servers |= {f"other{number}": address for number, address in enumerate(settings.gateways, start=1)}
    return [f"    server {name} {address} check inter 2s\n" for name, address in servers.items()]


def _nginx_servers(settings: Settings) -> tuple[str, ...]:
    local = f"unix:{settings.listen}" if settings.on_unix_socket else settings.listen
    return (local, *settings.gateways)

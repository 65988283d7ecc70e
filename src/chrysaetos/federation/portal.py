"""The portal's files, made from its registry: Prometheus' configuration, rules, dashboards.

What a site sends is not believed where it says who the site is: ``location``, ``location_id`` and ``job`` are
set by the portal after the scrape. Names that were not asked for are dropped, and a scrape has limits.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chrysaetos.federation.dashboards import dashboards
from chrysaetos.federation.rules import JOB_PREFIX, alert_rules, recording_rules
from chrysaetos.federation.scaffold import File, scalar

if TYPE_CHECKING:
    from chrysaetos.federation.registry import Registry, Remote, Site

__all__ = ["can_check", "installed_version", "portal_files", "prometheus_config"]

_SCRAPED_JOB = "project_usages"
_NAMES = "project_[a-z_]+_usage|usage_exporter_[a-z_]+|up"
_TRACKS_STALENESS = (2, 48)
_VERSION = re.compile(r"version (\d+\.\d+\.\d+)")
_HEADER = """\
# Made from sites.toml, and made anew when that changes: chrysaetos portal write.
"""


def installed_version(name: str = "prometheus") -> str:
    """The version of Prometheus, or another of its programs, on this machine; empty when there is none."""
    program = shutil.which(name)
    if program is None:
        return ""
    try:
        shown = subprocess.run(  # noqa: S603 - found on PATH
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    match = _VERSION.search(shown.stdout + shown.stderr)
    return match[1] if match else ""


def can_check(registry: Registry) -> bool:
    """Whether the promtool of this machine knows all that the portal's Prometheus does."""
    return _numbers(installed_version("promtool")) >= _numbers(registry.prometheus_version)


def portal_files(registry: Registry) -> list[File]:
    """All files but the registry."""
    files = [
        File("prometheus.yml", prometheus_config(registry)),
        File("rules/usage.yml", recording_rules(registry.rule_interval)),
        File("rules/alerts.yml", alert_rules()),
        File("grafana/provisioning/datasources/portal.yaml", _DATASOURCE),
        File("grafana/provisioning/dashboards/portal.yaml", _PROVIDER),
    ]
    return files + [File(f"grafana/dashboards/{name}.json", text) for name, text in dashboards().items()]


def prometheus_config(registry: Registry) -> str:
    """Prometheus' configuration."""
    lines = [
        _HEADER.rstrip(),
        "global:",
        f"  scrape_interval: {registry.scrape_interval}",
        f"  evaluation_interval: {registry.rule_interval}",
        "",
        "rule_files:",
        "  - rules/*.yml",
        "",
    ]
    for name, remotes in (("remote_write", registry.remote_write), ("remote_read", registry.remote_read)):
        if remotes:
            lines += [f"{name}:", *(line for one in remotes for line in _remote(one)), ""]
    if not registry.sites:
        return "\n".join([*lines, "scrape_configs: []"]) + "\n"
    lines.append("scrape_configs:")
    staleness = _staleness(registry.prometheus_version)
    for site in registry.sites:
        lines += _job(site, staleness)
    return "\n".join(lines) + "\n"


def _staleness(version: str) -> str:
    """The setting with which a series that is gone at a site is gone here at the next scrape.

    /federate gives each sample its time, and by default Prometheus marks no series stale whose samples come
    with times: they would be seen for five more minutes. Since 2.48 it can; before, the scrape's time does.
    """
    if _numbers(version) >= _TRACKS_STALENESS:
        return "track_timestamps_staleness: true"
    return "honor_timestamps: false"


def _numbers(version: str) -> tuple[int, ...]:
    """Its first two numbers; none when it is not known."""
    return tuple(int(part) for part in version.split(".")[:2] if part)


def _job(site: Site, staleness: str) -> list[str]:
    parts = urlsplit(site.url)
    default_port = 443 if parts.scheme == "https" else 80
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    target = f"{host}:{parts.port or default_port}"
    path = parts.path.rstrip("/").removesuffix("/federate") + "/federate"
    labels = {"location": site.name, "location_id": str(site.location_id)}
    lines = [
        f"  - job_name: {scalar(JOB_PREFIX + site.name)}",
        f"    scheme: {parts.scheme}",
        f"    metrics_path: {scalar(path)}",
        "    params:",
        "      'match[]':",
        *(f"        - {scalar(selector)}" for selector in site.match),
        "    honor_labels: true",
        f"    {staleness}",
        "    follow_redirects: false  # the token is for this site alone",
        "    authorization:",
        "      type: Bearer",
        f"      credentials_file: {scalar(site.token_file)}",
    ]
    if parts.scheme == "https":
        lines += ["    tls_config:", "      min_version: TLS12"]
        lines += [f"      ca_file: {scalar(site.ca_file)}"] if site.ca_file else []
    lines += [
        "    # What one site can do to this Prometheus has an end; a scrape beyond it fails as a whole.",
        "    body_size_limit: 200MB",
        "    sample_limit: 500000",
        "    label_limit: 30",
        "    label_name_length_limit: 128",
        "    label_value_length_limit: 512",
        "    static_configs:",
        f"      - targets: [{scalar(target)}]",
        "        labels:",
        *(f"          {name}: {scalar(value)}" for name, value in labels.items()),
        "    metric_relabel_configs:",
        "      - source_labels: [__name__]",
        f"        regex: {scalar(_NAMES)}",
        "        action: keep",
        "      # honor_labels keeps what the site says; where it is and what it is, is said here.",
    ]
    for name, value in {**labels, "job": _SCRAPED_JOB}.items():
        lines += [f"      - target_label: {name}", f"        replacement: {scalar(value)}"]
    if site.simple_vm_id:
        # Its projects have the id of the one that hosts them, and are known by their names alone.
        lines += [
            "      - source_labels: [project_id, project_name]",
            "        separator: /",
            f"        regex: {scalar(f'({re.escape(site.simple_vm_id)}/.+)')}",
            "        target_label: project_id",
            "        replacement: '$1'",
        ]
    return lines


def _remote(remote: Remote) -> list[str]:
    lines = [f"  - url: {scalar(remote.url)}"]
    if remote.token_file:
        lines += ["    authorization:", f"      credentials_file: {scalar(remote.token_file)}"]
    if remote.username:
        lines += [
            "    basic_auth:",
            f"      username: {scalar(remote.username)}",
            f"      password_file: {scalar(remote.password_file)}",
        ]
    if remote.ca_file:
        lines += ["    tls_config:", f"      ca_file: {scalar(remote.ca_file)}"]
    return lines


_DATASOURCE = """\
# For Grafana's provisioning/datasources: the portal's Prometheus.
apiVersion: 1
datasources:
  - name: Portal
    type: prometheus
    access: proxy
    url: http://127.0.0.1:9090
    isDefault: true
    jsonData:
      httpMethod: POST
"""

_PROVIDER = """\
# For Grafana's provisioning/dashboards.
apiVersion: 1
providers:
  - name: Project usage
    folder: Project usage
    type: file
    options:
      path: /etc/grafana/dashboards
"""

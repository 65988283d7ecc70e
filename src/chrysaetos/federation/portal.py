"""Generate the portal's files from its registry: Prometheus' configuration, rules and dashboards.

Data from sites is untrusted. After each scrape the portal overwrites the labels ``location``, ``location_id``
and ``job`` and drops metrics that it did not request. The size of a scrape is limited.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chrysaetos.federation.dashboards import dashboards
from chrysaetos.federation.rules import JOB_PREFIX, alert_rules, credit_rules, quota_rules, recording_rules
from chrysaetos.scaffold import File, yaml_scalar

if TYPE_CHECKING:
    from chrysaetos.federation.registry import Registry, Remote, Site

__all__ = ["DATASOURCE", "can_check", "installed_version", "portal_files", "prometheus_config"]

_SCRAPED_JOB = "project_usages"
_NAMES = "project_[a-z_]+_usage|usage_exporter_[a-z_]+|up"
_STALENESS_VERSION = (2, 48)
_VERSION = re.compile(r"version (\d+\.\d+\.\d+)")
_HEADER = """\
# Generated from sites.toml. After editing sites.toml, run: chrysaetos portal write
"""


def installed_version(name: str = "prometheus") -> str:
    """Return the version of the Prometheus program installed on this machine; empty if there is none."""
    program = shutil.which(name)
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603  # on PATH
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    match = _VERSION.search(done.stdout + done.stderr)
    return match[1] if match else ""


def can_check(registry: Registry) -> bool:
    """Return whether this machine's promtool is at least as new as the portal's Prometheus."""
    return _major_minor(installed_version("promtool")) >= _major_minor(registry.prometheus_version)


def portal_files(registry: Registry) -> list[File]:
    """Return all files of the portal except the registry."""
    files = [
        File("prometheus.yml", prometheus_config(registry)),
        File("rules/usage.yml", recording_rules(registry.rule_interval)),
        File("rules/alerts.yml", alert_rules()),
        File("rules/credits.yml", credit_rules(registry.rule_interval)),
        File("rules/quotas.yml", quota_rules(registry.rule_interval)),
        File("grafana/provisioning/datasources/portal.yaml", DATASOURCE),
        File("grafana/provisioning/dashboards/portal.yaml", _PROVIDER),
    ]
    return files + [File(f"grafana/dashboards/{name}.json", text) for name, text in dashboards().items()]


def prometheus_config(registry: Registry) -> str:
    """Return Prometheus' configuration."""
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
            lines += [f"{name}:", *(line for remote in remotes for line in _remote(remote)), ""]
    if not registry.sites:
        return "\n".join([*lines, "scrape_configs: []"]) + "\n"
    lines.append("scrape_configs:")
    staleness = _staleness(registry.prometheus_version)
    for site in registry.sites:
        lines += _job(site, staleness)
    return "\n".join(lines) + "\n"


def _staleness(version: str) -> str:
    """Return the setting that ends a series here at the first scrape after it ended at the site.

    ``/federate`` exposes timestamps, and by default Prometheus does not track the staleness of series with
    timestamps: queries would return them for five more minutes. Prometheus can track them since 2.48; before,
    ignoring the timestamps has the same effect.
    """
    if _major_minor(version) >= _STALENESS_VERSION:
        return "track_timestamps_staleness: true"
    return "honor_timestamps: false"


def _major_minor(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version; empty for an unknown version."""
    return tuple(int(part) for part in version.split(".")[:2] if part)


def _job(site: Site, staleness: str) -> list[str]:
    parts = urlsplit(site.url)
    default_port = 443 if parts.scheme == "https" else 80
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    target = f"{host}:{parts.port or default_port}"
    path = parts.path.rstrip("/").removesuffix("/federate") + "/federate"
    labels = {"location": site.name, "location_id": str(site.location_id)}
    lines = [
        f"  - job_name: {yaml_scalar(JOB_PREFIX + site.name)}",
        f"    scheme: {parts.scheme}",
        f"    metrics_path: {yaml_scalar(path)}",
        "    params:",
        "      'match[]':",
        *(f"        - {yaml_scalar(selector)}" for selector in site.match),
        "    honor_labels: true",
        f"    {staleness}",
        "    follow_redirects: false  # never send the token to another server",
        "    authorization:",
        "      type: Bearer",
        f"      credentials_file: {yaml_scalar(site.token_file)}",
    ]
    if parts.scheme == "https":
        lines += ["    tls_config:", "      min_version: TLS12"]
        lines += [f"      ca_file: {yaml_scalar(site.ca_file)}"] if site.ca_file else []
    lines += [
        "    # A scrape that exceeds one of these limits fails.",
        "    body_size_limit: 200MB",
        "    sample_limit: 500000",
        "    label_limit: 30",
        "    label_name_length_limit: 128",
        "    label_value_length_limit: 512",
        "    static_configs:",
        f"      - targets: [{yaml_scalar(target)}]",
        "        labels:",
        *(f"          {name}: {yaml_scalar(value)}" for name, value in labels.items()),
        "    metric_relabel_configs:",
        "      - source_labels: [__name__]",
        f"        regex: {yaml_scalar(_NAMES)}",
        "        action: keep",
        "      # honor_labels keeps the site's own labels; the following labels are always set here.",
    ]
    for name, value in {**labels, "job": _SCRAPED_JOB}.items():
        lines += [f"      - target_label: {name}", f"        replacement: {yaml_scalar(value)}"]
    if site.simple_vm_id:
        # All projects inside the SimpleVM project share its id, so their names become part of the id. Credits
        # have these names in the label part, too.
        lines += [
            "      - regex: part",
            "        action: labeldrop",
            "      - source_labels: [project_id, project_name]",
            "        separator: /",
            f"        regex: {yaml_scalar(f'({re.escape(site.simple_vm_id)}/.+)')}",
            "        target_label: project_id",
            "        replacement: '$1'",
        ]
    return lines


def _remote(remote: Remote) -> list[str]:
    lines = [f"  - url: {yaml_scalar(remote.url)}"]
    if remote.token_file:
        lines += ["    authorization:", f"      credentials_file: {yaml_scalar(remote.token_file)}"]
    if remote.username:
        lines += [
            "    basic_auth:",
            f"      username: {yaml_scalar(remote.username)}",
            f"      password_file: {yaml_scalar(remote.password_file)}",
        ]
    if remote.ca_file:
        lines += ["    tls_config:", f"      ca_file: {yaml_scalar(remote.ca_file)}"]
    return lines


DATASOURCE = """\
# The portal's Prometheus, for Grafana's provisioning/datasources.
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
# The portal's dashboards, for Grafana's provisioning/dashboards.
apiVersion: 1
providers:
  - name: Project usage
    folder: Project usage
    type: file
    options:
      path: /etc/grafana/dashboards
"""

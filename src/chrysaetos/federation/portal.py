"""Generate the portal's files from its registry: Prometheus' configuration, rules and dashboards.

Data from sites is untrusted. After each scrape the portal overwrites the labels ``location``, ``location_id``
and ``job`` and drops metrics that it did not request. The size of a scrape is limited.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chrysaetos.federation.dashboards import dashboards
from chrysaetos.federation.rules import JOB_PREFIX, alert_rules, credit_rules, quota_rules, recording_rules
from chrysaetos.scaffold import File, fill_template, yaml_scalar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrysaetos.federation.registry import Registry, Remote, Site

__all__ = ["can_check", "datasource", "installed_version", "portal_files", "prometheus_config"]

_STALENESS_VERSION = (2, 48)
_VERSION = re.compile(r"version (\d+\.\d+\.\d+)")

_fill = partial(fill_template, "chrysaetos.federation")


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
        File("grafana/provisioning/datasources/portal.yaml", datasource("127.0.0.1:9090")),
        File("grafana/provisioning/dashboards/portal.yaml", _fill("portal/dashboards.yaml", {})),
    ]
    return files + [File(f"grafana/dashboards/{name}.json", text) for name, text in dashboards().items()]


def prometheus_config(registry: Registry) -> str:
    """Return Prometheus' configuration."""
    remotes = {"remote_write": registry.remote_write, "remote_read": registry.remote_read}
    staleness = _staleness(registry.prometheus_version)
    jobs = "".join(_job(site, staleness) for site in registry.sites)
    values = {
        "SCRAPE_INTERVAL": registry.scrape_interval,
        "RULE_INTERVAL": registry.rule_interval,
        "REMOTE_STORAGE": "".join(_remote_storage(*each) for each in remotes.items()),
        "JOBS": f"\n{jobs.rstrip()}" if jobs else " []",
    }
    return _fill("portal/prometheus.yml", values)


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


def _job(site: Site, staleness: str) -> str:
    parts = urlsplit(site.url)
    tls = parts.scheme == "https"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    path = parts.path.rstrip("/").removesuffix("/federate") + "/federate"
    ca = f"      ca_file: {yaml_scalar(site.ca_file)}\n" if site.ca_file else ""
    values = {
        "JOB": yaml_scalar(JOB_PREFIX + site.name),
        "SCHEME": parts.scheme,
        "PATH": yaml_scalar(path),
        "SELECTORS": "\n".join(f"        - {yaml_scalar(selector)}" for selector in site.match),
        "STALENESS": staleness,
        "TOKEN_FILE": yaml_scalar(site.token_file),
        "TLS": f"    tls_config:\n      min_version: TLS12\n{ca}" if tls else "",
        "TARGET": yaml_scalar(f"{host}:{parts.port or (443 if tls else 80)}"),
        "LOCATION": yaml_scalar(site.name),
        "LOCATION_ID": yaml_scalar(str(site.location_id)),
    }
    job = _fill("portal/job.yml", values)
    if site.simple_vm_id:
        regex = yaml_scalar(f"({re.escape(site.simple_vm_id)}/.+)")
        job += _fill("portal/job-simple-vm.yml", {"REGEX": regex})
    return job


def _remote_storage(kind: str, remotes: Sequence[Remote]) -> str:
    """Return the section ``remote_write`` or ``remote_read``, empty for no storage."""
    if not remotes:
        return ""
    lines = [f"{kind}:"]
    for remote in remotes:
        lines.append(f"  - url: {yaml_scalar(remote.url)}")
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
    return "\n".join([*lines, "", ""])


def datasource(prometheus: str) -> str:
    """Return Grafana's data source of the portal.

    Args:
        prometheus: host and port of the portal's Prometheus.
    """
    return _fill("portal/datasource.yaml", {"PROMETHEUS": prometheus})

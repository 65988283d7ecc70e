"""Compose files: of the portal, and of a portal with two sites of sample data on one machine."""

from __future__ import annotations

from functools import partial

from chrysaetos.federation.portal import datasource, prometheus_config
from chrysaetos.federation.registry import FRESHNESS, USAGE, Registry, Site
from chrysaetos.federation.site import PROMETHEUS_TAG, prometheus_job
from chrysaetos.scaffold import File, fill_template

__all__ = ["development_files", "portal_compose_files"]

_GRAFANA_TAG = "12.1.1"
_SITES = ("alpha", "beta")
_EXPORTER_PORT = 8081
_GATE_PORT = 9191

_fill = partial(fill_template, "chrysaetos.federation")


def portal_compose_files() -> list[File]:
    """Return the compose file of a portal, for the folder of its other files, and Grafana's data source."""
    values = {"PROMETHEUS": PROMETHEUS_TAG, "GRAFANA": _GRAFANA_TAG}
    return [
        File("compose.yaml", _fill("compose-portal.yaml", values)),
        File("compose/datasource.yaml", datasource("prometheus:9090")),
    ]


def development_files() -> list[File]:
    """Return the files that extend a portal's compose file by two sites, whose exporters have sample data."""
    registry = Registry(
        prometheus_version=PROMETHEUS_TAG.removeprefix("v"),
        sites=tuple(
            Site(name, number, f"http://gate-{name}:9091", f"/tokens/{name}/portal")
            for number, name in enumerate(_SITES, 1)
        ),
    )
    services = [
        _fill(
            "compose-development-site.yaml",
            {
                "SITE": name,
                "PROMETHEUS": PROMETHEUS_TAG,
                "EXPORTER_PORT": str(_EXPORTER_PORT + number),
                "GATE_PORT": str(_GATE_PORT + number),
            },
        )
        for number, name in enumerate(_SITES)
    ]
    values = {
        "TITLE": " and ".join(_SITES),
        "SITES": " ".join(_SITES),
        "USAGE": USAGE,
        "FRESHNESS": FRESHNESS,
        "SERVICES": "".join(services),
    }
    return [
        File("compose.override.yaml", _fill("compose-development.yaml", values)),
        File("prometheus.yml", prometheus_config(registry)),
        *(File(f"prometheus-{name}.yml", prometheus_job(name, f"exporter-{name}:8080")) for name in _SITES),
    ]

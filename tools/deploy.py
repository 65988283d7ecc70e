"""Write the folder ``deploy/`` with example values.

Its files are those of ``chrysaetos gateway init``, ``site init`` and ``portal init``.

python -m tools.deploy
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from chrysaetos.federation.compose import development_files, portal_compose_files
from chrysaetos.federation.portal import portal_files
from chrysaetos.federation.registry import Registry, Site, render_registry
from chrysaetos.federation.site import PROMETHEUS_TAG, USAGE_UNIT, SiteSettings, site_files
from chrysaetos.install.files import DASHBOARD, EXAMPLE_PASSWORD, installation_files
from chrysaetos.install.settings import Settings
from chrysaetos.scaffold import File, write_files

__all__ = ["FOLDER", "deploy_files"]

FOLDER = Path(__file__).parents[1] / "deploy"


def deploy_files() -> list[File]:
    """Return the files for a cloud with two gateways, both load balancers and the usage exporter.

    The gateway's dashboard is not among them, since it is the same for every installation.
    """
    settings = Settings(
        keystone_url="https://cloud.example/identity",
        public_url="https://cloud.example/metric-storage",
        gateways=("192.0.2.11:8042",),
    )
    both = (settings, replace(settings, proxy="nginx"))
    directory = PurePosixPath("/etc/chrysaetos")
    files = [installation_files(each, directory, EXAMPLE_PASSWORD) for each in both]
    by_name = {file.name: file for file in (*files[1], *files[0])}
    exporter = [file for file in site_files(SiteSettings("alpha")) if file.name == USAGE_UNIT]
    return [*(file for name, file in by_name.items() if name != DASHBOARD), *exporter, *_compose_files()]


def _compose_files() -> list[File]:
    """Return the folder ``compose``: a site, a portal, and a development set-up of both."""
    site = site_files(SiteSettings("alpha", start="2026-01-01"))
    registry = Registry(
        prometheus_version=PROMETHEUS_TAG.removeprefix("v"),
        sites=(Site("alpha", 1, "https://gate.alpha.example:9091", "tokens/alpha"),),
    )
    portal = [*portal_files(registry), *portal_compose_files(), File("sites.toml", render_registry(registry))]
    return [
        *(_moved(file, "site") for file in site if file.name.startswith("compose/")),
        *(_moved(file, "portal/") for file in portal),
        *(_moved(file, "development/") for file in development_files()),
    ]


def _moved(file: File, folder: str) -> File:
    name = file.name.removeprefix("compose") if folder == "site" else file.name
    return replace(file, name=f"compose/{folder}{name}")


if __name__ == "__main__":
    write_files(FOLDER, deploy_files(), force=True)

"""Write the folder ``deploy/`` from the templates of ``chrysaetos gateway init``, with example values.

python -m tools.deploy
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from chrysaetos.install.files import DASHBOARD, installation_files
from chrysaetos.install.settings import Settings
from chrysaetos.scaffold import write_files

if TYPE_CHECKING:
    from chrysaetos.scaffold import File

__all__ = ["FOLDER", "deploy_files"]

FOLDER = Path(__file__).parents[1] / "deploy"


def deploy_files() -> list[File]:
    """Return the files for a cloud with two gateways and both load balancers, without the dashboard.

    The dashboard is the same for every installation.
    """
    settings = Settings(
        keystone_url="https://cloud.example/identity",
        public_url="https://cloud.example/metric-storage",
        gateways=("192.0.2.11:8042",),
    )
    both = (settings, replace(settings, proxy="nginx"))
    files = [installation_files(each, PurePosixPath("/etc/chrysaetos"), "CHANGE-THIS") for each in both]
    by_name = {file.name: file for file in (*files[1], *files[0])}
    return [file for name, file in by_name.items() if name != DASHBOARD]


if __name__ == "__main__":
    write_files(FOLDER, deploy_files(), force=True)

"""Write the folder ``deploy/`` from the templates of ``chrysaetos gateway init``, with example values.

python -m tools.deploy
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from chrysaetos.install.files import installation_files
from chrysaetos.install.settings import Settings
from chrysaetos.scaffold import write_files

if TYPE_CHECKING:
    from chrysaetos.scaffold import File

__all__ = ["FOLDER", "deploy_files"]

FOLDER = Path(__file__).parents[1] / "deploy"


def deploy_files() -> list[File]:
    """Return the files for a cloud with two gateways."""
    settings = Settings(
        keystone_url="https://cloud.example/identity",
        public_url="https://cloud.example/metric-storage",
        gateways=("192.0.2.11:8042",),
    )
    return installation_files(settings, PurePosixPath("/etc/chrysaetos"), "CHANGE-THIS")


if __name__ == "__main__":
    write_files(FOLDER, deploy_files(), force=True)

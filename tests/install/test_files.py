"""The files of an installation, and the folder ``deploy/``."""

from __future__ import annotations

from tools.deploy import FOLDER, deploy_files


def test_the_folder_deploy_is_current():
    for file in deploy_files():
        assert (FOLDER / file.name).read_text() == file.text, "run: make samples"

"""The documentation: that it builds without a warning, and that links from outside of it lead somewhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chrysaetos.access.policies import list_rules
from chrysaetos.cli.main import parsers
from chrysaetos.gateway.options import list_opts
from chrysaetos.tenancy.endpoints import ENDPOINTS

ROOT = Path(__file__).parents[1]
PAGES_OUTSIDE = [*ROOT.glob("*.md"), *(ROOT / "deploy").glob("*.md")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site and the man pages, built from a copy."""
    folder = tmp_path_factory.mktemp("documentation")
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in ("deploy", "tools"):
        (folder / name).symlink_to(ROOT / name)
    for builder in ("html", "man"):
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", builder]
        command += ["-d", str(folder / "doctrees"), str(folder / "docs"), str(folder / builder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
    return folder


def test_each_option_policy_rule_path_and_command_has_its_place(site):
    reference = site / "html" / "reference"
    options = (reference / "options.html").read_text()
    for group, each in list_opts():
        for option in each:
            assert f'id="{group}.{option.dest}"' in options
    policy = (reference / "policy.html").read_text()
    assert all(f">{rule.name}<" in policy for rule in list_rules())
    api = (reference / "http-api.html").read_text()
    assert all(f"<h2>{endpoint.path}<" in api for endpoint in ENDPOINTS)
    for name in parsers():
        assert f"chrysaetos {name}" in (reference / "commands" / f"{name}.html").read_text()
        assert f"chrysaetos-{name}" in (site / "man" / f"chrysaetos-{name}.1").read_text().replace("\\-", "-")


def test_the_message_of_an_error_is_listed(site):
    errors = (site / "html" / "reference" / "errors.html").read_text()
    assert "the query is longer than {bytes} bytes" in errors


@pytest.mark.parametrize("page", PAGES_OUTSIDE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_from_outside_lead_to_files(page):
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        assert "://" in link or (page.parent / link).exists(), link

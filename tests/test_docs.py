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
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action

ROOT = Path(__file__).parents[1]
PAGES_OUTSIDE = [*ROOT.glob("*.md"), *(ROOT / "deploy").glob("*.md")]


def test_the_site_builds_without_a_warning_and_has_everything_that_the_code_has(tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in ("deploy", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    for builder in ("html", "man"):
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", builder]
        command += ["-d", str(tmp_path / "doctrees"), str(tmp_path / "docs"), str(tmp_path / builder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
    reference = tmp_path / "html" / "reference"
    options = (reference / "options.html").read_text()
    for group, each in list_opts():
        for option in each:
            assert f'id="{group}.{option.dest}"' in options
    policy = (reference / "policy.html").read_text()
    assert all(f">{rule.name}<" in policy for rule in list_rules())
    api = (reference / "http-api.html").read_text()
    assert all(f"<h2>{endpoint.path}<" in api for endpoint in ENDPOINTS if endpoint.action is not Action.WEB)
    for name in parsers():
        page = name.replace(" ", "-")
        assert f"chrysaetos {name}" in (reference / "commands" / f"{page}.html").read_text()
        assert f"chrysaetos-{page}" in (tmp_path / "man" / f"chrysaetos-{page}.1").read_text().replace(
            "\\-", "-"
        )
    assert "the query is longer than {bytes} bytes" in (reference / "errors.html").read_text()
    assert "chrysaetos_requests_total" in (reference / "metrics.html").read_text()
    assert "upstream_ms" in (reference / "audit.html").read_text()


@pytest.mark.parametrize("page", PAGES_OUTSIDE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_from_outside_lead_to_files(page):
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        assert "://" in link or (page.parent / link).exists(), link

"""Break HTTP code, logins and the proxy in many ways, one at a time; each time a unit test must fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.gateway_mutations import GATEWAY
from tests.support.http_mutations import HTTP

import chrysaetos

# On other Pythons, only the pure parts are tested, without the gateway's dependencies.
pytest.importorskip("keystonemiddleware")

ROOT = Path(__file__).parents[1]

BREAKS = HTTP | GATEWAY


@pytest.fixture
def package(tmp_path):
    """A copy of the package."""
    copy = tmp_path / "chrysaetos"
    shutil.copytree(Path(chrysaetos.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.mark.parametrize("name", BREAKS)
def test_a_unit_test_fails(package, name):
    (module, tests), test, old, new = BREAKS[name]
    path = package / module
    source = path.read_text()
    assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times in {module}"
    path.write_text(source.replace(old, new))
    # A mutation may leave a connection open; its warning must not end pytest before the summary.
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:unraisableexception"]
    command = [sys.executable, "-m", "pytest", *options, f"tests/{tests}::{test}"]
    environment = {"PYTHONPATH": str(package.parent), "PATH": os.environ["PATH"]}
    result = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False
    )
    assert result.returncode == 1, result.stdout
    assert " failed" in result.stdout, result.stdout
    assert "SyntaxError" not in result.stdout

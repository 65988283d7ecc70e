"""Break HTTP code, logins and the proxy in many ways, one at a time; each time a unit test must fail."""

import os
import shutil
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from tests.support.gateway_mutations import GATEWAY
from tests.support.http_mutations import HTTP
from tests.support.warm import WarmPython

import chrysaetos

# On other Pythons, only the pure parts are tested, without the gateway's dependencies.
pytest.importorskip("keystonemiddleware")

ROOT = Path(__file__).parents[1]

BREAKS = HTTP | GATEWAY

PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout")
LIBRARIES = (
    *("pytest", *PLUGINS, "hypothesis"),
    *("keystonemiddleware.auth_token", "oslo_log.log", "oslo_policy.policy", "prometheus_client"),
    *("cryptography.fernet", "httptools", "requests", "trustme", "uvloop", "yaml"),
)
"""What the tests import besides the package."""


@pytest.fixture(scope="module")
def python():
    with WarmPython([sys.executable, "-W", "ignore"], LIBRARIES) as running:
        yield running


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package, for all mutations."""
    copy = tmp_path_factory.mktemp("mutated") / "chrysaetos"
    shutil.copytree(Path(chrysaetos.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def broken(package, request):
    """Break a module, which is whole again afterwards; what Python compiled of it is removed each time."""
    (module, tests), test, old, new = BREAKS[request.param]
    path = package / module
    source = path.read_text()
    assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times in {module}"
    compiled = Path(cache_from_source(path))
    path.write_text(source.replace(old, new))
    compiled.unlink(missing_ok=True)
    yield f"tests/{tests}::{test}"
    path.write_text(source)
    compiled.unlink(missing_ok=True)


@pytest.mark.parametrize("broken", BREAKS, indirect=True)
def test_a_unit_test_fails(python, package, broken):
    # A mutation may leave a connection open; its warning must not end pytest before the summary.
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:unraisableexception"]
    options += [word for plugin in PLUGINS for word in ("-p", plugin)]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # these are among the libraries
    environment = {
        "PATH": os.environ["PATH"],
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(package.parent),
    }
    result = python.run(["-m", "pytest", *options, broken], env=environment, cwd=ROOT)
    assert result.status == 1, result.printed + result.err
    assert " failed" in result.printed, result.printed
    assert "SyntaxError" not in result.printed

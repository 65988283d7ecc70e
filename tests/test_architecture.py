"""The packages and modules: what the README says of them, their layers, and their test files."""

import tomllib
from pathlib import Path

from tools.architecture import table

ROOT = Path(__file__).parents[1]

FEW_LINES = 30
"""A module below this length, such as one with exceptions or names only, needs no test file of its own."""

# Modules whose tests are in the test file of a module that uses them, and that file.
TESTED_WITH = {
    "cli/names.py": "cli/test_complete.py",
    "client/calls.py": "client/test_queries.py",
    "client/parameters.py": "client/test_queries.py",
    "client/transport.py": "client/test_requester.py",
    "demo/exporter.py": "demo/test_prometheus.py",
    "demo/keystone.py": "demo/test_gateway.py",
    "demo/keystone_server.py": "demo/test_gateway.py",
    "demo/thanos.py": "e2e/test_engine_matrix.py",
    "gateway/app/request.py": "gateway/test_routing.py",
    "gateway/proxy/options.py": "gateway/proxy/test_budgeted_queries.py",
    "http/server/limits.py": "http/server/test_server.py",
    "identity/caller.py": "identity/test_cache.py",
    "install/check/tables.py": "install/check/test_labels.py",
    "migrate/services.py": "migrate/test_watcher_service.py",
    "tenancy/bodies.py": "gateway/proxy/test_filtering.py",
    "tenancy/shapes.py": "tenancy/test_filters.py",
    "usage/api.py": "usage/test_resources.py",
    "usage/connection.py": "usage/test_build.py",
    "usage/records.py": "usage/test_tally.py",
    "usage/site.py": "usage/test_cloud.py",
    "web/keystone.py": "web/test_forms.py",
}


def test_the_readme_shows_the_imports_of_each_package():
    block = "".join(f"    {line}\n" for line in table().splitlines())
    assert f"\n\n{block}\n" in (ROOT / "README.md").read_text(), f"the README should show\n{block}"


def test_each_package_and_module_has_its_layer():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    listed = {name.strip() for layer in layers for name in layer.split("|")}
    whole = {"gateway", "http"}  # these are listed by what is in them
    for folder in ("", *whole):
        place = ROOT / "src" / "chrysaetos" / folder
        names = {
            path.stem for path in place.iterdir() if path.stem != "__init__" and path.suffix in {"", ".py"}
        }
        prefix = f"chrysaetos.{folder}".rstrip(".")
        assert listed >= {f"{prefix}.{name}" for name in names - whole - {"__pycache__"}}, folder


def test_each_module_has_a_test_file():
    source, tests = ROOT / "src" / "chrysaetos", ROOT / "tests"
    untested = set()
    for path in source.rglob("*.py"):
        own = path.relative_to(source)
        named = tests / own.with_name(f"test_{own.name.lstrip('_')}")
        is_long = len(path.read_text().splitlines()) >= FEW_LINES
        if is_long and not own.name.startswith("__") and not named.exists():
            untested.add(str(own))
    assert untested == set(TESTED_WITH)
    assert [name for name in TESTED_WITH.values() if not (tests / name).exists()] == []

"""The packages: what the README says of them, and whether the contracts of import-linter know them all."""

import tomllib
from pathlib import Path

from tools.architecture import table

ROOT = Path(__file__).parents[1]


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

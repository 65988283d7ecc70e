"""The wheel and the source distribution: what is in them, and the wheel in a clean virtual environment."""

import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.support.commands import run
from tests.support.deep import first_of
from tests.support.wheels import Environment, build
from tools.pythons import ROOT, find_interpreters

VERSIONS = ["3.11", "3.12", "3.13"]
MAX_PACKAGES = 12
MAX_BYTES = 14_000_000
# pbr, which keystoneauth1 needs, depends on setuptools. A new environment has it only before Python 3.12.
MAX_SETUPTOOLS_BYTES = 7_000_000


def build_both(source, target, umask=0o022):
    """Build both from a directory, and return the paths of the source distribution and the wheel."""
    build(source, target, umask=umask)
    (sdist,), (wheel,) = target.glob("*.tar.gz"), target.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_both(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def sdist(built):
    return built[0]


@pytest.fixture(scope="module")
def wheel(built):
    return built[1]


@pytest.fixture(scope="module")
def unpacked(sdist, tmp_path_factory):
    """The folder of an unpacked source distribution."""
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["tar", "--extract", "--file", sdist], cwd=folder, check=True)
    return next(folder.iterdir())


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_the_source_distribution_has_each_tracked_file(unpacked):
    tracked = run(["git", "ls-files"], cwd=ROOT).out.splitlines()
    assert [name for name in tracked if (ROOT / name).exists() and not (unpacked / name).exists()] == []


def test_a_source_distribution_builds_the_same_files_again(built, unpacked, tmp_path):
    for file in unpacked.rglob("*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    again = build_both(unpacked, tmp_path, umask=0o077)
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in built]


def test_the_wheel_has_what_an_operator_without_a_checkout_needs(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shared = {name.partition(".data/data/share/chrysaetos/")[2] for name in names} - {""}
    expected = {
        str(file.relative_to(ROOT))
        for folder in ("etc", "deploy")
        for file in (ROOT / folder).rglob("*")
        if file.is_file()
    }
    assert shared == expected
    package = {name for name in names if name.startswith("chrysaetos/") and not name.endswith(".py")}
    source = ROOT / "src"
    assert package == {
        str(file.relative_to(source))
        for file in (source / "chrysaetos").rglob("*")
        if file.is_file() and file.suffix not in {".py", ".pyc"}
    }


def test_the_add_on_has_one_module_and_the_entry_point_of_cloudkitty_25(tmp_path):
    build(ROOT / "addons" / "cloudkitty-aetos", tmp_path, ["wheel"])
    (built,) = tmp_path.glob("chrysaetos_cloudkitty_aetos-*.whl")
    archive = zipfile.ZipFile(built)
    metadata = "chrysaetos_cloudkitty_aetos-1.0.dist-info"
    assert {name for name in archive.namelist() if not name.startswith(metadata)} == {
        "cloudkitty/collector/aetos/__init__.py"
    }
    assert archive.read(f"{metadata}/entry_points.txt").decode().split() == [
        "[cloudkitty.collector.backends]",
        "aetos",
        "=",
        "cloudkitty.collector.aetos:AetosCollector",
    ]


@pytest.mark.parametrize("version", first_of(VERSIONS))
def test_the_wheel_in_a_clean_environment(wheel, version, tmp_path):
    found = [one for one in find_interpreters() if one.version.startswith(f"{version}.")]
    if not found:
        pytest.skip(f"no Python {version}")
    environment = Environment(tmp_path / "venv", found[0].program)
    before = sizes(environment.site_packages)
    environment.install(wheel)
    assert environment.chrysaetos("--version") == "chrysaetos 0.1.0\n"
    assert "No broken requirements" in environment.pip("check")
    after = sizes(environment.site_packages)
    added = {name: size for name, size in after.items() if name not in before}
    setuptools = added.pop("setuptools", 0)
    assert (setuptools > 0) == (version != "3.11")
    assert setuptools <= MAX_SETUPTOOLS_BYTES
    assert len(added) <= MAX_PACKAGES, added
    assert sum(added.values()) <= MAX_BYTES, added

    environment.install(f"{wheel}[gateway]")
    assert "No broken requirements" in environment.pip("check")
    urls = [
        "--keystone-url",
        "https://cloud.example/identity",
        "--public-url",
        "https://cloud.example/metrics",
    ]
    init = environment.chrysaetos("gateway", "init", tmp_path / "etc", "--yes", *urls)
    assert f"written: {tmp_path / 'etc' / 'aetos.conf'}" in init
    config = tmp_path / "etc" / "aetos.conf"
    assert "errors: 0" in environment.chrysaetos("gateway", "check", "--offline", "--config-file", config)


def sizes(site_packages: Path) -> dict[str, int]:
    """Return the packages of an environment, and the size in bytes of each."""
    found = {}
    for metadata in site_packages.glob("*.dist-info"):
        lines = (metadata / "RECORD").read_text().splitlines()
        files = [site_packages / re.sub(r",[^,]*,[^,]*$", "", line).strip('"') for line in lines]
        size = sum(file.stat().st_size for file in files if file.is_file())
        found[metadata.name.split("-")[0].lower()] = size
    return found

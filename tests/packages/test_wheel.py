"""The wheel and the source distribution: what is in them, and the wheel in a clean virtual environment."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.support.commands import run
from tools.pythons import LOCK, ROOT, find_interpreters

VERSIONS = ["3.11", "3.12", "3.13"]
# Each virtual environment of Python 3.11 has them. pbr, which keystoneauth1 needs, depends on setuptools.
BUNDLED = {"pip", "setuptools"}
MAX_PACKAGES = 12
MAX_BYTES = 14_000_000


def build(source, target, umask=0o022):
    """Build both from a directory, and return the paths of the source distribution and the wheel."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", target],
        cwd=source,
        umask=umask,
        capture_output=True,
        check=True,
    )
    (sdist,), (wheel,) = target.glob("*.tar.gz"), target.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("dist"))


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
    again = build(unpacked, tmp_path, umask=0o077)
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
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path]
    subprocess.run(command, cwd=ROOT / "addons" / "cloudkitty-aetos", capture_output=True, check=True)
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


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_in_a_clean_environment(wheel, version, tmp_path):
    found = [one for one in find_interpreters() if one.version.startswith(f"{version}.")]
    if not found:
        pytest.skip(f"no Python {version}")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    venv = tmp_path / "venv"
    python = venv / "bin" / "python"
    run([found[0].program, "-m", "venv", venv], env=clean).out  # noqa: B018  # fails if the command did

    def install(*requirements):
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", LOCK]
        run([*pip, *requirements], env=clean).out  # noqa: B018  # fails if the command did

    install(wheel)
    assert run([venv / "bin" / "chrysaetos", "--version"], env=clean).out == "chrysaetos 0.1.0\n"
    assert "No broken requirements" in run([python, "-m", "pip", "check"], env=clean).out
    packages, size = installed(next(venv.glob("lib/python*/site-packages")))
    assert len(packages) <= MAX_PACKAGES, packages
    assert size <= MAX_BYTES

    install(f"{wheel}[gateway]")
    assert "No broken requirements" in run([python, "-m", "pip", "check"], env=clean).out
    urls = [
        "--keystone-url",
        "https://cloud.example/identity",
        "--public-url",
        "https://cloud.example/metrics",
    ]
    chrysaetos = venv / "bin" / "chrysaetos"
    init = run([chrysaetos, "gateway", "init", tmp_path / "etc", "--yes", *urls], env=clean)
    assert f"written: {tmp_path / 'etc' / 'aetos.conf'}" in init.out
    check = [chrysaetos, "gateway", "check", "--offline", "--config-file", tmp_path / "etc" / "aetos.conf"]
    assert "errors: 0" in run(check, env=clean).out


def installed(site_packages: Path) -> tuple[set[str], int]:
    """Return the names of the packages that pip added to an environment, and their size in bytes."""
    names, size = set(), 0
    for metadata in site_packages.glob("*.dist-info"):
        name = metadata.name.split("-")[0].lower()
        if name in BUNDLED:
            continue
        names.add(name)
        for line in (metadata / "RECORD").read_text().splitlines():
            file = site_packages / re.sub(r",[^,]*,[^,]*$", "", line).strip('"')
            if file.is_file():
                size += file.stat().st_size
    return names, size

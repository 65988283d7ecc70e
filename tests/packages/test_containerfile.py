"""``Containerfile`` and ``.dockerignore``, as far as they can be checked without building images."""

import re
import shutil
import subprocess
import sys

import pytest
from tools.pythons import ROOT

from chrysaetos.gateway.options import list_opts

TARGETS = {"gateway": 8042, "federate": 9091, "usage": 8080}
TEXT = (ROOT / "Containerfile").read_text().replace("\\\n", " ")


def stages():
    """Return the instructions of each stage by its name, with those of the stage that it continues."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"(?m)^(?=FROM )", TEXT)[1:]:
        first, *rest = [line for line in part.splitlines() if line and not line.startswith("#")]
        ((base, name),) = re.findall(r"^FROM (\S+) AS (\S+)$", first)
        found[name] = [*found.get(base, []), *rest]
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_an_unprivileged_user_with_a_health_check(target):
    instructions = stages()[target]
    users = [line for line in instructions if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    assert any(re.fullmatch(rf"EXPOSE {TARGETS[target]}( \d+)?", line) for line in instructions)
    assert sum(line.startswith("HEALTHCHECK ") for line in instructions) == 1


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_gets_only_the_virtual_environment(target):
    instructions = stages()[target]
    copies = [line for line in instructions if line.startswith(("COPY ", "ADD "))]
    assert [re.sub(r"=\w+-", "=", line) for line in copies] == [
        "COPY --from=environment /opt/chrysaetos /opt/chrysaetos"
    ]
    assert not [line for line in instructions if "pip" in line or "venv" in line]


def test_the_packages_are_those_of_the_lock_file():
    assert "PIP_CONSTRAINT=/src/requirements/lock.txt" in TEXT
    assert (ROOT / "requirements" / "lock.txt").is_file()


def test_the_variables_of_the_gateway_are_options():
    options = {option.dest for group, options in list_opts() if group == "gateway" for option in options}
    names = re.findall(r"OS_GATEWAY__(\w+)=", TEXT)
    assert names
    assert {name.lower() for name in names} <= options


def test_the_context_is_enough_for_the_wheel_and_no_more(tmp_path):
    everything, *rules = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")
    ]
    assert everything == "*"
    context = tmp_path / "context"
    for name in [rule.removeprefix("!") for rule in rules if rule.startswith("!")]:
        source, copied = ROOT / name, context / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copied, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copied)
    for folder in (ROOT, context):
        subprocess.run(
            [
                sys.executable,
                "-m",
                "hatchling",
                "build",
                "--target",
                "wheel",
                "--directory",
                tmp_path / "dist" / folder.name,
            ],
            cwd=folder,
            capture_output=True,
            check=True,
        )
    (one,), (other,) = ((tmp_path / "dist" / folder.name).glob("*.whl") for folder in (ROOT, context))
    assert one.read_bytes() == other.read_bytes()

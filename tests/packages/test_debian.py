"""``debian/``, as far as it can be checked without building the package; ``make deb-check`` installs it."""

import re

from tools.pythons import ROOT

from chrysaetos import __version__

RULES = (ROOT / "debian" / "rules").read_text()
VARIABLES = dict(re.findall(r"(?m)^(\w+) := (.*)$", RULES))
UNITS = VARIABLES["UNITS"].split()
GATE_UNIT = ROOT / VARIABLES["GATE_UNIT"]


def test_the_package_has_the_version_of_the_code():
    first = (ROOT / "debian" / "changelog").read_text().splitlines()[0]
    assert first.startswith(f"chrysaetos ({__version__}) ")


def test_the_units_exist_and_are_each_installed_without_being_started():
    assert all((ROOT / "deploy" / "systemd" / unit).is_file() for unit in UNITS)
    assert "@@GATE_ARGUMENTS@@" in GATE_UNIT.read_text()
    installed = re.findall(r"(?m)^\tdh_installsystemd --name (\S+) (.*)$", RULES)
    assert {name for name, _ in installed} == {unit.partition(".")[0] for unit in UNITS} | {GATE_UNIT.stem}
    assert all("--no-enable --no-start" in options for _, options in installed)


def test_the_users_of_the_units_are_created():
    created = set(re.findall(r"(?m)^u (\S+) ", (ROOT / "debian" / "chrysaetos.sysusers").read_text()))
    units = [
        *(ROOT / "deploy" / "systemd").glob("*.service"),
        GATE_UNIT,
    ]
    users = {user for unit in units for user in re.findall(r"(?m)^User=(\S+)$", unit.read_text())}
    assert users == created

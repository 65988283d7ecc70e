"""Run the tutorial, block by block, with the demo that it starts, and how-tos in the same demo."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.e2e.running_demo import running_demo, terminal
from tests.support.commands import run

from chrysaetos.demo.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.commands import Output

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = DOCS / "tutorials" / "demo-to-script.md"
COMMANDS = DOCS / "how-to" / "cli.md"
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END_OF_BLOCK = "----end-of-block----"


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: sh, python, toml or text.
        name: ``demo`` for the command that keeps running, or the name of the file to write.
        text: the content.
    """

    language: str
    name: str
    text: str


def blocks(page: Path = TUTORIAL) -> list[Block]:
    """Return the blocks of a page in order."""
    return [Block(*found.groups()) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def metadata(demo: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of Prometheus."""
    response = requests.get(f"{demo['prometheus_url']}/api/v1/metadata", timeout=10)
    found: dict[str, Any] = response.json()["data"]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The reader's working directory, with the demo running."""
    where = tmp_path_factory.mktemp("tutorial")
    (start,) = (block for block in blocks() if block.name == "demo")
    with running_demo(where, start.text) as demo:
        # The history has no metadata; the first scrape takes up to 5 s. A reader needs longer to type.
        assert wait_for(lambda: "ceilometer_cpu" in metadata(demo), timeout=60), "nothing was scraped"
        yield where


@pytest.fixture(scope="module")
def outputs(folder: Path) -> dict[str, str]:
    """The output of each block of the second terminal, by the block's text."""
    steps = []
    for block in blocks():
        if block.language == "python":
            (folder / block.name).write_text(block.text, encoding="utf-8")
        elif block.name != "demo":
            steps.append(block.text)
    script = "set -e\n" + "".join(f"{step}echo '{END_OF_BLOCK}'\n" for step in steps)
    done = run(["bash", "-c", script], cwd=folder, env=terminal(), timeout=240)
    *printed, rest = done.out.split(f"{END_OF_BLOCK}\n")
    # Prometheus 3 remarks that the names of Ceilometer's counters do not end in _total.
    told = [line for line in done.err.splitlines() if "metric might not be a counter" not in line]
    assert (rest, told) == ("", [])
    return dict(zip(steps, printed, strict=True))


def output_of(outputs: dict[str, str], text: str) -> str:
    """Return the output of the only block that contains the text."""
    (found,) = (printed for step, printed in outputs.items() if text in step)
    return found


def test_every_check_of_doctor_is_ok(outputs):
    printed = output_of(outputs, "chrysaetos doctor")
    assert printed.count("| ok ") == 7
    assert "failed" not in printed


def test_whoami_shows_what_the_tutorial_says(outputs):
    printed = output_of(outputs, "chrysaetos whoami")
    for text in ("aquila", "member", "reader", "series of your project"):
        assert text in printed


def test_there_are_three_servers(outputs):
    assert len(re.findall(r"^\| \w+-0 .*B +\|$", output_of(outputs, "chrysaetos top"), re.MULTILINE)) == 3
    assert "ceilometer_cpu" in output_of(outputs, "values __name__")
    assert output_of(outputs, "values __name__").count(":instance-") == 3
    assert output_of(outputs, "chrysaetos query 'sum by").count(":instance-") == 3


def test_the_plot_is_drawn(outputs):
    drawn = output_of(outputs, "--plot")
    assert drawn.count("┤") > 10
    assert any("\u2800" < dots <= "\u28ff" for dots in drawn)


@pytest.mark.usefixtures("outputs")
def test_the_image(folder):
    assert (folder / "vcpus.svg").read_text(encoding="utf-8").startswith("<svg ")


def in_demo(folder: Path, command: str) -> Output:
    """Run a command as aquila."""
    script = f". demo/aquila.openrc\n{command}"
    return run(["bash", "-ec", script], cwd=folder, env=terminal(), timeout=240)


def test_the_commands_of_the_how_to(folder):
    steps = [block.text for block in blocks(COMMANDS) if block.language == "sh"]
    outputs = {step: in_demo(folder, step) for step in steps}
    assert all(output.out or "vcpus.svg" in step or "web-0" in step for step, output in outputs.items())
    (hint,) = (output.err for step, output in outputs.items() if "web-0" in step)
    assert f"```text\n{hint}```" in COMMANDS.read_text(encoding="utf-8")
    assert len(outputs) > 5


def test_an_exporter_of_ones_own(folder):
    (example,) = (block for block in blocks(COMMANDS) if block.language == "toml")
    text = example.text.replace("vm_cpu_seconds_total", "ceilometer_vcpus").replace("vm_", "ceilometer_")
    (folder / example.name).write_text(text, encoding="utf-8")
    shown = in_demo(folder, f"chrysaetos top --exporters {example.name} --exporter myexporter")
    assert "no servers" in shown.err


def test_promtool(folder):
    page = (DOCS / "how-to" / "use.md").read_text(encoding="utf-8")
    command = re.search(r"^    (promtool .*)$", page, re.MULTILINE)
    assert command is not None
    gateway = json.loads((folder / "demo" / "demo.json").read_text())["gateway_url"]
    url = gateway.replace("://", "://$APPLICATION_CREDENTIAL@")
    assert "https://$ID:$SECRET@${GATEWAY#https://}" in command[1]
    shown = in_demo(folder, command[1].replace("https://$ID:$SECRET@${GATEWAY#https://}", url))
    assert shown.out.count("ceilometer_memory_usage{") == 3


@pytest.mark.usefixtures("outputs")
def test_the_csv_table(folder):
    with (folder / "vcpus.csv").open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert len(header) == 4
    assert len(rows) == 19


def test_openstack_has_the_same_result(outputs):
    assert output_of(outputs, "openstack metric").split() == ["3"]


def test_explain_shows_the_project(outputs):
    assert re.search(r'ceilometer_cpu\{project="[0-9a-f]{32}"\}', output_of(outputs, "explain"))


def test_an_administrator_sees_all_projects(outputs):
    printed = output_of(outputs, "admin.openrc")
    for project in ("aquila", "bubo", "corvus", "compute-"):
        assert project in printed


def test_the_script_reports_each_server(outputs):
    lines = output_of(outputs, "report.py").splitlines()
    assert len(lines) == 3
    for line in lines:
        found = re.fullmatch(r"\S+:instance-\d+ +(\d\.\d\d) now, +(\d\.\d\d) at most", line)
        assert found
        assert float(found[1]) > 0
        assert float(found[2]) > 0

"""Control characters from a server: escaped on a terminal, exact in a pipe."""

import os
import pty
import subprocess
import sys
import termios

import pytest
from tests.fakes.metrics_server import MetricsServer, success

NAME, VALUE = "na\x1b]0;me\x07", "va\r\x1b[2Jlue\u202e\x9b"
COMMAND = [sys.executable, "-m", "chrysaetos", "query", "up", "--url"]
VECTOR = {"resultType": "vector", "result": [{"metric": {NAME: VALUE}, "value": [1, "1"]}]}


def on_terminal(command, columns=80, **variables):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    environment = {**os.environ, "TERM": "xterm", **variables}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        output = b""
        try:
            while chunk := os.read(ours, 65536):
                output += chunk
        except OSError:  # Linux reports the end of a terminal as EIO
            pass
        os.close(ours)
        process.wait(20)
    return output.decode()


@pytest.mark.parametrize("output_format", ["table", "value", "csv", "yaml", "json"])
def test_no_control_character_reaches_a_terminal(output_format):
    with MetricsServer(lambda _: success(VECTOR, warnings=["be\x07ware"])) as server:
        shown = on_terminal([*COMMAND, server.url, "-f", output_format])
    lines = shown.replace("\r\n", "")
    assert "lue" in lines
    assert "ware" in lines
    assert lines.isprintable()


def test_no_name_of_a_project_reaches_a_terminal_as_it_is(tmp_path):
    file = tmp_path / "site.toml"
    file.write_text(
        '[default]\ndomain_id = "d"\n[[default.projects]]\nproject_id = "p"\n'
        'project_name = "one\\u001b]0;me\\u0007"\nmachines = [{instance_id = "a"}]\n'
    )
    command = [sys.executable, "-m", "chrysaetos", "usage", "--once", "--dummy-data", str(file)]
    shown = on_terminal(command, 1000)
    assert 'project_name="one ]0;me "' in shown
    assert shown.replace("\r\n", "").isprintable()
    exact = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    assert b'project_name="one\x1b]0;me\x07"' in exact


def test_a_pipe_gets_the_exact_text():
    with MetricsServer(lambda _: success(VECTOR)) as server:
        result = subprocess.run(
            [*COMMAND, server.url, "-f", "value"], capture_output=True, check=True, timeout=30
        )
    assert result.stdout.decode() == f"{VALUE} 1\n"


COMMON: dict[str, str] = {f"label{n}": f"the same text {n}" for n in range(13)}
WIDE = {
    "resultType": "vector",
    "result": [
        {"metric": COMMON | {"__name__": "disk_bytes", "vm": vm}, "value": [1, "3514647552"]}
        for vm in ("web-0", "db-0")
    ],
}


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_table_fits_the_terminal(columns):
    with MetricsServer(lambda _: success(WIDE)) as server:
        lines = on_terminal([*COMMAND, server.url], columns, COLUMNS=str(columns)).splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[0].startswith('disk_bytes{label0="the same text 0",')
    assert "| web-0 | 3.27 GiB |" in lines
    assert "label12=" in "".join(lines)


def test_a_terminal_shows_exact_values_on_request():
    with MetricsServer(lambda _: success(WIDE)) as server:
        assert "| web-0 | 3514647552 |" in on_terminal([*COMMAND, server.url, "--raw"])
        for output_format in ("json", "csv", "value", "yaml"):
            assert "3514647552" in on_terminal([*COMMAND, server.url, "-f", output_format])


def test_a_pipe_gets_all_columns_and_exact_values():
    with MetricsServer(lambda _: success(WIDE)) as server:
        result = subprocess.run(
            [*COMMAND, server.url], capture_output=True, check=True, timeout=30, text=True
        )
    header, row = (result.stdout.splitlines()[n].split("|")[1:-1] for n in (1, 3))
    assert [name.strip() for name in header] == ["__name__", *sorted(COMMON), "vm", "value"]
    assert row[-1].strip() == "3514647552"
    assert "\x1b" not in result.stdout


def plot_on_terminal(**variables):
    matrix = [{"metric": {"vm": vm}, "values": [[1, "1"], [2, "2"]]} for vm in "ab"]
    with MetricsServer(lambda _: success({"resultType": "matrix", "result": matrix})) as server:
        command = [sys.executable, "-m", "chrysaetos", "range", "up", "--plot", "--url", server.url]
        return on_terminal([*command, "--start", "1", "--end", "2"], **variables)


def test_colours_and_characters_follow_the_environment():
    assert "\x1b[36m" in plot_on_terminal()
    assert "\u2800" <= max(plot_on_terminal()) <= "\u28ff"
    assert "\x1b[" not in plot_on_terminal(NO_COLOR="1")
    assert plot_on_terminal(TERM="dumb").isascii()
    ascii_locale = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    assert plot_on_terminal(**ascii_locale).isascii()

"""Control characters from a server: escaped on a terminal, exact in a pipe."""

import os
import pty
import subprocess
import sys

import pytest
from tests.fakes.metrics_server import MetricsServer, success

NAME, VALUE = "na\x1b]0;me\x07", "va\r\x1b[2Jlue\u202e\x9b"
COMMAND = [sys.executable, "-m", "chrysaetos", "query", "up", "--url"]
VECTOR = {"resultType": "vector", "result": [{"metric": {NAME: VALUE}, "value": [1, "1"]}]}


def on_terminal(command):
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
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


def test_a_pipe_gets_the_exact_text():
    with MetricsServer(lambda _: success(VECTOR)) as server:
        result = subprocess.run(
            [*COMMAND, server.url, "-f", "value"], capture_output=True, check=True, timeout=30
        )
    assert result.stdout.decode() == f"{VALUE} 1\n"

"""Exit status and error message of commands."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.metrics_server import failed
from tests.support import commands
from tests.support.commands import Output

from chrysaetos.cli import query
from chrysaetos.demo.processes import free_port

QUERY = "/api/v1/query"
PROGRAM = str(Path(sys.executable).with_name("chrysaetos"))


def scalar(responses, text="1"):
    responses.set(QUERY, {"resultType": "scalar", "result": [1, text]})


def test_an_error_is_one_line(run_on_server, responses):
    responses.replies[QUERY] = failed(403, "forbidden", "not for you")
    output = run_on_server("query", "up")
    assert (output.status, output.printed) == (1, "")
    assert output.err.startswith("chrysaetos query: ")
    assert output.err.count("\n") == 1
    assert "not for you" in output.err


def test_control_characters_in_errors_are_escaped(run_on_server, responses):
    responses.replies[QUERY] = failed(422, "execution", "\x1b[2Jgone")
    output = run_on_server("query", "up")
    assert output.status == 1
    assert "\x1b" not in output.err
    assert "gone" in output.err


def test_connection_refused_is_one_line(run):
    output = run("query", "up", "--timeout", "1", "--url", f"http://127.0.0.1:{free_port()}")
    assert output.status == 1
    assert output.err.count("\n") == 1


def test_debug_shows_the_traceback(run_on_server, responses):
    handlers = logging.getLogger().handlers[:]
    responses.replies[QUERY] = failed(403, "forbidden", "not for you")
    output = run_on_server("query", "up", "--debug")
    logging.getLogger().handlers[:] = handlers
    assert output.status == 1
    assert "Traceback" in output.err
    assert output.err.splitlines()[-1].startswith("chrysaetos query: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("query",),
        ("query", "up", "--time", "soon"),
        ("query", "up", "--watch", "0"),
        ("range", "up", "--step", "-5m"),
        ("range", "up", "--plot", "--wide"),
        ("query", "up", "--limit", "many"),
        ("query", "up", "-f", "xml"),
        ("targets", "--state", "gone"),
    ],
)
def test_invalid_arguments_exit_with_2(arguments, run_on_server, server):
    output = run_on_server(*arguments)
    assert (output.status, output.printed) == (2, "")
    assert output.err.splitlines()[-1].startswith(f"chrysaetos {arguments[0]}: error: ")
    assert "--os-password" not in output.err
    assert server.requests == []


def test_an_unknown_column_exits_with_2(run_on_server, responses):
    scalar(responses)
    output = run_on_server("query", "1", "-c", "vm")
    assert output.status == 2
    assert output.err.count("\n") == 1


def test_an_interrupt_exits_with_130_silently(run_on_server, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(query.Instant, "take_action", interrupted)
    assert run_on_server("query", "up") == Output(130, "", "")


def test_an_internal_error_is_one_line(run_on_server, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(query.Instant, "take_action", broken)
    assert run_on_server("query", "up") == Output(1, "", "chrysaetos query: ZeroDivisionError\n")


def test_a_closed_pipe_is_not_an_error(responses, server):
    scalar(responses, "1" * 2_000_000)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [PROGRAM, "query", "1", "--url", server.url, "-f", "value"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_standard_stream_may_be_closed(closed, responses, server):
    responses.set(QUERY, {"resultType": "vector", "result": []})
    responses.set("/api/v1/labels", [])
    responses.set("/api/v1/label/__name__/values", [])
    done = commands.run(["sh", "-c", f'"$@" {closed}', "sh", PROGRAM, "query", "up", "--url", server.url])
    assert done.status == 0
    assert ("no series" in done.err) is (closed != "2>&-")


def test_every_character_can_be_written(responses, server):
    responses.set(QUERY, {"resultType": "string", "result": [1, "naïve ☃"]})
    done = commands.run(
        [PROGRAM, "query", '"x"', "--url", server.url, "-f", "value"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.out == "na\\xefve \\u2603\n"

"""How a command ends: status, one line, nothing else."""

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


def scalar(canned, text="1"):
    canned.says(QUERY, {"resultType": "scalar", "result": [1, text]})


def test_an_error_is_one_line(ask, canned):
    canned.replies[QUERY] = failed(403, "forbidden", "not for you")
    said = ask("query", "up")
    assert (said.status, said.printed) == (1, "")
    assert said.err.startswith("chrysaetos query: ")
    assert said.err.count("\n") == 1
    assert "not for you" in said.err


def test_an_error_cannot_steer_the_terminal(ask, canned):
    canned.replies[QUERY] = failed(422, "execution", "\x1b[2Jgone")
    said = ask("query", "up")
    assert said.status == 1
    assert "\x1b" not in said.err
    assert "gone" in said.err


def test_nobody_there_is_one_line(run):
    said = run("query", "up", "--timeout", "1", "--url", f"http://127.0.0.1:{free_port()}")
    assert said.status == 1
    assert said.err.count("\n") == 1


def test_debug_shows_where_an_error_comes_from(ask, canned):
    handlers = logging.getLogger().handlers[:]
    canned.replies[QUERY] = failed(403, "forbidden", "not for you")
    said = ask("query", "up", "--debug")
    logging.getLogger().handlers[:] = handlers
    assert said.status == 1
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1].startswith("chrysaetos query: ")


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
def test_a_mistake_in_the_call_is_2(arguments, ask, server):
    said = ask(*arguments)
    assert (said.status, said.printed) == (2, "")
    assert said.err.splitlines()[-1].startswith(f"chrysaetos {arguments[0]}: error: ")
    assert "--os-password" not in said.err
    assert server.requests == []


def test_a_column_that_is_not_there_is_2(ask, canned):
    scalar(canned)
    said = ask("query", "1", "-c", "vm")
    assert said.status == 2
    assert said.err.count("\n") == 1


def test_an_interrupt_is_130_and_silent(ask, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(query.Instant, "take_action", interrupted)
    assert ask("query", "up") == Output(130, "", "")


def test_a_fault_of_our_own_is_one_line_too(ask, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(query.Instant, "take_action", broken)
    assert ask("query", "up") == Output(1, "", "chrysaetos query: ZeroDivisionError\n")


def test_a_reader_that_has_gone_is_no_error(canned, server):
    scalar(canned, "1" * 2_000_000)
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


def test_every_character_can_be_written(canned, server):
    canned.says(QUERY, {"resultType": "string", "result": [1, "naïve ☃"]})
    done = commands.run(
        [PROGRAM, "query", '"x"', "--url", server.url, "-f", "value"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.out == "na\\xefve \\u2603\n"

"""``chrysaetos complete``: completions, alone and in real shells."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from tests.fakes.metrics_server import MetricsServer, failed, success

from chrysaetos.cli.main import command_names, parsers
from chrysaetos.cli.names import Names

METRICS = ["ceilometer_cpu", "ceilometer_vcpus", "up"]
HOSTILE = ["a'; rm -rf ~; '", "$(reboot)", "`reboot`", 'x"y', "a\nb", "a!b", "a\\b"]


def reply(request):
    if request.path == "/api/v1/labels":
        return success(["__name__", "resource", "resource_name"])
    if "__name__" in request.path:
        return success([*METRICS, *HOSTILE])
    return success(["web-0:instance-1", "web 1", *HOSTILE])


@pytest.fixture
def metrics(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with MetricsServer(reply) as server:
        monkeypatch.setenv("CHRYSAETOS_URL", server.url)
        yield server


@pytest.fixture
def complete(run, metrics):  # the server of the variables
    return lambda *words: run("complete", "--words", *words).out.splitlines()


def test_commands_are_completed(complete):
    assert complete("ra") == ["range "]
    assert complete("help", "ra") == ["range "]
    assert {"help ", "top ", "query ", "doctor ", "demo ", "gateway ", "scope "} <= set(complete(""))
    assert complete("gateway", "in") == ["init "]
    assert complete("federate", "tok") == ["token "]
    assert complete("federate", "token", "ro") == ["rotate "]
    assert complete("nonsense", "x") == []


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("query", "--wa"), ["--watch "]),
        (("range", "up", "--pl"), ["--plot "]),
        (("series", "--os-clo"), ["--os-cloud "]),
        (("demo", "--st"), ["--state-dir "]),
        (("scope", "--pro"), ["--project "]),
        (("gateway", "--config-f"), ["--config-file "]),
        (("usage", "--simple-vm-i"), ["--simple-vm-id "]),
        (("federate", "token", "new", "--al"), ["--allow "]),
        (("query", "up", "-f", "j"), ["json "]),
        (("top", "--sort", "me"), ["memory "]),
        (("complete", "--shell", "z"), ["zsh "]),
        (("range", "--step", ""), []),
    ],
)
def test_options_and_their_choices_are_completed(words, options, complete):
    assert complete(*words) == options


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("query", "ceil"), ["ceilometer_cpu ", "ceilometer_vcpus "]),
        (("query", "--watch", "u"), ["up "]),
        (("range", "'sum(rate(ceilometer_c"), ["sum(rate(ceilometer_cpu"]),
        (("query", "'up + ceilometer_v"), ["up + ceilometer_vcpus"]),
        (("query", "'sum by (resource_"), ["sum by (resource_name"]),
        (("query", "'a / on (x, res"), ["a / on (x, resource", "a / on (x, resource_name"]),
        (("query", "'up{res"), ["up{resource=", "up{resource_name="]),
        (("query", '\'up{a="b",resource_'), ['up{a="b",resource_name=']),
        (("query", "'up{resource_name=~\"web-"), ['up{resource_name=~"web-0:instance-1"']),
        (("series", "ceilometer_c"), ["ceilometer_cpu "]),
        (("labels", "--match", "ceilometer_c"), ["ceilometer_cpu "]),
        (("values", "resource_"), ["resource_name "]),
        (("metadata", "u"), ["up "]),
        (("query", "'rate(up[5"), []),
        (("query", "'up{a=b"), []),
        (("whoami", ""), []),
    ],
)
def test_names_of_the_server_are_completed(words, found, complete):
    assert complete(*words) == found


def test_values_that_are_special_in_a_shell_are_not_offered(complete):
    shown = complete("query", "'up{resource=\"") + complete("query", "'")
    assert {'up{resource="web 1"', "up"} <= set(shown)
    assert not any(hostile in line for line in shown for hostile in ("reboot", "rm", "x", "!", "\\"))


def test_names_are_kept_for_some_minutes_in_a_private_file(complete, metrics, tmp_path, monkeypatch):
    assert complete("query", "u") == complete("range", "u") == ["up "]
    assert len(metrics.requests) == 1
    (file,) = (tmp_path / "cache" / "chrysaetos").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert complete("query", "--user", "bob:hidden", "u") == ["up "]
    assert complete("query", "--user", "bob:other", "u") == ["up "]
    assert len(metrics.requests) == 2
    assert "hidden" not in "".join(each.read_text() for each in file.parent.iterdir())
    later = time.time() + 301
    monkeypatch.setattr(time, "time", lambda: later)
    assert complete("query", "u") == ["up "]
    assert len(metrics.requests) == 3
    key = json.dumps(["values", "__name__", ""])
    for number, damaged in enumerate(
        ("damaged", "[]", json.dumps({key: 5}), json.dumps({key: ["x", []]})), start=4
    ):
        file.write_text(damaged)
        assert complete("query", "u") == ["up "]
        assert len(metrics.requests) == number


def test_nothing_is_kept_with_a_token(complete, metrics, tmp_path, monkeypatch):
    monkeypatch.setenv("CHRYSAETOS_TOKEN", "t")
    assert complete("query", "u") == complete("query", "u") == ["up "]
    assert len(metrics.requests) == 2
    assert not (tmp_path / "cache").exists()


def test_failures_complete_nothing(complete, metrics, monkeypatch):
    metrics.replies = lambda _: failed(403, "forbidden", "no")
    assert complete("query", "u") == []
    assert complete("query", "--timeout", "soon", "u") == []
    monkeypatch.delenv("CHRYSAETOS_URL")
    assert complete("query", "u") == []
    with Names(["--user", "a:b"]) as names:
        assert names.metrics() == []


def test_every_command_has_a_parser():
    known = parsers()
    assert list(known) == command_names()
    assert all(parser.prog == f"chrysaetos {name}" for name, parser in known.items())


def test_a_command_without_its_extra_is_not_completed(monkeypatch, complete):
    monkeypatch.setitem(sys.modules, "cliff.show", None)
    monkeypatch.delitem(sys.modules, "chrysaetos.cli.whoami", raising=False)
    known = parsers()
    assert not {"whoami", "explain"} & known.keys()
    assert {"query", "gateway", "scope"} <= known.keys()
    assert complete("whoami", "--os") == []


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(chrysaetos complete)\n"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "autoload -Uz compinit; compinit -D -u; source <(chrysaetos complete --shell zsh)\n",
    ),
    "fish": (["fish", "--no-config", "-i"], "chrysaetos complete --shell fish | source\n"),
}


def typed(shell, expected, text, folder):
    """Type a text with tabs into a shell, and return what it shows up to the expected text."""
    command, script = SHELLS[shell]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 200))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "TMPDIR": folder, "TERM": "xterm" if shell == "fish" else "dumb"}
    shown = ""

    def wait_for(expected):
        nonlocal shown
        end = time.monotonic() + 30
        while expected not in shown:
            assert time.monotonic() < end, shown
            if select.select([ours], [], [], 0.5)[0]:
                shown += os.read(ours, 65536).decode(errors="replace").replace("\a", "")

    with subprocess.Popen(
        ["setsid", "--ctty", *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **own},
    ) as process:
        os.close(theirs)
        try:
            os.write(ours, f"{script}echo rea''dy\n".encode())
            wait_for("ready")
            shown = ""
            os.write(ours, text.encode())
            wait_for(expected)
        finally:
            process.kill()
            os.close(ours)
    return shown


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("text", "expected"), [("'sum(rate(ceilometer_c\t", "cpu"), ("ceilometer_v\t", "cpus"), ("u\t", "p ")]
)
@pytest.mark.usefixtures("metrics")
def test_real_shells(shell, text, expected, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    shown = typed(shell, expected, f"chrysaetos query {text}", str(tmp_path))
    # fish closes the quotation.
    assert "cpu'" not in shown or shell == "fish"

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from chrysaetos.demo import gateway, main

FAKE_GATEWAY = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/-/ready" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


EXITS_LATER = """
import os, pathlib, sys, threading, time
def end():
    while not pathlib.Path(sys.argv[2], "../demo.json").exists():
        time.sleep(0.05)
    os._exit(7)
threading.Thread(target=end, daemon=True).start()
"""


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chrysaetos demo")
    main.add_arguments(parser)
    return parser.parse_args(arguments)


def running_processes(directory: Path) -> list[str]:
    """Return the command lines of processes that use a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line and int(path.parent.name) != os.getpid():
            found.append(line)
    return found


@pytest.fixture
def fake_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(self: gateway.Gateway) -> list[str]:
        return [sys.executable, "-c", FAKE_GATEWAY, str(self.port), str(self.directory)]

    monkeypatch.setattr(gateway.Gateway, "command", command)


@pytest.mark.usefixtures("fake_gateway")
def test_two_starts_with_the_same_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "demo"
    assert main.run(parse("--state-dir", str(state), "--exit-after", "0")) == 0
    first = capsys.readouterr()
    assert "wrote 24.0 h of history" in first.err
    assert "As aquila" in first.out
    assert running_processes(state) == []

    path = state / "demo.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    demo = json.loads(path.read_text())
    assert demo["keystone_url"].endswith("/v3")
    assert {"gateway_url", "prometheus_url"} < set(demo)
    assert [tenant["user"] for tenant in demo["tenants"]] == ["aquila", "bubo", "corvus"]
    for account in (*demo["tenants"], demo["admin"], demo["service"]):
        assert set(account) == {
            "user",
            "password",
            "project_id",
            "project_name",
            "application_credential",
            "domain",
        }
        assert set(account["application_credential"]) == {"id", "secret"}
        assert account["domain"] == "default"
    assert set(demo["stranger"]) == {"user", "password", "domain"}

    assert main.run(parse("--state-dir", str(state), "--exit-after", "0")) == 0
    second = capsys.readouterr()
    assert "of history" not in second.err
    assert json.loads(path.read_text())["tenants"] == demo["tenants"]
    assert running_processes(state) == []


def test_the_exit_of_the_gateway_stops_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "demo"

    def run_with(script: str) -> str:
        def command(self: gateway.Gateway) -> list[str]:
            return [sys.executable, "-c", script, str(self.port), str(self.directory)]

        monkeypatch.setattr(gateway.Gateway, "command", command)
        assert main.run(parse("--state-dir", str(state), "--exit-after", "30")) == 1
        assert running_processes(state) == []
        return capsys.readouterr().err

    during_the_start = run_with("raise SystemExit('[prometheus] port: not a port')")
    assert "Gateway exited with status 1" in during_the_start
    assert "[prometheus] port: not a port" in during_the_start
    assert not (state / "demo.json").exists()

    later = run_with(EXITS_LATER + FAKE_GATEWAY)
    assert "ready; press Ctrl-C to stop" in later
    assert "Gateway exited with status 7" in later


def test_a_signal_during_the_start_stops_the_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        assert main.run(parse("--state-dir", str(tmp_path / "demo"))) == 130
    finally:
        timer.join()
    assert "stopped before everything was ready" in capsys.readouterr().err
    assert running_processes(tmp_path) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_directory_with_other_files_is_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").touch()
    assert main.run(parse("--state-dir", str(tmp_path))) == 1
    assert capsys.readouterr().err == (
        f"chrysaetos demo: {tmp_path}: is not empty and does not belong to a demo\n"
    )


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan", "inf"])
def test_an_invalid_time_is_rejected(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(f"--exit-after={seconds}")
    assert refused.value.code == 2
    assert f"'{seconds}' is not a number of at least 0" in capsys.readouterr().err

"""``chrysaetos federate``: its arguments, its start and its stop."""

import os
import signal
import socket
import subprocess
import sys

import pytest
from tests.fakes.wire import Recorder, Wire, statuses

from chrysaetos.cli.main import main
from chrysaetos.demo.processes import free_port, wait_for
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import new_token, write_tokens


@pytest.fixture
def file(tmp_path):
    write_tokens(tmp_path / "tokens.json", [new_token("portal", Policy(("up",)), now=0.0, expires=None)[1]])
    return tmp_path / "tokens.json"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tls-cert", "x"], "give both or neither"),
        (["--tls-key", "x"], "give both or neither"),
        (["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "cannot be used"),
        (["--upstream", "x"], "--upstream: "),
        (["--upstream-user", "x"], "both or neither"),
        (["--upstream-user", "x", "--upstream-password-file", "/nowhere"], "--upstream-password-file: "),
        (["--audit-file", "/nowhere/x"], "--audit-file: "),
        (["--bind", "nowhere.invalid"], "--bind: 'nowhere.invalid' has no address"),
        (["--tokens", "/nowhere/tokens.json"], "the token file /nowhere/tokens.json cannot be read"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(file, capsys, arguments, message):
    assert main(["federate", "--tokens", str(file), *arguments]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("chrysaetos federate: ")
    assert message in shown
    assert shown.count("\n") == 1


def test_a_port_in_use_is_reported(file, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["federate", "--tokens", str(file), "--port", str(port)]) == 2
    assert f"--bind and --port: cannot listen on 127.0.0.1 port {port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "65536"],
        ["--port", "x"],
        ["--metrics-port", "-1"],
        ["--timeout", "0"],
        ["--timeout", "nan"],
        ["--max-requests", "0"],
        ["--max-response-bytes", "1e6"],
        ["--requests-per-second", "-1"],
        ["--failures-per-second", "inf"],
        ["--audit-format", "xml"],
        ["serve"],
    ],
)
def test_an_invalid_argument_is_rejected(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(["federate", *arguments])
    assert caught.value.code == 2
    assert "usage: chrysaetos federate" in capsys.readouterr().err


def test_the_gate_serves_notifies_systemd_and_stops(file, tmp_path):
    password = tmp_path / "password"
    password.write_text("pass\n")
    port = free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, Recorder() as upstream:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        secret, token = new_token("portal", Policy(("up",)), now=0.0, expires=None)
        write_tokens(file, [token])
        command = [sys.executable, "-m", "chrysaetos", "federate", "--tokens", str(file), "--port", str(port)]
        command += ["--upstream", f"{upstream.url}/prefix", "--bind", "127.0.0.1"]
        command += ["--upstream-user", "gate", "--upstream-password-file", str(password)]
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        log = tmp_path / "log"
        with log.open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            assert manager.recv(1000).startswith(b"READY=1")
            with Wire(("127.0.0.1", port)) as client:
                client.send(b"GET /federate?match[]=up HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ")
                client.send(secret.encode() + b"\r\nCookie: a=b\r\nX-Roles: admin\r\n\r\n")
                assert statuses(client.answer()) == [200]
            head = bytes(upstream.received)
            assert head.startswith(b"GET /prefix/federate?match%5B%5D=%7B__name__%3D%22up%22%2C")
            assert b"\r\nAuthorization: Basic Z2F0ZTpwYXNz\r\n" in head
            assert b"Cookie" not in head
            assert b"Roles" not in head
            assert secret.encode() not in head
            process.send_signal(signal.SIGHUP)
            assert manager.recv(1000).startswith(b"RELOADING=1")
            assert manager.recv(1000).startswith(b"READY=1")
            assert wait_for(lambda: "reloaded the token file: 1 tokens" in log.read_text(), timeout=5)
            process.terminate()
            assert manager.recv(1000).startswith(b"STOPPING=1")
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()


def test_a_warning_is_logged_without_tls(file, tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-m", "chrysaetos", "federate", "--tokens", str(file)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--bind", "127.0.0.2", "--port", str(free_port())], stdout=output, stderr=output
        )
    try:
        assert wait_for(lambda: "without --tls-cert" in log.read_text(), timeout=20)
    finally:
        process.kill()
        process.wait()

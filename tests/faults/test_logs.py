"""A log that cannot be written: nobody reads the pipe, or the disk is full. The servers keep working."""

import json
import os
import signal
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faults.servers import ALIVE, SECONDS, ask, gateway, query, server, serves

from chrysaetos.demo.processes import free_port, wait_for
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import new_token, write_tokens


@contextmanager
def full_pipe():
    """A pipe into which nothing can be written, because nobody reads it."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write, True)
    try:
        yield write
    finally:
        os.close(read)
        os.close(write)


def lost(port):
    """Return the lost lines by log and reason."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=SECONDS) as response:
        lines = response.read().decode().splitlines()
    prefix = "chrysaetos_log_lines_lost_total"
    found = (line.removeprefix(prefix).rpartition(" ") for line in lines if line.startswith(prefix))
    return {labels: float(value) for labels, _, value in found}


@pytest.mark.parametrize("workers", [1, 2])
def test_gateway_serves_and_stops_while_nobody_reads_its_log(tmp_path, workers):
    with full_pipe() as pipe, gateway(tmp_path, stderr=pipe, workers=workers) as (process, address):
        assert ask(address, query(1000), times=200) == [200] * 200
        assert ask(address, ALIVE) == [200]
        process.send_signal(signal.SIGHUP)
        assert ask(address, ALIVE) == [200]
        process.terminate()
        assert process.wait(SECONDS) == 0


def test_dropped_lines_are_counted(tmp_path):
    port = free_port()
    options = {"metrics_port": port, "audit_max_text": 30_000}
    with full_pipe() as pipe, gateway(tmp_path, stderr=pipe, **options) as (_, address):
        assert ask(address, query(25_000), times=200) == [200] * 200
        dropped = lost(port)['{log="process",reason="queue_full"}']
        assert 0 < dropped < 200


def test_audit_file_has_whole_lines_when_the_disk_is_full(tmp_path):
    port, audit, log = free_port(), tmp_path / "audit.log", tmp_path / "log"
    options = {"metrics_port": port, "audit_file": audit, "audit_format": "json"}
    with (
        log.open("wb") as stderr,
        gateway(tmp_path, stderr=stderr, ulimit="-f 100", **options) as (process, address),
    ):
        for _ in range(40):
            assert ask(address, query(300), times=10) == [200] * 10
        rotated = audit.rename(tmp_path / "audit.log.1")
        assert ask(address, query(10)) == [200]

        def counted():
            failed = lost(port)['{log="audit",reason="write_failed"}']
            return failed + sum(
                len(file.read_text().splitlines()) for file in (rotated, audit) if file.exists()
            )

        assert wait_for(lambda: counted() == 401, timeout=SECONDS)
        process.terminate()
        assert process.wait(SECONDS) == 0
    assert rotated.read_text().endswith("\n")
    before, after = (file.read_text().splitlines() for file in (rotated, audit))
    assert all(json.loads(line)["endpoint"] == "query" for line in before + after)
    assert 0 < len(before) < 400
    assert len(after) > 0
    reports = [line for line in log.read_text().splitlines() if "lines of the audit log are lost" in line]
    assert len(reports) == 1
    assert "Traceback" not in log.read_text()


def test_gate_serves_and_stops_while_nobody_reads_its_log(tmp_path):
    port, tokens = free_port(), tmp_path / "tokens.json"
    write_tokens(tokens, [new_token("portal", Policy(("up",)), now=0.0, expires=None)[1]])
    with full_pipe() as pipe, server("federate", "--tokens", tokens, "--port", port, stderr=pipe) as process:
        address = ("127.0.0.1", port)
        assert serves(address)
        assert ask(address, b"GET /federate HTTP/1.1\r\nHost: h\r\n\r\n", times=10) == [401] * 10
        process.terminate()
        assert process.wait(SECONDS) == 0


def test_usage_exporter_serves_and_stops_while_nobody_reads_its_log():
    port, data = free_port(), Path("docs/examples/usage-site.toml")
    with full_pipe() as pipe, server("usage", "--dummy-data", data, "--port", port, stderr=pipe) as process:
        address = ("127.0.0.1", port)
        assert serves(address)
        process.terminate()
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize(
    ("section", "option"), [("DEFAULT", "log_file"), ("gateway", "audit_file"), ("gateway", None)]
)
@pytest.mark.parametrize("kind", ["a FIFO", "a missing directory"])
def test_a_log_that_cannot_be_opened_fails_the_start_at_once(tmp_path, section, option, kind):
    """A FIFO that nothing reads blocked the start, and SIGTERM; a missing directory printed a traceback."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    path = fifo if kind == "a FIFO" else tmp_path / "nowhere" / "log"
    command = ["federate", "--audit-file", path, "--tokens", tmp_path / "tokens.json"]
    if option is None:
        token = new_token("portal", Policy(("up",)), now=0.0, expires=None)[1]
        write_tokens(tmp_path / "tokens.json", [token])
        name = "--audit-file"
    else:
        config = tmp_path / "aetos.conf"
        config.write_text(f"[DEFAULT]\nauth_mode = noauth\n[{section}]\n{option} = {path}\n")
        command = ["gateway", "--config-file", config]
        name = f"[{section}] {option}"
    with (tmp_path / "stderr").open("wb") as output, server(*command, stderr=output) as process:
        assert process.wait(SECONDS) == 2
    (line,) = (tmp_path / "stderr").read_text().splitlines()
    assert f"{name}: " in line
    assert str(path) in line


def test_an_audit_file_may_be_a_fifo_that_is_read(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    output = (tmp_path / "stderr").open("wb")
    with output, gateway(tmp_path, stderr=output, audit_file=fifo) as (_, address):
        assert ask(address, query(3)) == [200]
        os.set_blocking(reader, True)
        assert b"status=200" in os.read(reader, 65536)
    os.close(reader)


def test_the_log_continues_in_a_new_file_after_a_rotation(tmp_path):
    log = tmp_path / "gateway.log"
    config, socket = tmp_path / "aetos.conf", tmp_path / "gateway.sock"
    config.write_text(
        f"[DEFAULT]\nauth_mode = noauth\nlog_file = {log}\n[gateway]\nunix_socket = {socket}\n"
        f"[prometheus]\nport = {free_port()}\n"
    )
    output = (tmp_path / "stderr").open("wb")
    with output, server("gateway", "--config-file", config, stderr=output) as process:
        assert serves(str(socket))
        log.rename(tmp_path / "gateway.log.1")
        assert ask(str(socket), query(3)) == [503]
        assert wait_for(lambda: log.exists() and "query=" in log.read_text(), timeout=SECONDS)
        process.terminate()
        assert process.wait(SECONDS) == 0

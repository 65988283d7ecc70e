"""Run the servers of the product under limits, and send requests to them."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

from tests.fakes.wire import Recorder, Wire, statuses

from chrysaetos.demo.processes import wait_for

__all__ = ["ALIVE", "SECONDS", "ask", "gateway", "query", "server", "serves"]

ALIVE = b"GET /-/healthy HTTP/1.1\r\nHost: h\r\n\r\n"
SECONDS = 10
"""Time for a response or for the shutdown, which waits 2 s for each log."""


def query(characters):
    """Return a request with a query of some length."""
    return b"GET /api/v1/query?query=%s HTTP/1.1\r\nHost: h\r\n\r\n" % (b"a" * characters)


@contextmanager
def server(*arguments, stderr, ulimit=None):
    """Run a command of the product; ``ulimit`` has the arguments of the shell's command."""
    command = [sys.executable, "-m", "chrysaetos", *map(str, arguments)]
    if ulimit is not None:
        command = ["sh", "-c", f'ulimit {ulimit}; exec "$@"', "sh", *command]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def gateway(directory, *, stderr, ulimit=None, **options):
    """Run a gateway without Keystone on a Unix socket; yield its process and its address."""
    path = directory / "gateway.sock"
    (directory / "policy.yaml").write_text("{}")
    with Recorder() as upstream:
        lines = [
            f"[DEFAULT]\nauth_mode = noauth\n[prometheus]\nhost = 127.0.0.1\nport = {upstream.port}",
            f"[oslo_policy]\npolicy_file = {directory / 'policy.yaml'}\n[gateway]\nunix_socket = {path}",
            *(f"{name} = {value}" for name, value in options.items()),
        ]
        (directory / "aetos.conf").write_text("\n".join(lines))
        command = ("gateway", "--config-file", directory / "aetos.conf")
        with server(*command, stderr=stderr, ulimit=ulimit) as process:
            assert serves(str(path))
            yield process, str(path)


def ask(address, request, times=1):
    """Send requests on one connection, each after the response to the previous one."""
    with Wire(address, SECONDS) as client:
        found = []
        for _ in range(times):
            client.send(request)
            found += statuses(client.answer())
        return found


def serves(address):
    """Wait until a server responds; return whether it does in time."""

    def answers():
        with suppress(OSError):
            return bool(ask(address, ALIVE))

    return wait_for(answers, timeout=20)

"""A real Prometheus that parses texts."""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import time
from urllib.parse import urlencode

import pytest
from tests.engines import PROMETHEUS3_FEATURES, UNQUOTED_NAMES, program_of


class Prometheus:
    """A persistent connection to Prometheus."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ready(self):
        try:
            self._connection.request("GET", "/-/ready")
            response = self._connection.getresponse()
            response.read()
        except OSError:
            self._connection.close()
            return False
        return response.status == 200

    def formatted(self, text):
        """Return the text as Prometheus prints it, or None if it rejects it."""
        answer = self._ask("format_query", text)
        return answer["data"] if answer["status"] == "success" else None

    def tree(self, text):
        """Return the text's tree, empty if JSON cannot represent it (NaN); None if the text is rejected."""
        try:
            answer = self._ask("parse_query", text)
        except ValueError:
            return {}
        return answer["data"] if answer["status"] == "success" else None

    def _ask(self, path, text):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", f"/api/v1/{path}", urlencode({"query": text}), headers)
        return json.loads(self._connection.getresponse().read())

    def close(self):
        self._connection.close()


@contextlib.contextmanager
def running(program, folder, features=""):
    """Start a Prometheus on a free port, and stop it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n")
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
        *([f"--enable-feature={features}"] if features else []),
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        prometheus = Prometheus(port)
        try:
            deadline = time.monotonic() + 30
            while not prometheus.ready():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "Prometheus does not start"
                time.sleep(0.05)
            yield prometheus
        finally:
            prometheus.close()
            process.terminate()


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory):
    """The Prometheus on ``PATH``."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus on the path")
    with running(program, tmp_path_factory.mktemp("prometheus")) as server:
        yield server


def _prometheus3(tmp_path_factory, *features):
    program, folder = program_of("prometheus3"), tmp_path_factory.mktemp("prometheus3")
    return running(program, folder, ",".join(features))


@pytest.fixture(scope="session")
def prometheus3(tmp_path_factory):
    """The Prometheus 3 that the project follows, without its experimental features."""
    with _prometheus3(tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def prometheus3_features(tmp_path_factory):
    """The same, with the experimental functions that the project supports."""
    with _prometheus3(tmp_path_factory, *PROMETHEUS3_FEATURES) as server:
        yield server


@pytest.fixture(scope="session")
def prometheus3_unquoted(tmp_path_factory):
    """The same, and with an extended set of characters in unquoted names."""
    with _prometheus3(tmp_path_factory, *PROMETHEUS3_FEATURES, UNQUOTED_NAMES) as server:
        yield server

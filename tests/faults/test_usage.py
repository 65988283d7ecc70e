"""The usage exporter ends while the cloud does not answer."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_exporter_while_the_cloud_hangs(tmp_path, number):
    with socket.create_server(("127.0.0.1", 0)) as cloud:
        cloud.settimeout(30)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OS_")},
            "OS_AUTH_URL": f"http://127.0.0.1:{cloud.getsockname()[1]}/v3",
            "OS_USERNAME": "u",
            "OS_PASSWORD": "p",
            "OS_PROJECT_NAME": "p",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
        }
        command = [sys.executable, "-m", "chrysaetos", "usage", "--port", "0", "--state", str(tmp_path / "s")]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
            connection, _ = cloud.accept()
            with connection:
                connection.recv(1)
                began = time.monotonic()
                process.send_signal(number)
                _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert time.monotonic() - began < 8
    assert b"Traceback" not in log
    assert b"stopping during an update" in log

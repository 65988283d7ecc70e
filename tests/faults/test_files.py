"""The limit of open files is reached by clients that send nothing."""

import socket
from contextlib import ExitStack

from tests.faults.servers import ask, gateway, query

IDLE = 100
FILES = 64


def test_idle_clients_give_way_when_files_run_out(tmp_path):
    log = tmp_path / "log"
    with (
        log.open("wb") as stderr,
        gateway(tmp_path, stderr=stderr, ulimit=f"-n {FILES}") as (_, address),
        ExitStack() as stack,
    ):
        for _ in range(IDLE):
            idle = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            idle.connect(address)
        for _ in range(20):
            assert ask(address, query(10)) == [200]
    lines = [line for line in log.read_text().splitlines() if "the limit of open files is 64" in line]
    assert len(lines) == 1

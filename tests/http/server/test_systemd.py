"""The messages of sd_notify(3)."""

import re
import socket

import pytest

from chrysaetos.http.server.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A service manager's socket, and how the environment names it."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.bind(name if request.param == "path" else f"\0{name}")
        yield sock, name if request.param == "path" else f"@{name}"


def test_the_manager_is_notified(manager):
    sock, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    for tell, words in (
        (notifier.ready, rb"READY=1"),
        (notifier.reloading, rb"RELOADING=1\nMONOTONIC_USEC=[0-9]+"),
        (notifier.stopping, rb"STOPPING=1"),
    ):
        tell()
        assert re.fullmatch(words, sock.recv(1000))


def test_without_a_manager_nothing_happens():
    Notifier({}).ready()


def test_a_manager_that_has_exited_is_not_an_error(tmp_path, caplog):
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert "READY=1" in caplog.text


def test_the_manager_is_notified_before_and_after_a_reload(manager):
    sock, name = manager
    done = []
    Notifier({"NOTIFY_SOCKET": name}).around(lambda: done.append(sock.recv(1000)))()
    assert done[0].startswith(b"RELOADING=1\n")
    assert sock.recv(1000) == b"READY=1"


def test_the_manager_does_not_wait_for_a_reload_that_failed(manager):
    sock, name = manager

    def reload():
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        Notifier({"NOTIFY_SOCKET": name}).around(reload)()
    assert sock.recv(1000).startswith(b"RELOADING=1\n")
    assert sock.recv(1000) == b"READY=1"

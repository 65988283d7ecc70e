import socket
from pathlib import Path

import pytest

from chrysaetos.demo.processes import DemoError
from chrysaetos.demo.state import State, open_state


def test_a_temporary_directory_is_private_and_removed() -> None:
    with open_state(None) as state:
        assert state.directory.stat().st_mode & 0o777 == 0o700
        state.save("a.json", [1])
    assert not state.directory.exists()


def test_a_permanent_directory_is_private_and_reused(tmp_path: Path) -> None:
    with open_state(tmp_path / "demo") as state:
        state.save("a.json", {"b": 1})
        assert state.directory.stat().st_mode & 0o777 == 0o700
    with open_state(tmp_path / "demo") as state:
        assert state.load("a.json") == {"b": 1}
        assert state.load("missing.json") is None


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "keystone").mkdir()
    mode = tmp_path.stat().st_mode
    with pytest.raises(DemoError, match="does not belong to a demo"), open_state(tmp_path):
        pytest.fail("it was accepted")
    assert (tmp_path / "keystone").exists()
    assert tmp_path.stat().st_mode == mode


def test_a_file_is_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="cannot be used as a directory"), open_state(tmp_path / "file"):
        pytest.fail("it was accepted")


def test_only_one_demo_can_use_a_directory(tmp_path: Path) -> None:
    with (
        open_state(tmp_path / "demo"),
        pytest.raises(DemoError, match="another demo is running here"),
        open_state(tmp_path / "demo"),
    ):
        pytest.fail("two at once")
    with open_state(tmp_path / "demo"):
        pass


def test_free_ports_of_the_last_start_are_reused(tmp_path: Path) -> None:
    state = State(tmp_path)
    before = state.ports(("keystone", "gateway"))
    assert len(set(before.values())) == 2
    assert state.ports(("keystone", "gateway")) == before
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", before["gateway"]))
        sock.listen()
        after = state.ports(("keystone", "gateway"))
    assert after["keystone"] == before["keystone"]
    assert after["gateway"] != before["gateway"]


def test_forget_removes_files_and_directories(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.save("a.json", 1)
    (tmp_path / "b" / "c").mkdir(parents=True)
    state.forget("a.json", "b", "never-there")
    assert list(tmp_path.iterdir()) == []


def test_an_invalid_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DemoError, match=r"a\.json"):
        State(tmp_path).load("a.json")

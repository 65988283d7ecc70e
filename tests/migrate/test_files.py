"""Reading configuration files, and writing files with the attributes of others."""

import errno
import os
import stat
from pathlib import Path

import pytest

from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.files import explain_os_error, read_layers, remove_files, write_like


def test_files_and_directories_are_read_in_the_given_order(tmp_path):
    for name in ("b.conf", "a.conf", "c.txt", ".d.conf"):
        (tmp_path / name).write_text(f"[x]\nname = {name}\n")
    layers, paths = read_layers([("file", tmp_path / "c.txt"), ("dir", tmp_path)], {})
    assert [Path(file.name).name for file in layers.files] == ["c.txt", "a.conf", "b.conf"]
    setting = layers.find("x", "name")
    assert setting is not None
    assert setting.value == "b.conf"
    assert set(paths.values()) == {tmp_path / name for name in ("c.txt", "a.conf", "b.conf")}


def test_a_link_and_its_target_are_one_file(tmp_path):
    (tmp_path / "real").write_text("[x]\n")
    (tmp_path / "link").symlink_to("real")
    layers, paths = read_layers([("file", tmp_path / "link"), ("file", tmp_path / "real")], {})
    assert layers.files[0] is layers.files[1]
    assert list(paths.values()) == [tmp_path / "real"]


def test_owner_and_mode_are_those_of_the_model(tmp_path):
    model = tmp_path / "model"
    model.write_text("x")
    model.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(model, 1234, 2345)
    write_like(tmp_path / "new", b"data", model)
    old, new = model.stat(), (tmp_path / "new").stat()
    assert (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid)
    assert stat.S_IMODE(new.st_mode) == 0o640
    assert (tmp_path / "new").read_bytes() == b"data"


def test_the_file_is_private_until_it_has_its_owner(tmp_path, monkeypatch):
    model = tmp_path / "model"
    model.write_text("x")
    model.chmod(0o644)
    modes = []
    real = os.write

    def write(descriptor, data):
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return real(descriptor, bytes(data)[:2])

    monkeypatch.setattr(os, "write", write)
    write_like(tmp_path / "new", b"12345", model)
    assert modes == [0o600, 0o600, 0o600]
    assert (tmp_path / "new").read_bytes() == b"12345"


def test_an_existing_file_is_not_overwritten(tmp_path):
    (tmp_path / "model").write_text("x")
    (tmp_path / "new").write_text("y")
    with pytest.raises(FileExistsError):
        write_like(tmp_path / "new", b"data", tmp_path / "model")
    assert (tmp_path / "new").read_text() == "y"


def test_an_incomplete_file_is_removed(tmp_path, monkeypatch):
    (tmp_path / "model").write_text("x")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_like(tmp_path / "new", b"data", tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_errors_of_the_system_have_the_file_and_a_remedy():
    error = explain_os_error(
        Path("/etc/watcher"), "cannot be written", PermissionError(errno.EACCES, "Permission denied")
    )
    assert str(error) == (
        "/etc/watcher: cannot be written: Permission denied; run this as root, or as the owner of the files"
    )
    assert (
        str(explain_os_error(Path("x"), "cannot be read", OSError(errno.EIO, "I/O")))
        == "x: cannot be read: I/O"
    )


def test_errors_of_removal_are_ignored(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    remove_files([tmp_path / "none", tmp_path / "folder", tmp_path / "file"])
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_no_configuration_file_is_an_error(tmp_path):
    with pytest.raises(MigrateError, match="no configuration file in the default directories"):
        read_layers([], {})
    with pytest.raises(MigrateError, match=f"no configuration file in {tmp_path}"):
        read_layers([("dir", tmp_path)], {})

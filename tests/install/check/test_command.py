"""The command's user."""

from __future__ import annotations

import os
import sys

import pytest
from tests.support.commands import run

from chrysaetos.cli.main import main


@pytest.fixture
def calls(monkeypatch) -> list[tuple[str, tuple[object, ...]]]:
    """Record the calls that would change the user of this process."""
    calls: list[tuple[str, tuple[object, ...]]] = []
    for name in ("initgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, lambda *arguments, name=name: calls.append((name, arguments)))
    return calls


def test_the_user_is_changed_last(calls, config):
    config.write_text("[DEFAULT]\nauth_mode = noauth\n")
    main(["gateway", "check", f"--config-file={config}", "--offline", "--user", "root"])
    assert calls == [("initgroups", ("root", 0)), ("setgid", (0,)), ("setuid", (0,))]


@pytest.mark.usefixtures("calls")
def test_an_unknown_user_is_an_error(capsys):
    assert main(["gateway", "check", "--user", "no-such-user"]) == 2
    assert "there is no such user" in capsys.readouterr().err


@pytest.mark.usefixtures("calls")
def test_another_user_requires_root(capsys, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "initgroups", refuse)
    assert main(["gateway", "check", "--user", "root"]) == 2
    assert "requires root" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_python_that_the_user_cannot_read_is_found_before_anything_else(tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    code = "from chrysaetos.cli.main import main; raise SystemExit(main())"
    check = ["-c", code, "gateway", "check", "--user", "nobody", "--offline"]
    # A folder of root's on the path of modules stands for a virtual environment there.
    done = run([sys.executable, *check], env={**os.environ, "PYTHONPATH": str(hidden)})
    assert done.status == 1, done.err
    assert "the user nobody cannot read the Python that runs this program" in done.printed
    assert str(hidden) in done.printed
    assert "/usr/bin/python3" in done.printed
    assert "Traceback" not in done.err

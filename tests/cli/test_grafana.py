"""What needs no Keystone; ``tests/e2e/test_grafana_command.py`` has the rest."""

from __future__ import annotations

import pytest

from chrysaetos.cli.application_credentials import Credential
from chrysaetos.cli.errors import CommandFailed
from chrysaetos.cli.grafana import _difference, _read_token
from chrysaetos.cli.grafana_sources import DataSource, source_file


def test_a_url_without_keystone_is_rejected(run):
    output = run("grafana", "--url", "http://127.0.0.1:1")
    assert output.status == 1
    assert "log in to Keystone" in output.err


def test_differences_do_not_show_the_secret():
    source = DataSource(uid="u", name="n", url="http://x")
    old, new = (source_file(source, Credential(f"id-{n}", f"hidden-{n}")) for n in (1, 2))
    (shown,) = _difference("f", old, new)
    assert "-  basicAuthUser: id-1\n+  basicAuthUser: id-2" in shown
    assert "hidden" not in shown
    same_user = source_file(source, Credential("id-1", "hidden-3"))
    assert _difference("f", old, same_user) == ["changed: f"]
    assert _difference("f", old, old) == []
    assert _difference("f", None, new) == ["new: f"]


def test_the_token_of_grafana(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text("from-file\n")
    monkeypatch.setenv("GRAFANA_TOKEN", "from-variable")
    assert _read_token(str(file)) == "from-file"
    assert _read_token(None) == "from-variable"
    monkeypatch.delenv("GRAFANA_TOKEN")
    file.write_text(" \n")
    for path in (None, str(file), str(tmp_path / "missing")):
        with pytest.raises(CommandFailed, match="Grafana needs a token"):
            _read_token(path)
    with pytest.raises(CommandFailed, match="cannot be read: it is not a regular file"):
        _read_token(str(tmp_path))

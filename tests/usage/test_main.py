"""Progress on the terminal."""

import sys

import pytest

from chrysaetos.usage.main import _show_progress


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_erased_and_shown_on_terminals_only(terminal, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    for count in (12, None):
        _show_progress(count)
    assert capsys.readouterr().err == ("\r\x1b[K12 servers read\r\x1b[K" if terminal else "")

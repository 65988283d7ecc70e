"""Progress on a terminal. ``--watch`` itself is tested in test_query.py."""

import io

from chrysaetos.cli.watch import Progress, clear


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_and_erased():
    terminal = Terminal()
    with Progress(terminal) as progress:
        progress(1, 3)
        progress(2, 3)
    shown = terminal.getvalue()
    assert "\x1b[K1 of 3 requests" in shown
    assert "\x1b[K2 of 3 requests" in shown
    assert shown.endswith("\r\x1b[K")


def test_without_progress_nothing_is_written():
    terminal = Terminal()
    with Progress(terminal):
        pass
    assert terminal.getvalue() == ""


def test_progress_is_not_shown_in_files():
    file = io.StringIO()
    with Progress(file) as progress:
        progress(1, 3)
    assert file.getvalue() == ""


def test_only_a_terminal_is_cleared():
    terminal, file = Terminal(), io.StringIO()
    clear(terminal)
    clear(file)
    assert terminal.getvalue() == "\x1b[H\x1b[J"
    assert file.getvalue() == ""

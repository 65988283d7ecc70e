"""How a refusal is checked: reason, line, column, and the carets under the caller's own text."""

import pytest

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse

__all__ = ["assert_refused"]


def assert_refused(text, reason, carets, read=parse):
    """``carets`` is the second line of the excerpt; the first is the text's line at fault."""
    with pytest.raises(QueryError) as caught:
        read(text)
    error = caught.value
    at = carets.index("^")
    assert error.reason == reason
    assert (error.line, error.column) == (text.count("\n", 0, error.start) + 1, at + 1)
    line = text.split("\n")[error.line - 1]
    shown = "".join(c if c.isprintable() else " " for c in line)
    assert error.excerpt() == f"{shown}\n{carets}"
    assert error.message == f"{error.line}:{error.column}: {reason}"

"""A self-test of the lexer on the running interpreter.

The lexer is made of regular expressions, and defects in an interpreter's ``re`` module have changed what such
expressions match (CPython issue 106052, Python 3.11.0 to 3.11.4). Isolation rests on the lexer, so a program
that scopes queries runs :func:`check_interpreter` before it serves the first one.
"""

from __future__ import annotations

import platform

from chrysaetos.errors import QueryError
from chrysaetos.promql.parser import parse

__all__ = ["InterpreterError", "check_interpreter"]

_REFUSED = (
    *("1e", "1e+", "0x", "1_", "1__0", "foo @ 3e-", "up[1e]", "up[3ms2s]", "3ms2s", "5m5"),
    *(r'up{a="\u"}', r"up{a='\x1'}", r'up{a="\400"}', r'up{a="\ud800"}', 'up{a="b}', "up{a=`b}"),
    *('{"x"=}', '{"x"', "{x}", '{x="y" z="w"}', '{,x="y"}', "up # }\n{"),
)
_SELECTORS = {
    "1e3 + 0x1F + 1_000.5 - .5 + 3m2s5ms": [],
    'a{b="c\\"}", d=~`e"}`, "f g"!=\'\\u0041\',} # {x="y"}\n': [("a", 3)],
    "sum by (b) (rate(c[5m])) / on (d) e{} @ 1e3 # f\r> bool .5": [("c", 0), ("e", 0)],
    'rate({"x y"}[1h30m5s:2ms] offset -1_0) unless # {"x"\r\n {__name__="n"}': [(None, 1), (None, 1)],
}


class InterpreterError(RuntimeError):
    """The interpreter's ``re`` module has a defect that makes it unsafe for scoping."""


def check_interpreter() -> None:
    """Parse some difficult texts and compare the results. It takes about a millisecond.

    Raises:
        InterpreterError: a text was read wrongly.
    """
    wrong = [text for text in _REFUSED if _selectors(text) is not None]
    wrong += [text for text, expected in _SELECTORS.items() if _selectors(text) != expected]
    if wrong:
        raise InterpreterError(
            f"Python {platform.python_version()} reads PromQL wrongly, for example {wrong[0]!a}: "
            "its re module has a defect. Use another Python release"
        )


def _selectors(text: str) -> list[tuple[str | None, int]] | None:
    """Return the name and number of matchers of each selector, None if the text is refused."""
    try:
        return [(selector.name, len(selector.matchers)) for selector in parse(text).selectors]
    except QueryError:
        return None

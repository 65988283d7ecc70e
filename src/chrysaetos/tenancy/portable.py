"""A text that every engine splits at the same places.

Prometheus is not the only engine that a gateway serves. Where another engine ends a word, a comment or a
string elsewhere, a selector that the scope was added to can turn into a comment, and a string's content, or
what Prometheus takes for an operator, into a selector. These places are known among texts that Prometheus
accepts:

- a word that a dot follows (``1 < bool.5``): languages that allow dots in names, such as Prometheus' own with
  ``promql-unquoted-utf8-names``, read one name, ``bool.5``;
- a comment that ends at a carriage return: some engines read on to the next line feed;
- a raw string that ends in a backslash: some engines take the backquote after it for a part of the string;
- a duration that is a number in another form than plain seconds (``[0x10]``, ``offset 1e3``): some engines
  cannot read it, or read another length.

Each is written in the form that all engines read alike: a space before the dot, a line feed after the
carriage return, the string in double quotes, the duration in seconds.
"""

from __future__ import annotations

import re
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING

from chrysaetos.promql.strings import quote
from chrysaetos.tenancy.edits import edited

if TYPE_CHECKING:
    from chrysaetos.promql.ast import Duration
    from chrysaetos.promql.parser import Query
    from chrysaetos.tenancy.edits import Edit

__all__ = ["portable", "portable_edits"]

_HINTS = re.compile(r"[A-Za-z0-9_:]\.|\r|\\`")
# In a text that was parsed, quotes and number signs stand nowhere else.
_LEXEMES = re.compile(
    r"""\"(?:[^"\\]++|\\.)*\"|'(?:[^'\\]++|\\.)*'|`(?P<raw>[^`]*+)`|\#[^\r\n]*+(?P<cr>\r(?!\n))?
    |[0-9.][0-9A-Za-z_.]*+|(?P<word>[A-Za-z_][0-9A-Za-z_:]*+)""",
    re.DOTALL | re.VERBOSE,
)
_PLAIN_SECONDS = re.compile(r"(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?")


def portable(query: Query) -> str:
    """Return a text that means the same and that all engines split alike.

    Args:
        query: PromQL that was parsed.

    Returns:
        The query's text itself, if nothing had to be changed.
    """
    return edited(query.text, portable_edits(query))


def portable_edits(query: Query) -> list[Edit]:
    """Return what :func:`portable` changes, in the order of the text."""
    text = query.text
    edits = [
        (duration.start, duration.end, _plain_seconds(duration))
        for duration in query.durations
        if _PLAIN_SECONDS.fullmatch(text, duration.start, duration.end) is None
    ]
    if _HINTS.search(text) is not None:
        edits = sorted([*_lexemes(text), *edits], key=itemgetter(0, 1))
    return edits


def _lexemes(text: str) -> list[Edit]:
    """What to write for the words, comments and strings that engines read differently, by span."""
    edits: list[Edit] = []
    for match in _LEXEMES.finditer(text):
        if match["word"] is not None:
            if text.startswith(".", match.end()):
                edits.append((match.end(), match.end(), " "))
        elif match["cr"] is not None:
            edits.append((match.end(), match.end(), "\n"))
        elif match["raw"] is not None and match["raw"].endswith("\\"):
            edits.append((*match.span(), quote(match["raw"])))
    return edits


def _plain_seconds(duration: Duration) -> str:
    """A duration as a decimal number of seconds without an exponent."""
    return f"{Decimal(str(duration.seconds)).normalize():f}"

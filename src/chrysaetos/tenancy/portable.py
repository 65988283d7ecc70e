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
  cannot read it, or read another length;
- a duration that a minus sign follows (``5m-sand``, ``5m-3m``): languages with negative parts of durations
  read one duration, ``5m-s`` or ``5m-3m``;
- a plus sign after ``@``, an empty ``__name__`` beside another one (``{"cpu",__name__=""}``), and a name that
  is not UTF-8 or not printable: some engines print an expression to copy it, and cannot read these again.

Each is written in the form that all engines read alike: a space before the dot or the minus sign, a line feed
after the carriage return, the string in double quotes, the duration in seconds, the time without its plus
sign, the name as a regular expression. A quoted label whose name is empty or not printable has no such form,
and is refused.
"""

from __future__ import annotations

import re
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING

from chrysaetos.errors import QueryError
from chrysaetos.promql.strings import is_label_name, quote, regex_quote, unquote
from chrysaetos.tenancy.edits import edited

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chrysaetos.promql.ast import Duration, Matcher
    from chrysaetos.promql.parser import Query
    from chrysaetos.tenancy.edits import Edit

__all__ = ["is_portable", "portable", "portable_edits"]

# Each alternative starts with a character that is rare, which makes the search fast.
_HINTS = re.compile(r"\.(?<=[A-Za-z0-9_:]\.)|\r|\\`|-(?:(?<=[0-9][smhdwy]-)|(?<=[0-9]ms-))|@[ \t\r\n]*[+#]")
# In a text that was parsed, quotes and number signs stand nowhere else.
_LEXEMES = re.compile(
    r"""\"(?:[^"\\]++|\\.)*\"|'(?:[^'\\]++|\\.)*'|`(?P<raw>[^`]*+)`|\#[^\r\n]*+(?P<cr>\r(?!\n))?
    |(?P<number>[0-9.][0-9A-Za-z_.]*+)|(?P<word>[A-Za-z_][0-9A-Za-z_:]*+)|(?P<at>@)|(?P<plus>\+)""",
    re.DOTALL | re.VERBOSE,
)
_NO_NAME = '__name__!~"(?s).*"'
"""No series has a name that is not UTF-8."""
_FIRST_WIDE = "\u0100"
"""Unprintable characters of one byte are read alike: engines print them in hexadecimal."""
_UNITS = frozenset("smhdwy")
_PLAIN_SECONDS = re.compile(r"(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?")


def portable(query: Query) -> str:
    """Return a text that means the same and that all engines split alike.

    Args:
        query: PromQL that was parsed.

    Returns:
        The query's text itself, if nothing had to be changed.

    Raises:
        QueryError: the name of a label has no form that all engines read alike.
    """
    return edited(query.text, portable_edits(query))


def portable_edits(query: Query) -> list[Edit]:
    """Return what :func:`portable` changes, in the order of the text.

    Raises:
        QueryError: the name of a label has no form that all engines read alike.
    """
    text = query.text
    _check_labels(query)
    edits = [
        (duration.start, duration.end, _plain_seconds(duration))
        for duration in query.durations
        if _PLAIN_SECONDS.fullmatch(text, duration.start, duration.end) is None
    ]
    names = [edit for selector in query.selectors if selector.matchers for edit in _names(selector.matchers)]
    if names or _HINTS.search(text):
        edits = _outermost(sorted([*edits, *names, *_lexemes(text)], key=itemgetter(0, 1)))
    return edits


def is_portable(text: str) -> bool:
    """Return whether all engines split a text alike that has the tokens of a portable one.

    Args:
        text: PromQL, whose durations, names and labels are those of a portable text.
    """
    return _HINTS.search(text) is None or not _lexemes(text)


def _outermost(edits: Iterable[Edit]) -> list[Edit]:
    """Return edits without those in a part that another one replaces, such as the comments in a matcher."""
    kept: list[Edit] = []
    for edit in edits:
        if not kept or edit[0] >= kept[-1][1]:
            kept.append(edit)
    return kept


def _lexemes(text: str) -> list[Edit]:
    """Return the replacements for the words, numbers, comments and strings that engines read differently."""
    edits: list[Edit] = []
    after_at = False
    for match in _LEXEMES.finditer(text):
        start, end = match.span()
        if match["word"] is not None:
            if text.startswith(".", end):
                edits.append((end, end, " "))
        elif match["number"] is not None:
            if text[end - 1] in _UNITS and text.startswith("-", end):
                edits.append((end, end, " "))
        elif match["cr"] is not None:
            edits.append((end, end, "\n"))
        elif match["raw"] is not None and match["raw"].endswith("\\"):
            edits.append((start, end, quote(match["raw"])))
        elif match["plus"] is not None and after_at:
            edits.append((start, end, ""))
        if text[start] != "#":
            after_at = match["at"] is not None
    return edits


def _check_labels(query: Query) -> None:
    labels = [matcher[:3] for selector in query.selectors for matcher in selector.matchers]
    for start, end, name in (*labels, *query.quoted_labels):
        if not name or _is_unprintable(name):
            raise QueryError(
                "a label with an empty or unprintable name is not supported", query.text, start, end
            )


def _is_unprintable(name: str) -> bool:
    return not name.isascii() and any(c >= _FIRST_WIDE and not c.isprintable() for c in name)


def _names(matchers: Sequence[Matcher]) -> Iterator[Edit]:
    """Return the replacements for the names of a selector that some engines print wrongly."""
    names = [matcher for matcher in matchers if matcher.name == "__name__"]
    for start, end, _, op, raw in names:
        name = unquote(raw)
        if op != "=" or (name == "" and len(names) == 1):
            continue
        if name and not is_label_name(name):
            yield start, end, _NO_NAME
        elif name == "" or "\ufffd" in name or _is_unprintable(name):
            yield start, end, f"__name__=~{quote(regex_quote(name))}"


def _plain_seconds(duration: Duration) -> str:
    """A duration as a decimal number of seconds without an exponent."""
    return f"{Decimal(str(duration.seconds)).normalize():f}"

"""A text that every engine splits at the same places.

Prometheus is not the only engine behind a gateway. Where another one ends a comment or a string elsewhere, a
selector that the scope was added to can turn into a comment, and a string's content into a selector. Two such
places are known among texts that Prometheus accepts:

- a comment that ends at a carriage return: some engines read on to the next line feed;
- a raw string that ends in a backslash: some engines take the backquote behind it for a part of the string.

Both are written so that all agree: a line feed behind the carriage return, and the string in double quotes.
"""

from __future__ import annotations

import re

from chrysaetos.promql.strings import quote

__all__ = ["portable"]

# In a text that was parsed, quotes and number signs stand nowhere else.
_STRING_OR_COMMENT = re.compile(
    r"""\"(?:[^"\\]++|\\.)*+\"|'(?:[^'\\]++|\\.)*+'|`(?P<raw>[^`]*+)`|\#[^\r\n]*+(?P<cr>\r(?!\n))?""",
    re.DOTALL,
)


def portable(text: str) -> str:
    """A text that means the same and is split alike by all engines.

    Args:
        text: PromQL that was parsed.

    Returns:
        The text itself, if nothing had to be changed.
    """
    if "\r" not in text and "\\`" not in text:
        return text
    return _STRING_OR_COMMENT.sub(_written, text)


def _written(match: re.Match[str]) -> str:
    raw = match["raw"]
    if raw is not None and raw.endswith("\\"):
        return quote(raw)
    return match[0] if match["cr"] is None else f"{match[0]}\n"

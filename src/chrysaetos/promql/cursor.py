"""A place in a list of tokens: what the parser's parts share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from chrysaetos.errors import QueryError
from chrysaetos.promql.tokens import END

if TYPE_CHECKING:
    from chrysaetos.promql.tokens import Tokens

__all__ = ["Cursor"]


class Cursor:
    """Reads tokens from left to right.

    Args:
        tokens: the tokens.
        depth: how deep parentheses may nest.

    Attributes:
        index: index of the next token.
        fault: the first type error seen so far; raised once the syntax is known to be right.
    """

    __slots__ = ("_depth", "_level", "ends", "fault", "index", "kinds", "starts", "text")

    def __init__(self, tokens: Tokens, depth: int) -> None:
        self.text, self.kinds, self.starts, self.ends = tokens
        self.index = 0
        self.fault: QueryError | None = None
        self._depth = depth
        self._level = 0

    def written(self, index: int) -> str:
        """A token as it is written."""
        return self.text[self.starts[index] : self.ends[index]]

    def expect(self, kind: str, context: str, expected: str) -> int:
        """Step over a token of a kind; its index.

        Raises:
            QueryError: the next token is of another kind.
        """
        index = self.index
        if self.kinds[index] != kind:
            self.unexpected(context, expected)
        self.index = index + 1
        return index

    def unexpected(self, context: str = "", expected: str = "") -> NoReturn:
        """Refuse the next token."""
        kind, written = self.kinds[self.index], self.written(self.index)
        shown = ascii(written if len(written) <= 20 else f"{written[:20]}...")
        what = kind if kind == END else shown if kind == written.lower() else f"{kind} {shown}"
        reason = f"unexpected {what}"
        if context:
            reason += f" in {context}"
        if expected:
            reason += f", expected {expected}"
        raise QueryError(reason, self.text, self.starts[self.index], self.ends[self.index])

    def refuse(self, reason: str, start: int, end: int) -> NoReturn:
        """Refuse a part of the text."""
        raise QueryError(reason, self.text, start, end)

    def complain(self, reason: str, start: int, end: int) -> None:
        """Note a type error, to be raised when the whole text has been read."""
        if self.fault is None:
            self.fault = QueryError(reason, self.text, start, end)

    def enter(self) -> None:
        """Step over a token that opens a level of nesting.

        Raises:
            QueryError: the text nests deeper than allowed.
        """
        index = self.index
        self._level += 1
        if self._level > self._depth:
            self.refuse(f"nested deeper than {self._depth} levels", self.starts[index], self.ends[index])
        self.index = index + 1

    def leave(self, context: str) -> int:
        """Step over the parenthesis that closes a level; its index.

        Raises:
            QueryError: the next token is another.
        """
        index = self.expect(")", context, '")"')
        self._level -= 1
        return index

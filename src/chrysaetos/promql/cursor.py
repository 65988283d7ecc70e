"""The position in a list of tokens, shared by the parser's modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from chrysaetos.errors import QueryError
from chrysaetos.promql.lexemes import shown
from chrysaetos.promql.tokens import END

if TYPE_CHECKING:
    from chrysaetos.promql.ast import Duration
    from chrysaetos.promql.tokens import Tokens

__all__ = ["Cursor"]


class Cursor:
    """Reads tokens from left to right.

    Args:
        tokens: the tokens.
        depth: how deep parentheses may nest.

    Attributes:
        text, kinds, starts, parts, braces: the fields of ``tokens``.
        index: index of the next token.
        fault: the first type error seen so far; raised once the syntax is known to be right.
        numeric_durations: literal durations that were written as numbers.
        postfix: the duration expression that is being read, in postfix notation.
        quoted_labels: the quoted labels of groupings: their spans and names.
    """

    __slots__ = (
        "_depth",
        "_level",
        "braces",
        "fault",
        "index",
        "kinds",
        "numeric_durations",
        "parts",
        "postfix",
        "quoted_labels",
        "starts",
        "text",
    )

    def __init__(self, tokens: Tokens, depth: int) -> None:
        self.text, self.kinds, self.starts, self.parts, self.braces = tokens
        self.index = 0
        self.fault: QueryError | None = None
        self.numeric_durations: list[Duration] = []
        self.postfix: list[float | str] = []
        self.quoted_labels: list[tuple[int, int, str]] = []
        self._depth = depth
        self._level = 0

    def span(self, index: int) -> tuple[int, int]:
        """Return the index of a token's first character and the index after its last one."""
        start = self.starts[index]
        return start, start + len(self.parts[index])

    def expect(self, kind: str, context: str, expected: str) -> int:
        """Step over a token of a kind and return the index after its last character.

        Raises:
            QueryError: the next token is of another kind.
        """
        index = self.index
        if self.kinds[index] != kind:
            self.unexpected(context, expected)
        self.index = index + 1
        return self.starts[index] + len(self.parts[index])

    def unexpected(self, context: str = "", expected: str = "") -> NoReturn:
        """Raise an error about the next token."""
        kind, written = self.kinds[self.index], self.parts[self.index]
        what = (
            kind if kind == END else shown(written) if kind == written.lower() else f"{kind} {shown(written)}"
        )
        reason = f"unexpected {what}"
        if context:
            reason += f" in {context}"
        if expected:
            reason += f", expected {expected}"
        self.refuse(reason, *self.span(self.index))

    def refuse(self, reason: str, start: int, end: int) -> NoReturn:
        """Raise an error about a part of the text."""
        raise QueryError(reason, self.text, start, end)

    def complain(self, reason: str, start: int, end: int) -> None:
        """Record a type error, which is raised after the whole text was read."""
        if self.fault is None:
            self.fault = QueryError(reason, self.text, start, end)

    def enter(self) -> None:
        """Step over a token that opens a level of nesting.

        Raises:
            QueryError: the text nests deeper than allowed.
        """
        self._level += 1
        if self._level > self._depth:
            self.refuse(f"nested deeper than {self._depth} levels", *self.span(self.index))
        self.index += 1

    def leave(self, context: str) -> int:
        """Step over the parenthesis that closes a level and return the index after it.

        Raises:
            QueryError: the next token is not a closing parenthesis.
        """
        self._level -= 1
        return self.expect(")", context, '")"')

"""The oracle for isolation: two gateways, one over everybody's store and one over A's alone, asked by A."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.e2e.asking import Asker, answers_alike, basic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.stack import People, Window

    from chrysaetos.demo.gateway import Gateway

__all__ = ["Oracle"]

B_ONLY = (
    "b1",
    "b2",
    "cluster-b1",
    "r-b1",
    "secret_total",
    "confidential",
    "operator",
    "compute-0",
    "trace-of-b1",
)
"""Values of labels, and names, that only B or the operator has."""


class Oracle:
    """Asks both gateways as A, and compares."""

    def __init__(self, ab: Gateway, a: Gateway, people: People, window: Window) -> None:
        auth = basic(people.a)
        self._ab, self._a = Asker(ab, auth), Asker(a, auth)
        self._people = people
        self._window = window

    def ask(
        self, path: str, pairs: Sequence[tuple[str, str | bytes]], method: str = "GET"
    ) -> tuple[int, Any]:
        status, content = answers_alike(self._ab, self._a, path, pairs, method=method)
        assert status < 500 or content["errorType"] == "timeout", (path, pairs, content)
        if status == 200:
            # An error repeats what the caller wrote; data must not.
            self.nothing_of_b(content["data"] if isinstance(content, dict) else content, pairs)
        return status, content

    def nothing_of_b(self, content: Any, pairs: Sequence[tuple[str, str | bytes]]) -> None:
        asked = repr(pairs)
        text = repr(content)
        for word in (*B_ONLY, str(self._people.b.project_id)):
            if word not in asked:
                assert not re.search(rf"\b{re.escape(word)}\b", text), (word, pairs, content)

    def text(self, query: str) -> str | bytes:
        """A query with the projects' ids; bytes where it is no text."""
        for letter, account in (("A", self._people.a), ("B", self._people.b)):
            query = re.sub(rf'(?<=["|]){letter}(?=["|])', str(account.project_id), query)
        return query if query.isascii() else query.encode("utf-8", "surrogatepass")

    def instant(self, query: str, method: str = "GET") -> tuple[int, Any]:
        pairs = [("query", self.text(query)), ("time", str(self._window.now)), ("timeout", "5s")]
        return self.ask("/api/v1/query", pairs, method)

    def range(self, query: str, method: str = "GET") -> tuple[int, Any]:
        now = self._window.now
        pairs = [
            ("query", self.text(query)),
            ("start", str(now - 1800)),
            ("end", str(now)),
            ("step", "300"),
            ("timeout", "5s"),
        ]
        return self.ask("/api/v1/query_range", pairs, method)

    def exemplars(self, query: str, method: str = "GET") -> tuple[int, Any]:
        pairs = [
            ("query", self.text(query)),
            ("start", str(self._window.start)),
            ("end", str(self._window.end)),
        ]
        return self.ask("/api/v1/query_exemplars", pairs, method)

    def selecting(self, path: str, *selectors: str, method: str = "GET") -> tuple[int, Any]:
        return self.ask(path, [("match[]", self.text(selector)) for selector in selectors], method)

    def close(self) -> None:
        self._ab.close()
        self._a.close()

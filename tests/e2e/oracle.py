"""The oracle for isolation.

A query of tenant A to the gateway over both tenants' store must have the same status, data and labels as
the same query sent directly to a store with only A's series. ``differences.py`` lists the exceptions.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from tests.e2e.asking import Asker, basic, meaning, out_of_time
from tests.e2e.differences import Asked, decoded, difference, is_out_of_bounds, parsed
from tests.e2e.engines import Mimir, VictoriaMetrics

from chrysaetos.tenancy.portable import portable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.asking import HasUrl
    from tests.e2e.stack import People, Window

    from chrysaetos.demo.gateway import Gateway

__all__ = ["Oracle"]

_TRIES = 3
_LONG = 10_000
"""The length of a text from which a store may take a second of CPU time to parse it."""

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
"""Label values and names that occur only in the series of B or of the operator."""


def _timeout(query: str) -> str:
    """Return how long a store evaluates a query: hardly at all if it is longer than the gateway accepts."""
    return "5s" if len(query) <= 32 * 1024 else "100ms"


class Oracle:
    """Sends requests to the gateway as A, and to the store of A, and compares the responses.

    Args:
        gateway: the gateway over the store of A and B.
        store: the store with only A's series.
        people: the accounts, including A and B.
        window: the time range of the samples.
        cookie: the cookie of A's web page, to be sent instead of A's application credential.

    Attributes:
        compared: the number of requests that were compared, by the known kind of their difference; the
            empty text stands for equal responses, "out of time" for ones that cannot be compared.
    """

    def __init__(
        self, gateway: Gateway, store: HasUrl, people: People, window: Window, *, cookie: str | None = None
    ) -> None:
        page = {"Cookie": cookie or "", "Sec-Fetch-Site": "same-origin"}
        self._gateway = Asker(gateway, headers=page) if cookie else Asker(gateway, basic(people.a))
        self._store = Asker(store)
        self._metricsql = isinstance(store, VictoriaMetrics)
        self._mimir = isinstance(store, Mimir)
        self._people = people
        self._window = window
        self._started = time.monotonic()
        self.compared: Counter[str] = Counter()

    def ask(
        self, path: str, pairs: Sequence[tuple[str, str | bytes]], method: str = "GET"
    ) -> tuple[int, Any]:
        """Send a request to both, compare the responses, and return the gateway's."""
        asked = Asked(path, pairs, self._metricsql, self._mimir)
        for left in range(_TRIES, 0, -1):
            ours = meaning(self._gateway(path, pairs, method=method))
            if is_out_of_bounds(ours) and any(len(text) > _LONG for _, text in asked.texts()):
                # Whatever the store says of it, this difference is known.
                self.compared["bounds"] += 1
                return ours
            theirs = meaning(self._store(path, self._for_store(pairs), method=method))
            late = any(map(out_of_time, (ours, theirs)))
            kind = "out of time" if late else difference(asked, ours, theirs)
            if kind is not None:
                self.compared[kind] += 1
                break
            # A sample may have arrived between the two, or a comparison depends on the last digits of a sum.
            assert left > 1, f"{method} {path} {pairs!r}:\n  {ours}\n  {theirs}"
        status, content = ours
        # Thanos has 500 for some errors in a query.
        fine = status < 500 or status == theirs[0] or content["errorType"] in {"timeout", "unavailable"}
        assert fine, (path, pairs, content)
        if status == 200:
            # An error repeats the caller's text, but data must not contain it.
            self.nothing_of_b(content["data"] if isinstance(content, dict) else content, pairs)
        return ours

    def _for_store(self, pairs: Sequence[tuple[str, str | bytes]]) -> list[tuple[str, str | bytes]]:
        """Return the parameters in a form that MetricsQL parses like PromQL."""

        def written(name: str, value: str | bytes) -> str | bytes:
            query = parsed(name, decoded(value)) if self._metricsql else None
            if query is None:
                return value
            # MetricsQL parses a word such as max as a metric name only if a matcher follows. Otherwise it
            # rejects the text, or cannot parse its own output. This matcher selects everything.
            text = query.text
            for one in sorted(query.selectors, key=attrgetter("start"), reverse=True):
                if one.brace is None:
                    text = f'{text[: one.name_end]}{{none!~".+"}}{text[one.name_end :]}'
            braced = parsed(name, text)
            assert braced is not None, text
            return portable(braced).encode()

        return [(name, written(name, value)) for name, value in pairs]

    def select_everywhere(self, selector: str) -> None:
        """Send a selector to each endpoint that takes selectors."""
        for method in ("GET", "POST"):
            self.selecting("/api/v1/series", selector, method=method)
            self.selecting("/api/v1/labels", selector, method=method)
        for label in ("__name__", "project", "vm", "operator", "nothing", "__graphite__"):
            self.selecting(f"/api/v1/label/{label}/values", selector)
        self.selecting("/federate", selector)

    def select_several(self, path: str) -> None:
        """Send several selectors and none to an endpoint; each response has data."""
        for selectors in (
            (),
            ("cpu", "secret"),
            ("secret", '{project="B"}', "cpu"),
            ('{__name__=~".+"}',) * 3,
        ):
            status, content = self.selecting(path, *selectors)
            assert status == 200
            assert content["data"] if isinstance(content, dict) else content

    def nothing_of_b(self, content: Any, pairs: Sequence[tuple[str, str | bytes]]) -> None:
        asked = repr(pairs)
        text = repr(content)
        for word in (*B_ONLY, str(self._people.b.project_id)):
            if word not in asked:
                assert not re.search(rf"\b{re.escape(word)}\b", text), (word, pairs, content)

    def text(self, query: str) -> str | bytes:
        """Return a query with the projects' ids; bytes if it is not valid Unicode."""
        for letter, account in (("A", self._people.a), ("B", self._people.b)):
            query = re.sub(rf'(?<=["\'|]){letter}(?=["\'|])', str(account.project_id), query)
        return query if query.isascii() else query.encode("utf-8", "surrogatepass")

    def instant(self, query: str, method: str = "GET") -> tuple[int, Any]:
        pairs = [("query", self.text(query)), ("time", str(self._window.now)), ("timeout", _timeout(query))]
        return self.ask("/api/v1/query", pairs, method)

    def range(self, query: str, method: str = "GET") -> tuple[int, Any]:
        now = self._window.now
        pairs = [
            ("query", self.text(query)),
            ("start", str(now - 1800)),
            ("end", str(now)),
            ("step", "300"),
            ("timeout", _timeout(query)),
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

    @property
    def figures(self) -> tuple[dict[str, int], float]:
        """What was compared, and in how many seconds."""
        return dict(self.compared), time.monotonic() - self._started

    def close(self) -> None:
        self._gateway.close()
        self._store.close()

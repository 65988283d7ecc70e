"""The allowed differences between the gateway's response to a tenant and that of the tenant's own store.

This module lists every kind of difference with its reason. Any other difference fails a test.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e.asking import close

from chrysaetos.errors import QueryError
from chrysaetos.promql.ast import Aggregate, Call, walk
from chrysaetos.promql.parser import parse, parse_selector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chrysaetos.promql.ast import Expr
    from chrysaetos.promql.parser import Query

__all__ = ["KNOWN", "Asked", "Known", "alike", "decoded", "difference", "is_out_of_bounds", "parsed"]

Answer = tuple[int, Any]
"""Status and content."""

_REFUSALS = {400, 414, 422}
_PLACE = re.compile(r"\b\d+:\d+\b|(?<=&\{)0x[0-9a-f]+(?=\})")
"""A position in the scoped text; Thanos also prints where an object is in memory."""
_QUERIES = {"/api/v1/query", "/api/v1/query_range"}


def decoded(value: str | bytes) -> str:
    """Return a parameter's value as text; it is sent as bytes where it is not ASCII."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


def parsed(parameter: str, text: str) -> Query | None:
    """Return the text that the gateway parses, None if it rejects it. Responses for this text are compared.

    Args:
        parameter: the name of the text's parameter: ``match[]`` contains a selector.
        text: the text.
    """
    try:
        return (parse_selector if parameter == "match[]" else parse)(text)
    except QueryError:
        return None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request.

    Attributes:
        path: its path.
        pairs: its parameters.
        metricsql: whether the engine's language is MetricsQL.
        mimir: whether the engine is Mimir.
    """

    path: str
    pairs: Sequence[tuple[str, str | bytes]]
    metricsql: bool = False
    mimir: bool = False

    def texts(self) -> list[tuple[str, str]]:
        """Return its expressions, each with the parameter's name."""
        return [(name, decoded(value)) for name, value in self.pairs if name in {"query", "match[]"}]

    def is_promql(self) -> bool:
        """Return whether all of its expressions are PromQL."""
        return all(parsed(*pair) is not None for pair in self.texts())


@dataclass(frozen=True, slots=True)
class Known:
    """A kind of difference.

    Attributes:
        kind: its name.
        reason: why it is correct.
        explains: whether a request and the responses of gateway and store show this kind of difference.
    """

    kind: str
    reason: str
    explains: Callable[[Asked, Answer, Answer], bool]


def _error_type(answer: Answer) -> str | None:
    return answer[1].get("errorType") if answer[0] >= 400 and isinstance(answer[1], dict) else None


def _says(answer: Answer, pattern: str) -> bool:
    return _error_type(answer) == "bad_data" and re.search(pattern, answer[1]["error"]) is not None


def _refused_by_both(asked: Asked, ours: Answer, theirs: Answer) -> bool:
    if asked.metricsql:
        # It says the whole query again in each error, so as it was scoped.
        return ours[0] in _REFUSALS and theirs[0] in _REFUSALS
    if ours[0] != 400 or _error_type(ours) != "bad_data":
        return False
    if theirs[0] != 400:
        # Thanos answers so for exemplars.
        return _error_type(theirs) == "internal" and ": parse error: " in theirs[1]["error"]
    # /federate refuses in plain text.
    return asked.path == "/federate" or _error_type(theirs) == "bad_data"


def is_out_of_bounds(ours: Answer) -> bool:
    """Return whether the gateway says that a text exceeds its bounds."""
    return _says(ours, r"nested deeper than|is longer than|more than [\d,]+ |too many selectors and matchers")


def _out_of_bounds(_: Asked, ours: Answer, theirs: Answer) -> bool:
    # /query_exemplars has no content for a query without a selector.
    return theirs[0] in {200, 204, 422} and is_out_of_bounds(ours)


def _without_condition(asked: Asked, ours: Answer, theirs: Answer) -> bool:
    if ours[0] != 200 or not all(name == "match[]" for name, _ in asked.pairs):
        return False
    if all(value == "{}" for _, value in asked.pairs):
        return theirs == (200, []) or theirs[0] in _REFUSALS
    return _says(theirs, "must contain at least one non-empty matcher")


def _page_of_an_older_engine(_: Asked, ours: Answer, theirs: Answer) -> bool:
    return _error_type(ours) == "not_found" and theirs[0] == 404


def _not_promql(asked: Asked, ours: Answer, theirs: Answer) -> bool:
    return asked.metricsql and theirs[0] == 200 and _error_type(ours) == "bad_data" and not asked.is_promql()


def _ties(asked: Asked, ours: Answer, theirs: Answer) -> bool:
    if not asked.metricsql or ours[0] != 200 or theirs[0] != 200 or asked.path not in _QUERIES:
        return False
    trees = [parse(text).expr for _, text in asked.texts() if asked.is_promql()]
    nodes = [node for tree in trees for node in walk(tree) if isinstance(node, Aggregate)]
    lengths = {len(answer[1]["data"]["result"]) for answer in (ours, theirs)}
    return any(node.op in {"topk", "bottomk"} for node in nodes) and len(lengths) == 1


def _labels_of_absent(asked: Asked, ours: Answer, theirs: Answer) -> bool:
    if not asked.mimir or ours[0] != 200 or theirs[0] != 200 or not asked.is_promql():
        return False
    nodes = [node for _, text in asked.texts() for node in walk(parse(text).expr)]
    if not any(isinstance(node, Call) and node.function.name.startswith("absent") for node in nodes):
        return False
    unlabelled = deepcopy(theirs[1])
    for series in unlabelled["data"]["result"]:
        series["metric"].pop("project", None)
    return close(ours[1], unlabelled)


def _info(asked: Asked, ours: Answer, theirs: Answer) -> bool:
    trees = [parse(text).expr for name, text in asked.texts() if name == "query" and asked.is_promql()]
    if not any(_is_info(node) for tree in trees for node in walk(tree)):
        return False
    if not any(map(_is_info, trees)):
        return {ours[0], theirs[0]} <= {200, 422}  # series that do not match one to one are an error
    # Where info() is all that is asked for, what is there is the store's, but for labels that are missing.
    return ours[0] == theirs[0] == 200 and all(
        any(_is_thinned(one, other) for other in theirs[1]["data"]["result"])
        for one in ours[1]["data"]["result"]
    )


def _is_info(node: Expr) -> bool:
    return isinstance(node, Call) and node.function.name == "info"


def _is_thinned(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["metric"].items() <= other["metric"].items() and close(
        one | {"metric": None}, other | {"metric": None}
    )


KNOWN = (
    Known(
        "refused by both",
        "The gateway refuses what is no PromQL itself, in its own words, which show where.",
        _refused_by_both,
    ),
    Known(
        "bounds",
        "Reading a text takes time that other tenants wait for, so its length, its nesting and the"
        " points of its subqueries are bounded.",
        _out_of_bounds,
    ),
    Known(
        "no condition",
        "No selector, and one that asks nothing of a series, stand for the project's series, as in Aetos: the"
        " scope is a condition.",
        _without_condition,
    ),
    Known(
        "not there",
        "What an engine has not is 404. The gateway keeps the engine's page back, and answers with JSON.",
        _page_of_an_older_engine,
    ),
    Known(
        "MetricsQL",
        "What is no PromQL is refused, since only what can be read can be scoped.",
        _not_promql,
    ),
    Known(
        "ties",
        "Of series with the same value, VictoriaMetrics' topk and bottomk keep any.",
        _ties,
    ),
    Known(
        "absent()",
        "Mimir sorts matchers, so its absent() takes no label from an equality of the project that the caller"
        " wrote: the scope is another condition for that label.",
        _labels_of_absent,
    ),
    Known(
        "info()",
        "info() selects info series on its own. Its second argument, which scopes that, also limits which of"
        " their labels are added, and drops series that have no info: labels and series are missing, and so"
        " is an error about them.",
        _info,
    ),
)
"""The kinds. ``_comparable`` takes two more out of answers: places in annotations, which are positions in the
scoped text, or Thanos' memory addresses; and notes on the work: how long it took, and with VictoriaMetrics
what was read."""


def alike(asked: Asked, ours: Answer, theirs: Answer) -> bool:
    """Return whether the gateway's answer is the store's, but for what is known."""
    return difference(asked, ours, theirs) is not None


def difference(asked: Asked, ours: Answer, theirs: Answer) -> str | None:
    """Return the known kind of difference of two answers, empty if they are equal, None for any other."""
    left, right = _comparable(asked, ours), _comparable(asked, theirs)
    if left[0] == right[0] and close(left[1], right[1]):
        return ""
    return next((known.kind for known in KNOWN if known.explains(asked, left, right)), None)


def _comparable(asked: Asked, answer: Answer) -> Answer:
    status, content = answer
    if not isinstance(content, dict):
        return answer
    content = _without_notes(content, metricsql=asked.metricsql)
    if isinstance(content.get("data"), dict):
        content["data"] = _without_notes(content["data"], metricsql=asked.metricsql)
    for kind in {"warnings", "infos"} & content.keys():
        notes = sorted(_PLACE.sub("L:C", note) for note in content[kind])
        # Of more than ten, Prometheus shows any ten.
        notes = [note for note in notes if note.endswith("annotations omitted")] or notes
        content = content | {kind: notes}
    return status, content


def _without_notes(content: dict[str, Any], *, metricsql: bool) -> dict[str, Any]:
    """Drop how long an answer took, and what VictoriaMetrics read for it."""
    if metricsql:
        return {k: v for k, v in content.items() if k not in {"stats", "trace", "executionTimeMsec"}}
    stats = content.get("stats")
    return content | {"stats": stats | {"timings": None}} if isinstance(stats, dict) else dict(content)

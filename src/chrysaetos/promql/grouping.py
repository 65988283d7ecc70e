"""Which words name what, and what stands between a binary operator and its right side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.promql import durations
from chrysaetos.promql.ast import Matching
from chrysaetos.promql.strings import unquote
from chrysaetos.promql.tokens import AGGREGATORS, IDENTIFIER, METRIC, STRING

if TYPE_CHECKING:
    from chrysaetos.promql.cursor import Cursor

__all__ = ["CALL_WORDS", "METRIC_WORDS", "grouping_labels", "matching"]

CALL_WORDS = frozenset({"start", "end", "step", "range", "max_of", "min_of"})
# metric_identifier: the keywords that name a metric where a metric is expected.
METRIC_WORDS = (
    AGGREGATORS
    | CALL_WORDS
    | {"and", "or", "unless", "by", "without", "offset", "anchored", "smoothed"}
    | {"fill", "fill_left", "fill_right"}
    | {IDENTIFIER, METRIC}
)
# maybe_label: the keywords that name a label in a grouping.
_LABEL_WORDS = (METRIC_WORDS - {"without"}) | {
    "bool",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "atan2",
}
_FILLS = frozenset({"fill", "fill_left", "fill_right"})
_MODIFIERS = _FILLS | {"bool", "on", "ignoring"}
_NONE = Matching()


def matching(cursor: Cursor) -> Matching:
    """What stands between a binary operator and its right side.

    ``bin_modifier : [BOOL] [(ON | IGNORING) labels [(GROUP_LEFT | GROUP_RIGHT) [labels]]] [fills]``
    """
    kinds = cursor.kinds
    if kinds[cursor.index] not in _MODIFIERS:
        return _NONE
    return_bool = kinds[cursor.index] == "bool"
    if return_bool:
        cursor.index += 1
    on: bool | None = None
    labels: tuple[str, ...] = ()
    group: str | None = None
    include: tuple[str, ...] = ()
    if kinds[cursor.index] in {"on", "ignoring"}:
        on = kinds[cursor.index] == "on"
        cursor.index += 1
        labels = grouping_labels(cursor)
        if kinds[cursor.index] in {"group_left", "group_right"}:
            group = kinds[cursor.index]
            cursor.index += 1
            if kinds[cursor.index] == "(":
                include = grouping_labels(cursor)
    return Matching(return_bool, on, labels, group, include, _fills(cursor))


def _fills(cursor: Cursor) -> bool:
    """Whether there are fill modifiers.

    ``fill_modifiers : FILL value | FILL_LEFT value [FILL_RIGHT value] | FILL_RIGHT value [FILL_LEFT value]``
    """
    seen: set[str] = set()
    while (kind := cursor.kinds[cursor.index]) in _FILLS and kind not in seen and "fill" not in seen:
        if kind == "fill" and seen:
            break
        seen.add(kind)
        cursor.index += 1
        cursor.expect("(", "a fill modifier", '"("')
        durations.signed_number(cursor)
        cursor.expect(")", "a fill modifier", '")"')
    return bool(seen)


def grouping_labels(cursor: Cursor) -> tuple[str, ...]:
    """``grouping_labels : "(" [label {"," label} [","]] ")"``."""
    cursor.expect("(", "grouping opts", '"("')
    labels: list[str] = []
    while cursor.kinds[cursor.index] != ")":
        kind = cursor.kinds[cursor.index]
        label = cursor.written(cursor.index)
        if kind == STRING:
            label = unquote(label)
        elif kind not in _LABEL_WORDS:
            cursor.unexpected("grouping opts", "label")
        if not label:
            cursor.refuse(
                "a label's name must not be empty", cursor.starts[cursor.index], cursor.ends[cursor.index]
            )
        labels.append(label)
        cursor.index += 1
        if cursor.kinds[cursor.index] == ",":
            cursor.index += 1
        elif cursor.kinds[cursor.index] != ")":
            cursor.unexpected("grouping opts", '"," or ")"')
    cursor.index += 1
    return tuple(labels)

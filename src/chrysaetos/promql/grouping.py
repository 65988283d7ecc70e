"""The keywords that may be names, and the modifiers of binary operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.promql import durations
from chrysaetos.promql.ast import Matching
from chrysaetos.promql.lexemes import shown
from chrysaetos.promql.strings import is_label_name, unquote
from chrysaetos.promql.tokens import IDENTIFIER, STRING_LITERAL
from chrysaetos.promql.words import AGGREGATORS, DURATION_WORDS, FILLS

if TYPE_CHECKING:
    from chrysaetos.promql.cursor import Cursor

__all__ = ["CALL_WORDS", "METRIC_WORDS", "PLAIN", "grouping_labels", "matching"]

CALL_WORDS = DURATION_WORDS | {"start", "end"}
# metric_identifier: the keywords that may name a metric.
METRIC_WORDS = (
    AGGREGATORS
    | CALL_WORDS
    | {"and", "or", "unless", "by", "without", "offset", "anchored", "smoothed"}
    | FILLS
    | {IDENTIFIER}
)
# maybe_label: the keywords that may name a label in a grouping.
_LABEL_WORDS = (METRIC_WORDS - {"without"}) | {
    "bool",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "atan2",
}
_MODIFIERS = FILLS | {"bool", "on", "ignoring"}
PLAIN = Matching()
"""No modifiers."""


def matching(cursor: Cursor) -> Matching:
    """Parse the modifiers between a binary operator and its right side.

    ``bin_modifier : [BOOL] [(ON | IGNORING) labels [(GROUP_LEFT | GROUP_RIGHT) [labels]]] [fills]``
    """
    kinds = cursor.kinds
    if kinds[cursor.index] not in _MODIFIERS:
        return PLAIN
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
    """Parse the fill modifiers and return whether there are any.

    ``fill_modifiers : FILL value | FILL_LEFT value [FILL_RIGHT value] | FILL_RIGHT value [FILL_LEFT value]``
    """
    seen: set[str] = set()
    while (kind := cursor.kinds[cursor.index]) in FILLS and kind not in seen and "fill" not in seen:
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
    kinds = cursor.kinds
    cursor.expect("(", "grouping opts", '"("')
    index = cursor.index
    labels: list[str] = []
    while kinds[index] != ")":
        label = cursor.parts[index]
        if kinds[index] == STRING_LITERAL:
            label = unquote(label)
            if not is_label_name(label):
                reason = f"invalid label name for grouping: {shown(cursor.parts[index])}"
                cursor.refuse(reason, *cursor.span(index))
            cursor.quoted_labels.append((*cursor.span(index), label))
        elif kinds[index] not in _LABEL_WORDS:
            cursor.index = index
            cursor.unexpected("grouping opts", "label")
        labels.append(label)
        index += 1
        if kinds[index] == ",":
            index += 1
        elif kinds[index] != ")":
            cursor.index = index
            cursor.unexpected("grouping opts", '"," or ")"')
    cursor.index = index + 1
    return tuple(labels)

"""The type check that Prometheus does after the syntax is known to be right (``parse.go``, ``checkAST``).

Each function takes a node that was just built and reports type errors to the cursor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.promql.ast import VectorSelector
from chrysaetos.promql.grouping import PLAIN
from chrysaetos.promql.regex import matches_empty
from chrysaetos.promql.strings import unquote

if TYPE_CHECKING:
    from chrysaetos.promql.ast import Aggregate, Binary, Call, Matcher, Subquery, Unary
    from chrysaetos.promql.cursor import Cursor
    from chrysaetos.promql.functions import Type

__all__ = [
    "check_aggregate",
    "check_binary",
    "check_call",
    "check_subquery",
    "check_unary",
    "refuses_empty",
]

_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_SET_OPERATORS = frozenset({"and", "or", "unless"})
_OPERAND_TYPES = frozenset({"scalar", "vector"})
_NAMES = {
    "scalar": "a scalar",
    "vector": "an instant vector",
    "matrix": "a range vector",
    "string": "a string",
}
_PARAM_TYPES: dict[str, Type] = {"count_values": "string"}


def check_binary(cursor: Cursor, node: Binary) -> None:
    """Check the operands, ``bool`` and the vector matching of a binary expression."""
    lhs, rhs, matching, op = node.lhs, node.rhs, node.matching, node.op
    if lhs.type == rhs.type == "vector":
        if matching is not PLAIN:
            _check_matching(cursor, node)
        return
    for side in (lhs, rhs):
        if side.type not in _OPERAND_TYPES:
            cursor.complain(
                f"binary expression must contain only scalars and instant vectors, not {_NAMES[side.type]}",
                side.start,
                side.end,
            )
    if op in _SET_OPERATORS:
        cursor.complain(f'set operator "{op}" not allowed with a scalar', node.start, node.end)
    elif op in _COMPARISONS and node.type == "scalar" and not matching.return_bool:
        cursor.complain("comparisons between scalars must use the bool modifier", lhs.end, rhs.start)
    if matching is PLAIN:
        return
    _check_bool(cursor, node)
    if matching.labels:
        cursor.complain("vector matching only allowed between instant vectors", node.start, node.end)
    if matching.fill:
        cursor.complain(
            "filling in missing series only allowed between instant vectors", node.start, node.end
        )


def _check_bool(cursor: Cursor, node: Binary) -> None:
    if node.matching.return_bool and node.op not in _COMPARISONS:
        cursor.complain(
            "bool modifier can only be used on comparison operators", node.lhs.end, node.rhs.start
        )


def _check_matching(cursor: Cursor, node: Binary) -> None:
    """Check the modifiers of an operator whose sides are instant vectors."""
    matching = node.matching
    _check_bool(cursor, node)
    if matching.on:
        for label in sorted(set(matching.labels).intersection(matching.include)):
            cursor.complain(
                f"label {label!a} must not occur in the on and the group clause at once",
                node.lhs.end,
                node.rhs.start,
            )
    if node.op in _SET_OPERATORS:
        if matching.group:
            cursor.complain(f'no grouping allowed for the "{node.op}" operation', node.start, node.end)
        if matching.fill:
            cursor.complain("filling in missing series not allowed for set operators", node.start, node.end)


def check_unary(cursor: Cursor, node: Unary) -> None:
    """Check the operand of a sign."""
    if node.type not in _OPERAND_TYPES:
        cursor.complain(
            f"unary expression only allowed on a scalar or an instant vector, not on {_NAMES[node.type]}",
            node.start,
            node.end,
        )


def check_subquery(cursor: Cursor, node: Subquery) -> None:
    """Check the expression of a subquery."""
    if node.expr.type != "vector":
        cursor.complain(
            f"subquery is only allowed on an instant vector, not on {_NAMES[node.expr.type]}",
            node.start,
            node.end,
        )


def check_aggregate(cursor: Cursor, node: Aggregate) -> None:
    """Check the expression and the parameter of an aggregation."""
    if node.expr.type != "vector":
        cursor.complain(
            f"expected an instant vector in an aggregation, not {_NAMES[node.expr.type]}",
            node.expr.start,
            node.expr.end,
        )
    wanted = _PARAM_TYPES.get(node.op, "scalar")
    if node.param is not None and node.param.type != wanted:
        cursor.complain(
            f"expected {_NAMES[wanted]} as the parameter of {node.op}, not {_NAMES[node.param.type]}",
            node.param.start,
            node.param.end,
        )


def check_call(cursor: Cursor, node: Call) -> None:
    """Check the number and types of a call's arguments."""
    function, count = node.function, len(node.args)
    if count < function.least or (function.most is not None and count > function.most):
        if function.most is None:
            wanted = f"at least {function.least}"
        elif function.least == function.most:
            wanted = str(function.least)
        else:
            wanted = f"{function.least} to {function.most}"
        cursor.complain(
            f"expected {wanted} argument(s) in a call of {function.name}(), got {count}", node.start, node.end
        )
        return
    types = function.args
    last = len(types) - 1
    for position, arg in enumerate(node.args):
        wanted_type = types[position if position < last else last]
        if arg.type != wanted_type:
            cursor.complain(
                f"expected {_NAMES[wanted_type]} as argument {position + 1} of {function.name}(),"
                f" got {_NAMES[arg.type]}",
                arg.start,
                arg.end,
            )
    if function.name == "info" and count == 2:
        labels = node.args[1]
        if not isinstance(labels, VectorSelector) or labels.name is not None:
            cursor.complain(
                "expected label matchers in braces as argument 2 of info()", labels.start, labels.end
            )


def refuses_empty(matcher: Matcher) -> bool:
    """Return whether a matcher does not match a missing label."""
    value = unquote(matcher.raw)
    if matcher.op in {"=", "!="}:
        return (value == "") is (matcher.op == "!=")
    return matches_empty(value) is (matcher.op == "!~")

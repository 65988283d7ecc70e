"""An independent parser of PromQL: promql-parser.

It is not authoritative: it lacks parts of PromQL, accepts some texts that Prometheus rejects, panics on an
offset out of range, and overflows the stack on long chains. But it is independent, in another language.
"""

import promql_parser

__all__ = ["read"]

_OPS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}


def read(text):
    """Return name and matchers of each vector selector in the text's order, or None if it is rejected."""
    try:
        tree = promql_parser.parse(text)
    except (ValueError, OverflowError):
        return None
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            return None
        raise
    found = []
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, promql_parser.VectorSelector):
            alternatives = node.matchers.or_matchers or [node.matchers.matchers]
            found += [(node.name, [_matcher(m) for m in matchers]) for matchers in alternatives]
        else:
            stack += reversed(_below(node))
    return found


def _below(node):
    match type(node).__name__:
        case "MatrixSelector":
            return [node.vector_selector]
        case "BinaryExpr":
            return [node.lhs, node.rhs]
        case "AggregateExpr":
            return [node.expr] if node.param is None else [node.param, node.expr]
        case "Call":
            return node.args
        case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            return [node.expr]
        case "NumberLiteral" | "StringLiteral":
            return []
        case other:
            raise TypeError(other)


def _matcher(matcher):
    return matcher.name, _OPS[str(matcher.op)], matcher.value

"""``chrysaetos scope``: prints a query as the gateway scopes it for a project."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from chrysaetos.errors import QueryError
from chrysaetos.promql.selftest import InterpreterError, check_interpreter
from chrysaetos.tenancy.enforce import scope_query, scope_selector
from chrysaetos.tenancy.scope import Scope

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "query", nargs="?", help="the PromQL text; with --json-lines it is read from standard input"
    )
    parser.add_argument("--project", required=True, metavar="ID", help="the project's id")
    parser.add_argument(
        "--label", default="project", help="the label with the project's id (default: %(default)s)"
    )
    parser.add_argument(
        "--selector", action="store_true", help="scope the text as a match[] parameter, not as a query"
    )
    parser.add_argument(
        "--json-lines",
        action="store_true",
        help="read a JSON string per line, write a JSON object per line: scoped, or error, line and column",
    )


def run(arguments: Namespace) -> int:
    """Scope one text, or each line of standard input.

    Returns:
        The exit status: 0 for success, 1 if the text is rejected, 2 for invalid arguments. With
        ``--json-lines``, rejected texts do not change the status.
    """
    if (arguments.query is None) is not arguments.json_lines:
        print("chrysaetos scope: pass either a query or --json-lines", file=sys.stderr)
        return 2
    try:
        check_interpreter()
        scope = Scope.of(arguments.label, arguments.project)
    except (ValueError, InterpreterError) as error:
        print(f"chrysaetos scope: {error}", file=sys.stderr)
        return 2
    enforce = scope_selector if arguments.selector else scope_query

    def scoped(text: str) -> str:
        return enforce(text, scope)

    if arguments.json_lines:
        _scope_lines(scoped)
        return 0
    try:
        print(scoped(arguments.query))
    except QueryError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


_INVALID_LINE = {"error": "this line is not a JSON string", "line": 1, "column": 1}


def _scope_lines(scoped: Callable[[str], str]) -> None:
    """Write a result for each line of standard input, including lines that are not JSON strings."""
    for line in sys.stdin.buffer:
        result: dict[str, object]
        try:
            text = json.loads(line)
            result = {"scoped": scoped(text)} if isinstance(text, str) else _INVALID_LINE
        except (ValueError, RecursionError):
            result = _INVALID_LINE
        except QueryError as error:
            result = {"error": error.reason, "line": error.line, "column": error.column}
        print(json.dumps(result), flush=True)

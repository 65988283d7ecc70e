"""``chrysaetos scope``: what the gateway makes of a query."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from chrysaetos.errors import QueryError
from chrysaetos.tenancy.enforce import scope_query, scope_selector
from chrysaetos.tenancy.scope import Scope

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "query", nargs="?", help="the PromQL text; with --json-lines it is read from the input"
    )
    parser.add_argument("--project", required=True, metavar="ID", help="the project to scope it to")
    parser.add_argument(
        "--label", default="project", help="the label that holds the project (default: %(default)s)"
    )
    parser.add_argument(
        "--selector", action="store_true", help="the text is a match[] parameter, not a query"
    )
    parser.add_argument(
        "--json-lines",
        action="store_true",
        help="read one JSON string a line, write one JSON object a line: scoped, or error, line and column",
    )


def run(arguments: Namespace) -> int:
    """Scope one text, or each line of the input.

    Returns:
        0; 1 if the text is refused; 2 if the call is not as it should be. With ``--json-lines`` a refused
        text is an answer, and the status is 0.
    """
    if (arguments.query is None) is not arguments.json_lines:
        print("chrysaetos scope: give either a query or --json-lines", file=sys.stderr)
        return 2
    try:
        scope = Scope.of(arguments.label, arguments.project)
    except ValueError as error:
        print(f"chrysaetos scope: {error}", file=sys.stderr)
        return 2
    enforce = scope_selector if arguments.selector else scope_query

    def scoped(text: str) -> str:
        return enforce(text, scope)

    if arguments.json_lines:
        _lines(scoped)
        return 0
    try:
        print(scoped(arguments.query))
    except QueryError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


_NO_STRING = {"error": "this line of the input is not a JSON string", "line": 1, "column": 1}


def _lines(scoped: Callable[[str], str]) -> None:
    """Answer each line of the input, in order; one that is no JSON string, too."""
    for line in sys.stdin.buffer:
        answer: dict[str, object]
        try:
            text = json.loads(line)
            answer = {"scoped": scoped(text)} if isinstance(text, str) else _NO_STRING
        except (ValueError, RecursionError):
            answer = _NO_STRING
        except QueryError as error:
            answer = {"error": error.reason, "line": error.line, "column": error.column}
        print(json.dumps(answer), flush=True)

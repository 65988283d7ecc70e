"""The error messages, found in the source code."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from tools.reference.rst import escaped, heading, literal, table

import chrysaetos
from chrysaetos import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["messages", "render"]

_SOURCE = Path(chrysaetos.__file__).parent
_REFUSE = "refuse"
"""The method by which the parser raises a ``QueryError``."""


def render() -> str:
    """Return the reference of errors: a table of the classes, and the messages of each."""
    kinds = sorted(
        (each for each in (getattr(errors, name) for name in errors.__all__) if _has_status(each)),
        key=lambda each: each.status,
    )
    rows = [(str(each.status), literal(each.error_type), _meaning(each)) for each in kinds]
    text = table(("Status", "``errorType``", "Meaning"), rows)
    found = messages()
    for each in kinds:
        if found.get(each.__name__):
            text += heading(f"{each.status} {each.__name__}", "-") + _bullets(found[each.__name__])
    return text + heading("Errors at the start", "-") + _bullets(found[errors.ConfigError.__name__])


def messages() -> dict[str, list[str]]:
    """Return the messages by the name of the error's class.

    A value that a message contains is shown by its name in braces.
    """
    found: dict[str, set[str]] = {}
    for path in _SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, message in _raised(tree):
            found.setdefault(name, set()).add(message)
    return {name: sorted(each, key=str.lower) for name, each in found.items()}


def _has_status(each: object) -> TypeGuard[type[errors.ApiError]]:
    """Return whether it is the class of an error response with a status of its own."""
    return inspect.isclass(each) and issubclass(each, errors.ApiError) and each is not errors.UpstreamRefusal


def _meaning(each: type[errors.ApiError]) -> str:
    return (inspect.getdoc(each) or "").partition("\n\n")[0].replace("\n", " ")


def _raised(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the class and the message of each error of ``chrysaetos.errors`` in a module."""
    known = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == errors.__name__
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        message = _template(node.args[0])
        if message is None:
            continue
        if isinstance(node.func, ast.Name) and node.func.id in known:
            yield node.func.id, message
        elif isinstance(node.func, ast.Attribute) and node.func.attr == _REFUSE:
            yield errors.QueryError.__name__, message


def _template(node: ast.expr) -> str | None:
    """Return a string literal with the names of its values in braces; None for another expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(part) for part in node.values)
    return None


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.FormattedValue):
        return "{" + _name(node.value).strip("_").lower() + "}"
    return str(node.value) if isinstance(node, ast.Constant) else ""


def _name(node: ast.expr) -> str:
    """Return the name of a value in the code."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(args=[ast.Name() | ast.Attribute() | ast.Subscript() as argument, *_]):
            return _name(argument)
        case ast.Call(func=ast.Attribute(value=value)) | ast.Subscript(value=value):
            return _name(value)
        case _:
            return "…"


def _bullets(texts: list[str]) -> str:
    return "".join(f"- {escaped(text)}\n" for text in texts) + "\n"

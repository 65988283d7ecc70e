"""The HTTP API as a page, from its OpenAPI document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tools.reference.rst import escaped, heading, literal, table

from chrysaetos.gateway.own.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["render"]

_CODE = re.compile(r"`([^`]+)`")


def render() -> str:
    """Return the reference of the paths, in the order of the endpoint table."""
    return "".join(_path(path, operations) for path, operations in document()["paths"].items())


def _path(path: str, operations: dict[str, Any]) -> str:
    first = next(iter(operations.values()))
    text = heading(path, "-")
    text += f"{escaped(first['summary'])}. {_text(first['description'])}\n\n"
    text += f":Methods: {', '.join(method.upper() for method in operations)}\n"
    if "x-policy-rules" in first:
        text += f":Policy: {', '.join(map(literal, first['x-policy-rules']))}\n"
    statuses = {status for each in operations.values() for status in each["responses"]}
    text += f":Status: {', '.join(sorted(statuses))}\n\n"
    rows = list(_parameters(operations))
    return text + (table(("Parameter", "Type", "Meaning"), rows) if rows else "")


def _parameters(operations: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the parameters of the method with the most in its URL, or else those of the form."""
    shown = max(operations.values(), key=lambda each: len(each["parameters"]))
    for each in shown["parameters"]:
        yield _row(each["name"], each["schema"], each["description"], required=each["required"])
    if not shown["parameters"]:
        for content in shown.get("requestBody", {}).get("content", {}).values():
            schema = content["schema"]
            for name, each in schema.get("properties", {}).items():
                yield _row(name, each, each["description"], required=name in schema["required"])


def _row(name: str, schema: dict[str, Any], meaning: str, *, required: bool) -> tuple[str, str, str]:
    item = schema.get("items", schema)
    kind = item["type"] if item is schema else f"{item['type']}, repeated"
    form = item.get("description", "") if item.get("description") != meaning else ""
    needed = " Required." if required else ""
    return literal(name), kind, _text(f"{meaning} {form}".strip()) + needed


def _text(text: str) -> str:
    """Return a Markdown text, whose only markup is code, as reStructuredText."""
    parts = _CODE.split(text)
    return "".join(literal(part) if number % 2 else escaped(part) for number, part in enumerate(parts))

"""Which endpoints each engine serves, from the results of the end-to-end tests."""

from __future__ import annotations

import json
from pathlib import Path

from tools.reference.rst import escaped, literal, table

from chrysaetos.tenancy.endpoints import ENDPOINTS

__all__ = ["RESULTS", "render"]

RESULTS = Path(__file__).parents[2] / "docs" / "reference" / "engines.json"
"""Endpoint → result by engine, as ``tests/e2e/test_engine_matrix.py`` writes it."""


def render() -> str:
    """Return the table of endpoints and engines, followed by the errors that are in it."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    engines = sorted(results)
    notes: list[str] = []

    def cell(result: str) -> str:
        if result in {"yes", "no"}:
            return {"yes": "yes", "no": "\\-"}[result]
        if result not in notes:
            notes.append(result)
        return f"error {notes.index(result) + 1}"

    rows = [
        (literal(endpoint.path), *(cell(results[engine][endpoint.name]) for engine in engines))
        for endpoint in ENDPOINTS
        if endpoint.guarded
    ]
    text = table(("Path", *engines), rows)
    return text + "".join(
        f"- Error {number}: {escaped(note)}\n" for number, note in enumerate(notes, start=1)
    )

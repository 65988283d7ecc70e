"""The table of engines and endpoints."""

from __future__ import annotations

import json

from tools.reference import engines

from chrysaetos.tenancy.endpoints import ENDPOINTS

GUARDED = [endpoint for endpoint in ENDPOINTS if endpoint.guarded]


def test_each_endpoint_and_each_engine_is_in_the_table():
    text = engines.render()
    results = json.loads(engines.RESULTS.read_text())
    assert len(results) >= 5
    for engine, found in results.items():
        assert f" - {engine}\n" in text
        assert list(found) == [endpoint.name for endpoint in GUARDED], "run tests/e2e/test_engine_matrix.py"
    for endpoint in GUARDED:
        assert f"* - ``{endpoint.path}``\n" in text


def test_an_error_is_a_note(tmp_path, monkeypatch):
    file = tmp_path / "engines.json"
    found = {endpoint.name: "no" for endpoint in GUARDED} | {
        "query": "yes",
        "read": "503 not_now",
        "labels": "503 not_now",
    }
    file.write_text(json.dumps({"Engine 1.2": found}))
    monkeypatch.setattr(engines, "RESULTS", file)
    text = engines.render()
    assert text.count("error 1\n") == 2
    assert text.endswith("- Error 1: 503 not\\_now\n")

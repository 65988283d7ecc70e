"""``chrysaetos series``, ``labels``, ``values`` and ``metadata``."""

import json
import time

import pytest

SERIES, LABELS, METADATA = "/api/v1/series", "/api/v1/labels", "/api/v1/metadata"


def test_series_have_a_column_a_label(ask, canned, server):
    canned.says(SERIES, [{"__name__": "up", "vm": "a"}, {"__name__": "down", "zone": "z"}])
    said = ask("series", "up", '{vm="a"}', "--start", "-1h", "--limit", "5", "-f", "json")
    assert json.loads(said.out) == [
        {"__name__": "up", "vm": "a", "zone": ""},
        {"__name__": "down", "vm": "", "zone": "z"},
    ]
    asked = server.requests[-1]
    assert [value for name, value in asked.pairs if name == "match[]"] == ["up", '{vm="a"}']
    assert float(asked.parameters["start"]) == pytest.approx(time.time() - 3600, abs=60)
    assert asked.parameters["limit"] == "5"
    assert "end" not in asked.parameters


def test_labels_are_one_column(ask, canned, server):
    canned.says(LABELS, ["__name__", "vm"], warnings=["cut short"])
    said = ask("labels", "--match", "up", "--match", "down", "-f", "value")
    assert said.out.split() == ["__name__", "vm"]
    assert said.err == "cut short\n"
    assert [value for name, value in server.requests[-1].pairs if name == "match[]"] == ["up", "down"]


def test_values_are_of_one_label(ask, canned, server):
    canned.says("/api/v1/label/vm/values", ["a", "b"])
    assert json.loads(ask("values", "vm", "--end", "now", "-f", "json").out) == [
        {"value": "a"},
        {"value": "b"},
    ]
    assert "end" in server.requests[-1].parameters


def test_metadata_is_a_row_for_each_that_differs(ask, canned, server):
    entries = [{"type": "gauge", "unit": "", "help": "Is it up?"}, {"type": "unknown"}]
    canned.says(METADATA, {"up": entries, "down": [{"type": "counter", "unit": "s", "help": "\x07"}]})
    said = ask("metadata", "up", "-f", "json")
    assert json.loads(said.out) == [
        {"metric": "down", "type": "counter", "unit": "s", "help": "\x07"},
        {"metric": "up", "type": "gauge", "unit": "", "help": "Is it up?"},
        {"metric": "up", "type": "unknown", "unit": "", "help": ""},
    ]
    assert server.requests[-1].parameters["metric"] == "up"

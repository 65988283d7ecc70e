"""``chrysaetos series``, ``labels``, ``values`` and ``metadata``."""

import json
import time

import pytest

SERIES, LABELS, METADATA = "/api/v1/series", "/api/v1/labels", "/api/v1/metadata"


def test_series_have_a_column_per_label(run_on_server, responses, server):
    responses.set(SERIES, [{"__name__": "up", "vm": "a"}, {"__name__": "down", "zone": "z"}])
    output = run_on_server("series", "up", '{vm="a"}', "--start", "-1h", "--limit", "5", "-f", "json")
    assert json.loads(output.out) == [
        {"__name__": "up", "vm": "a", "zone": ""},
        {"__name__": "down", "vm": "", "zone": "z"},
    ]
    request = server.requests[-1]
    assert [value for name, value in request.pairs if name == "match[]"] == ["up", '{vm="a"}']
    assert float(request.parameters["start"]) == pytest.approx(time.time() - 3600, abs=60)
    assert request.parameters["limit"] == "5"
    assert "end" not in request.parameters


def test_labels_are_one_column(run_on_server, responses, server):
    responses.set(LABELS, ["__name__", "vm"], warnings=["cut short"])
    output = run_on_server("labels", "--match", "up", "--match", "down", "-f", "value")
    assert output.out.split() == ["__name__", "vm"]
    assert output.err == "cut short\n"
    assert [value for name, value in server.requests[-1].pairs if name == "match[]"] == ["up", "down"]


def test_values_of_a_label(run_on_server, responses, server):
    responses.set("/api/v1/label/vm/values", ["a", "b"])
    assert json.loads(run_on_server("values", "vm", "--end", "now", "-f", "json").out) == [
        {"value": "a"},
        {"value": "b"},
    ]
    assert "end" in server.requests[-1].parameters


def test_metadata_is_a_row_per_entry(run_on_server, responses, server):
    entries = [{"type": "gauge", "unit": "", "help": "Is it up?"}, {"type": "unknown"}]
    responses.set(METADATA, {"up": entries, "down": [{"type": "counter", "unit": "s", "help": "\x07"}]})
    output = run_on_server("metadata", "up", "-f", "json")
    assert json.loads(output.out) == [
        {"metric": "down", "type": "counter", "unit": "s", "help": "\x07"},
        {"metric": "up", "type": "gauge", "unit": "", "help": "Is it up?"},
        {"metric": "up", "type": "unknown", "unit": "", "help": ""},
    ]
    assert server.requests[-1].parameters["metric"] == "up"


@pytest.mark.parametrize(
    ("command", "noun"),
    [
        (("series", "up"), "series"),
        (("labels", "--match", "up"), "labels"),
        (("values", "vm", "--match", "up"), "values"),
    ],
)
def test_nothing_is_explained(command, noun, run_on_server, responses):
    for path in (SERIES, LABELS, "/api/v1/label/vm/values", "/api/v1/label/__name__/values"):
        responses.set(path, [])
    output = run_on_server(*command)
    assert output.out == ""
    assert output.err == f"no {noun}\nyou see no series at all at this time; chrysaetos doctor checks why\n"
    assert run_on_server(*command, "-f", "json").err == ""

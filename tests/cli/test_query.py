"""``chrysaetos query`` and ``range``."""

import argparse
import csv
import io
import json
import time

import pytest
from tests.fakes.metrics_server import failed, success

from chrysaetos.cli import query
from chrysaetos.cli.query import _style

QUERY, RANGE = "/api/v1/query", "/api/v1/query_range"
NOON = 1_795_262_400


def vector(*samples):
    return {"resultType": "vector", "result": [{"metric": m, "value": [NOON, v]} for m, v in samples]}


def matrix(*series):
    return {"resultType": "matrix", "result": [{"metric": m, "values": v} for m, v in series]}


HISTOGRAM = {"count": "3", "sum": "4.5", "buckets": [[0, "1", "2", "3"]]}


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_vector_is_a_row_per_series(run_on_server, responses, server):
    responses.set(
        QUERY, vector(({"__name__": "up", "vm": "a"}, "1"), ({"__name__": "up", "zone": "z"}, "0.5"))
    )
    output = run_on_server("query", "up", "-f", "json", "--time", "1795262400", "--limit", "7")
    assert output.status == 0
    assert json.loads(output.out) == [
        {"__name__": "up", "vm": "a", "zone": "", "value": 1},
        {"__name__": "up", "vm": "", "zone": "z", "value": 0.5},
    ]
    parameters = server.requests[-1].parameters
    assert (parameters["query"], float(parameters["time"]), parameters["limit"]) == ("up", NOON, "7")


def test_a_table_is_the_default(run_on_server, responses):
    responses.set(QUERY, vector(({"vm": "a"}, "2.50")))
    assert run_on_server("query", "up").out.splitlines()[1].split() == ["|", "vm", "|", "value", "|"]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("NaN", "NaN"),
        ("+Inf", "+Inf"),
        ("-Inf", "-Inf"),
        ("1e+100", 1e100),
        ("9007199254740993", 2**53 * 1.0),
    ],
)
def test_every_value_is_valid_json(sent, shown, run_on_server, responses):
    responses.set(QUERY, vector(({}, sent)))
    out = run_on_server("query", "up", "-f", "json").out
    assert json.loads(out, parse_constant=pytest.fail) == [{"value": shown}]


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ({"resultType": "scalar", "result": [NOON, "3"]}, [{"value": 3}]),
        ({"resultType": "string", "result": [NOON, "a\tb"]}, [{"value": "a\tb"}]),
        (
            matrix(({"vm": "a"}, [[NOON, "1"], [NOON + 0.5, "2"]])),
            [
                {"time": "2026-11-21T12:00:00Z", "vm": "a", "value": 1},
                {"time": "2026-11-21T12:00:00.500Z", "vm": "a", "value": 2},
            ],
        ),
        (
            {"resultType": "vector", "result": [{"metric": {}, "histogram": [NOON, HISTOGRAM]}]},
            [{"value": {"count": 3, "sum": 4.5, "buckets": [[0, 1, 2, 3]]}}],
        ),
        (vector(), []),
    ],
)
def test_every_type_of_result_is_shown(data, shown, run_on_server, responses):
    responses.set(QUERY, data)
    assert json.loads(run_on_server("query", "up", "-f", "json").out) == shown


def test_a_histogram_is_summarized_in_a_table(run_on_server, responses):
    responses.set(QUERY, {"resultType": "vector", "result": [{"metric": {}, "histogram": [NOON, HISTOGRAM]}]})
    assert "| count 3, sum 4.5 |" in run_on_server("query", "up").out


def test_a_label_cannot_hide_the_value(run_on_server, responses):
    responses.set(QUERY, vector(({"value": "no", "time": "t"}, "1")))
    assert json.loads(run_on_server("query", "up", "-f", "json").out) == [
        {"label_value": "no", "time": "t", "value": 1}
    ]


def test_control_characters_in_labels_are_escaped(run_on_server, responses):
    responses.set(QUERY, vector(({"vm": "\x1b[2Jgone"}, "1")))
    table = run_on_server("query", "up").out
    assert "\x1b" not in table
    assert "\\x1b[2Jgone" in table
    assert json.loads(run_on_server("query", "up", "-f", "json").out)[0]["vm"] == "\x1b[2Jgone"


def test_warnings_are_written_to_standard_error(run_on_server, responses):
    responses.set(QUERY, vector(({}, "1")), warnings=["half of it"], infos=["no counter"])
    output = run_on_server("query", "up", "-f", "value")
    assert output.out == "1\n"
    assert output.err.splitlines() == ["half of it", "no counter"]


def test_a_time_may_start_with_a_minus(run_on_server, responses, server):
    responses.set(QUERY, vector(({}, "1")))
    responses.set(RANGE, matrix(({}, [[NOON, "1"]])))
    assert run_on_server("query", "up", "--time", "-1h").status == 0
    assert float(server.requests[-1].parameters["time"]) == pytest.approx(time.time() - 3600, abs=60)
    assert run_on_server("range", "--start", "-2h", "--end", "-1h", "up").status == 0
    parameters = server.requests[-1].parameters
    assert float(parameters["end"]) - float(parameters["start"]) == 3600
    assert parameters["query"] == "up"


def test_the_default_step_of_a_range(run_on_server, responses, server):
    responses.set(RANGE, matrix(({}, [[NOON, "1"]])))
    for start, step in (("-1h", 15), ("-1d", 346), ("-10s", 1)):
        assert run_on_server("range", "up", "--start", start).status == 0
        assert float(server.requests[-1].parameters["step"]) == step
    assert run_on_server("range", "up", "--step", "5m").status == 0
    assert float(server.requests[-1].parameters["step"]) == 300


TWO = matrix(
    ({"__name__": "cpu", "vm": "a"}, [[NOON, "1"], [NOON + 60, "2"]]),
    ({"__name__": "cpu", "vm": "b"}, [[NOON + 60, "NaN"]]),
)


def test_a_range_is_a_row_per_sample(run_on_server, responses):
    responses.set(RANGE, TWO)
    out = run_on_server("range", "cpu", "-f", "csv", "-c", "time", "-c", "vm", "-c", "value").out
    assert list(csv.reader(io.StringIO(out))) == [
        ["time", "vm", "value"],
        ["2026-11-21T12:00:00Z", "a", "1"],
        ["2026-11-21T12:01:00Z", "a", "2"],
        ["2026-11-21T12:01:00Z", "b", "NaN"],
    ]


def test_a_wide_range_is_a_column_per_series(run_on_server, responses):
    responses.set(RANGE, TWO)
    assert json.loads(run_on_server("range", "cpu", "--wide", "-f", "json").out) == [
        {"time": "2026-11-21T12:00:00Z", '{vm="a"}': 1, '{vm="b"}': ""},
        {"time": "2026-11-21T12:01:00Z", '{vm="a"}': 2, '{vm="b"}': "NaN"},
    ]


def test_a_range_is_drawn(run_on_server, responses):
    responses.set(RANGE, TWO)
    window = ("--start", "2026-11-21T12:00:00Z", "--end", "2026-11-21T12:01:00Z", "--step", "60")
    output = run_on_server("range", "cpu ", "--plot", *window, "--width", "60", "--height", "10")
    lines = output.out.splitlines()
    assert lines[0] == "cpu"
    assert lines[1].startswith("2.00 ┤")
    assert lines[-2:] == ['* {vm="a"}  min 1  max 2  last 2', '+ {vm="b"}  no points']
    assert max(map(len, lines)) <= 60
    ascii_only = run_on_server("range", "cpu", "--plot", "--ascii", *window).out
    assert ascii_only.isascii()


@pytest.mark.parametrize("option", ["--width", "--height"])
@pytest.mark.parametrize("size", ["0", "-1", "1000000000"])
def test_a_plot_has_a_possible_size(run, option, size):
    output = run("range", "cpu", "--plot", option, size)
    assert output.status == 2
    assert f"'{size}' is not an integer from 1 to 10000" in output.err


def test_a_range_is_drawn_as_an_image(run_on_server, responses, tmp_path):
    responses.set(RANGE, TWO)
    window = ("--start", "2026-11-21T12:00:00Z", "--end", "2026-11-21T12:01:00Z", "--step", "60")
    file = tmp_path / "cpu.svg"
    assert run_on_server("range", "cpu", "--plot", str(file), *window).out == ""
    assert "{vm=&quot;a&quot;}: min 1, max 2, last 2" in file.read_text()
    assert run_on_server("range", "cpu", "--plot", str(file.with_suffix(".png")), *window).out == ""
    assert file.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    output = run_on_server("range", "cpu", "--plot", str(tmp_path / "no" / "cpu.svg"), *window)
    assert (output.status, output.err.count("\n")) == (1, 1)
    assert "No such file" in output.err


def test_the_extra_for_png_images_is_named_before_the_query(run_on_server, server, tmp_path, monkeypatch):
    monkeypatch.setattr(query, "find_spec", lambda _: None)
    output = run_on_server("range", "cpu", "--plot", str(tmp_path / "cpu.png"))
    assert output.status == 1
    assert "pip install 'chrysaetos[plot]'" in output.err
    assert server.requests == []


def test_the_query_may_be_after_plot(run_on_server, responses, server):
    responses.set(RANGE, TWO)
    assert "* {vm" in run_on_server("range", "--plot", "cpu").out
    assert server.requests[-1].parameters["query"] == "cpu"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("range", "up", "--plot", "-f", "json"), "--plot draws, so it has no format json"),
        (("range", "up", "--plot", "up.gif"), "the name of the file up.gif must end in .svg or .png"),
        (("range",), "the query is missing"),
        (("range", "--plot"), "the query is missing"),
    ],
)
def test_invalid_plots_are_rejected(arguments, message, run_on_server, server):
    output = run_on_server(*arguments)
    assert output.status == 2
    assert message in output.err
    assert server.requests == []


def test_nothing_is_explained(run_on_server, server):
    server.replies = lambda request: success(
        [] if "label" in request.path else vector() if request.path == QUERY else matrix()
    )
    hint = "no series\nyou see no series at all at this time; chrysaetos doctor checks why\n"
    for name in ("query", "range"):
        output = run_on_server(name, "up")
        assert (output.out, output.err) == ("", hint)
    output = run_on_server("range", "up", "--plot")
    assert output.out.endswith("no points to draw\n")
    assert output.err == hint
    for name in ("query", "range"):
        before = len(server.requests)
        assert run_on_server(name, "up", "-f", "csv").err == ""
        assert len(server.requests) == before + 1


def test_a_plot_shows_all_labels_of_a_single_series(run_on_server, responses):
    responses.set(RANGE, matrix(({"__name__": "up", "vm": "\x1b"}, [[NOON, "1"]])))
    out = run_on_server("range", "up", "--plot").out
    assert 'up{vm="\\x1b"}' in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("environment", "encoding", "unicode", "colour"),
    [
        ({"TERM": "xterm"}, "utf-8", True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "utf-8", True, False),
        ({"TERM": "dumb"}, "utf-8", False, False),
        ({}, "utf-8", False, False),
        ({"TERM": "xterm"}, "ascii", False, True),
        ({"TERM": "xterm"}, "latin-1", False, True),
    ],
)
def test_a_plot_adapts_to_the_terminal(environment, encoding, unicode, colour, monkeypatch):
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**environment, "COLUMNS": "90", "LINES": "40"}.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    terminal.encoding = encoding
    options = argparse.Namespace(ascii=False, width=None, height=None)
    style = _style(options, terminal, legend=3)
    assert (style.unicode, style.colour, style.width, style.height) == (unicode, colour, 90, 37)


def test_a_range_is_split_into_several_requests(run_on_server, responses, server):
    responses.set(RANGE, matrix(({}, [[NOON, "1"]])))
    output = run_on_server("range", "up", "--start", "-2d", "--step", "10s", "--split", "-f", "json")
    assert output.status == 0
    assert output.err == ""  # no terminal, no progress
    assert len([one for one in server.requests if one.path == RANGE]) == 2


def test_an_end_before_the_start_is_rejected(run_on_server, server):
    output = run_on_server("range", "up", "--start", "-1h", "--end", "-2h")
    assert output.status == 2
    assert output.err.startswith("chrysaetos range: the end (2")
    assert server.requests == []


def test_watch_repeats_until_it_is_interrupted(run_on_server, server, monkeypatch):
    answers = iter(
        [
            success(vector(({}, "1"))),
            success(vector(({}, "2"))),
            failed(504, "timeout", "too slow"),
            success(vector(({}, "3"))),
        ]
    )
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) > 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    server.replies = lambda _: next(answers)
    output = run_on_server("query", "up", "--watch", "2", "-f", "value")
    assert output.status == 130
    assert output.printed.split() == ["1", "2", "3"]
    assert "too slow" in output.err
    assert set(pauses) == {2.0}


def test_watch_ends_at_a_permanent_error(run_on_server, server, monkeypatch):
    answers = iter([success(matrix()), failed(403, "forbidden", "no more")])
    monkeypatch.setattr(time, "sleep", lambda _: None)
    server.replies = lambda _: next(answers)
    output = run_on_server("range", "up", "--watch")
    assert output.status == 1
    assert "no more" in output.err


def test_a_query_after_watch_is_explained(run_on_server):
    output = run_on_server("query", "--watch", "up")
    assert output.status == 2
    assert "the query must be before --watch" in output.err


def test_a_query_may_start_with_a_minus(run, server, responses):
    responses.set(QUERY, vector(({}, "1")))
    assert run("query", "--url", server.url, "--", "-up").status == 0
    assert server.requests[-1].parameters["query"] == "-up"

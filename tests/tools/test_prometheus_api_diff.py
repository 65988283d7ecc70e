"""The comparison with Prometheus' source, on a small tree like it, and on the one that is followed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tools.engines import ENGINES, EngineError, source_of

PROGRAM = Path(__file__).parents[2] / "tools" / "prometheus-api-diff"

FILES = {
    "web/web.go": """
	router.Get("/federate", readyf(h.federation))
	router.Get("/graph", h.graph)
""",
    "web/federate.go": """
	sets, err := parse(req.Form["match[]"])
""",
    "web/api/v1/api.go": """
	r.Get("/query", wrap(api.query))
	r.Post("/query", wrap(api.query))
	r.Get("/label/:name/values", wrap(api.labelValues))
	r.Get("/forecast", wrap(api.forecast))
	r.Post("/write", api.ready(api.remoteWrite))
	query, depth := r.FormValue("query"), r.FormValue("depth")
	tree := r.URL.Query().Get("tree")
	at, err := parseTimeParam(r, "time", api.now())
	skip := r.FormValue("skip_head")
""",
    "web/api/v1/api_test.go": """
	r.Get("/nothing", wrap(nothing))
	r.FormValue("of_a_test")
""",
    "web/api/v1/openapi_paths.go": """
	r.FormValue("of_the_description")
""",
    "promql/parser/lex.go": """
var key = map[string]ItemType{
	// Operators.
	"and":   LAND,
	"nearby": NEARBY,
}

var other = map[string]ItemType{
	"other": OTHER,
}
""",
    "promql/parser/functions.go": """
var Functions = map[string]*Function{
	"abs": {
		Name:       "abs",
		ArgTypes:   []ValueType{ValueTypeVector},
		ReturnType: ValueTypeVector,
	},
	"label_join": {
		Name:       "label_join",
		ArgTypes:   []ValueType{ValueTypeVector, ValueTypeString, ValueTypeString, ValueTypeString},
		Variadic:   -1,
		ReturnType: ValueTypeVector,
	},
	"round": {
		Name:       "round",
		ArgTypes:   []ValueType{ValueTypeVector, ValueTypeScalar},
		Variadic:   3,
		ReturnType: ValueTypeVector,
	},
	"tides": {
		Name:         "tides",
		ArgTypes:     []ValueType{ValueTypeMatrix, ValueTypeScalar},
		Variadic:     1,
		ReturnType:   ValueTypeVector,
		Experimental: true,
	},
	"time": {
		Name:       "time",
		ArgTypes:   []ValueType{},
		ReturnType: ValueTypeScalar,
	},
}
""",
}


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAM, *arguments], check=False, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The source tree."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_additions_and_removals_are_printed(tree: Path):
    done = run(tree)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("new")] == [
        "new   endpoint   GET /api/v1/forecast",
        "new   function   round(vector, [scalar], ... 4) vector",
        "new   function   tides(matrix, [scalar]) vector",
        "new   keyword    nearby",
        "new   parameter  depth",
        "new   parameter  tree",
    ]
    gone = {line.removeprefix("gone").strip() for line in lines if line.startswith("gone")}
    assert {
        "endpoint   GET /api/v1/query_range",
        "function   round(vector, [scalar]) vector",
        "keyword    or",
        "parameter  step",
    } <= gone
    for same in ("query", "federate", "label/{name}/values", "and", "abs(vector) vector", "match[]", "time"):
        assert not any(line.endswith((f" {same}", f"/{same}")) for line in gone), same
    assert "label_join(vector, string, string, [string], ...) vector" not in done.stdout


@pytest.mark.parametrize("name", ["web/api/v1/api.go", "promql/parser/lex.go", "promql/parser/functions.go"])
def test_a_tree_that_cannot_be_read_is_an_error(tree: Path, name: str):
    (tree / name).write_text("package empty")
    done = run(tree)
    assert (done.returncode, done.stdout) == (2, "")
    assert name in done.stderr
    (tree / name).unlink()
    assert (run(tree).returncode, run(tree).stdout) == (2, "")


def test_the_tables_are_those_of_the_release_that_is_followed():
    try:
        source = source_of(ENGINES["prometheus3"])
    except EngineError as error:
        pytest.skip(str(error))
    done = run()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout == f"nothing is new in {source}\n"

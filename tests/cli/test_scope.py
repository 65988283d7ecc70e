"""``chrysaetos scope``."""

import io
import json
import sys

import pytest

from chrysaetos import __version__
from chrysaetos.cli.main import main


def test_a_query_is_printed_scoped(capsys):
    assert main(["scope", "sum(up) # all", "--project", "A"]) == 0
    assert capsys.readouterr().out == 'sum(up{project="A"}) # all\n'


def test_another_label(capsys):
    assert main(["scope", "up", "--project", 'A"}', "--label", "tenant_id"]) == 0
    assert capsys.readouterr().out == 'up{tenant_id="A\\"}"}\n'


def test_a_selector_must_not_be_a_query(capsys):
    assert main(["scope", "{}", "--project", "A", "--selector"]) == 0
    assert capsys.readouterr().out == '{project="A"}\n'
    assert main(["scope", "up + 1", "--project", "A", "--selector"]) == 1


def test_a_rejected_query_is_shown_with_a_caret(capsys):
    assert main(["scope", "sum(up", "--project", "A"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[1:] == ["sum(up", "      ^"]
    assert err.startswith("1:7: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["scope", "--project", "A"],
        ["scope", "up", "--json-lines", "--project", "A"],
        ["scope", "up", "--project", ""],
        ["scope", "up", "--project", "A", "--label", "__name__"],
    ],
)
def test_invalid_arguments_are_rejected_in_one_line(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_json_lines_are_scoped_in_order(capsys, monkeypatch):
    lines = ['"up"', '"up +"', "[]", '"\\ud800"', "\xff", '"a\\nb"', '"1"']
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode("latin-1"))))
    assert main(["scope", "--json-lines", "--project", "A"]) == 0
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert results[0] == {"scoped": 'up{project="A"}'}
    assert results[-1] == {"scoped": "1"}
    assert [sorted(result) for result in results[1:-1]] == [["column", "error", "line"]] * 5
    assert (results[1]["line"], results[1]["column"]) == (1, 5)
    assert (results[5]["line"], results[5]["column"]) == (2, 1)


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"chrysaetos {__version__}\n"

from __future__ import annotations

import argparse
import tomllib
from typing import TYPE_CHECKING

import pytest

from chrysaetos.demo import main
from chrysaetos.demo.sites import MAX_SITES, Gate, sample_usage
from chrysaetos.federation.registry import FRESHNESS, USAGE
from chrysaetos.portals.tokens import hash_token, read_tokens

if TYPE_CHECKING:
    from pathlib import Path


def test_sites_share_one_project_name_but_no_project() -> None:
    seen: set[str] = set()
    for number in range(MAX_SITES):
        projects = tomllib.loads(sample_usage(number))["science"]["projects"]
        ids = {project["project_id"] for project in projects}
        assert len(ids) == len(projects) == 5
        assert not ids & seen
        assert "weather" in {project["project_name"] for project in projects}
        assert all(project["machines"] for project in projects)
        seen |= ids


def test_a_gate_has_a_token_for_the_allowed_selectors(tmp_path: Path) -> None:
    gate = Gate(tmp_path, "http://127.0.0.1:1", metrics_port=1, port=2)
    token = gate.new_token("portal", (USAGE, FRESHNESS))
    (stored,) = read_tokens(gate.tokens)
    assert stored.sha256 == hash_token(token.encode())
    assert stored.policy.selectors == (USAGE, FRESHNESS)
    assert token not in "".join(path.read_text() for path in tmp_path.iterdir())
    assert gate.new_token("portal", (USAGE,)) != token


def test_a_restart_keeps_the_start_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    main.add_arguments(parser)
    command = ["--sites", "1", "--state-dir", str(tmp_path / "demo"), "--exit-after", "0"]
    starts = []
    for _ in range(2):
        assert main.run(parser.parse_args(command)) == 0
        starts.append((tmp_path / "demo" / "sites.json").read_text())
        output = capsys.readouterr()
        assert "an attack that fails" in output.out
        assert output.err.endswith("ready; press Ctrl-C to stop\nstopped\n")
    assert starts[0] == starts[1]


@pytest.mark.parametrize("number", ["0", str(MAX_SITES + 1), "two"])
def test_an_invalid_number_of_sites_is_rejected(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    main.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--sites", number])
    assert "--sites" in capsys.readouterr().err

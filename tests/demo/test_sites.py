from __future__ import annotations

import argparse
import tomllib
from typing import TYPE_CHECKING

import pytest

from chrysaetos.demo import main
from chrysaetos.demo.sites import MOST_SITES, Gate, usage_of
from chrysaetos.federation.registry import FRESHNESS, USAGE
from chrysaetos.portals.tokens import hash_token, read_tokens

if TYPE_CHECKING:
    from pathlib import Path


def test_sites_share_a_name_and_no_project() -> None:
    seen: set[str] = set()
    for number in range(MOST_SITES):
        projects = tomllib.loads(usage_of(number))["science"]["projects"]
        ids = {one["project_id"] for one in projects}
        assert len(ids) == len(projects) == 5
        assert not ids & seen
        assert "weather" in {one["project_name"] for one in projects}
        assert all(one["machines"] for one in projects)
        seen |= ids


def test_a_gate_has_a_token_for_what_was_agreed_on(tmp_path: Path) -> None:
    gate = Gate(tmp_path, "http://127.0.0.1:1", metrics_port=1, port=2)
    token = gate.new_token("portal", (USAGE, FRESHNESS))
    (kept,) = read_tokens(gate.tokens)
    assert kept.sha256 == hash_token(token.encode())
    assert kept.policy.selectors == (USAGE, FRESHNESS)
    assert token not in "".join(path.read_text() for path in tmp_path.iterdir())
    assert gate.new_token("portal", (USAGE,)) != token


def test_a_state_that_is_kept_goes_on_from_its_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    main.add_arguments(parser)
    command = ["--sites", "1", "--state-dir", str(tmp_path / "demo"), "--exit-after", "0"]
    starts = []
    for _ in range(2):
        assert main.run(parser.parse_args(command)) == 0
        starts.append((tmp_path / "demo" / "sites.json").read_text())
        shown = capsys.readouterr()
        assert "the attack that fails" in shown.out
        assert shown.err.endswith("ready; Ctrl-C ends everything\neverything is ended\n")
    assert starts[0] == starts[1]


@pytest.mark.parametrize("number", ["0", str(MOST_SITES + 1), "two"])
def test_a_bad_number_of_sites_is_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    main.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--sites", number])
    assert "--sites" in capsys.readouterr().err

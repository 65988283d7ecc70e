"""The demo with the engines of a large cloud: two gateways behind HAProxy."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import pytest
import requests
from tests.engines import program_of

from chrysaetos.demo import engines, main
from chrysaetos.demo.processes import DemoError
from chrysaetos.demo.supervisor import Supervisor


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chrysaetos demo")
    main.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("engine", ["victoriametrics", "thanos"])
def test_tenants_see_their_own_series_through_both_gateways(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if engine == "thanos":
        monkeypatch.setenv("PATH", f"{Path(program_of('thanos')).parent}{os.pathsep}{os.environ['PATH']}")
    state = tmp_path / "demo"
    seen: list[set[str]] = []
    expected: list[set[str]] = []

    def ask(*_: object) -> None:
        demo = json.loads((state / "demo.json").read_text())
        for tenant in demo["tenants"]:
            credential = tenant["application_credential"]
            for _attempt in range(4):
                answer = requests.get(
                    f"{demo['gateway_url']}/api/v1/query",
                    params={"query": 'count by (project) ({__name__=~".+"})'},
                    auth=(credential["id"], credential["secret"]),
                    timeout=60,
                )
                assert answer.status_code == 200, answer.text
                seen.append({series["metric"]["project"] for series in answer.json()["data"]["result"]})
                expected.append({tenant["project_id"]})
            answer = requests.get(
                f"{demo['gateway_url']}/api/v1/query",
                params={"query": "last_over_time(project_vcpu_usage[1h] offset 7d)"},
                auth=(credential["id"], credential["secret"]),
                timeout=60,
            )
            assert len(answer.json()["data"]["result"]) == 1, answer.text

    monkeypatch.setattr(Supervisor, "wait", ask)
    assert main.run(parse("--engine", engine, "--state-dir", str(state), "--exit-after", "0")) == 0
    assert "wrote 24.0 h of history" in capsys.readouterr().err
    assert seen == expected
    assert len(seen) == 12
    for number in (1, 2):
        assert "/api/v1/query" in (state / f"gateway-{number}" / "gateway.log").read_text()


@pytest.mark.parametrize(
    ("engine", "program"), [("victoriametrics", "victoria-metrics"), ("thanos", "thanos")]
)
def test_a_missing_program_is_named(
    engine: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("prometheus", "promtool"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoError, match=f"^{program} is not on PATH; "):
        engines.ENGINES[engine](tmp_path / "demo", 1)

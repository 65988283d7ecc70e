from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.support.commands import run

from chrysaetos.federation.portal import can_check, installed_version, portal_files, prometheus_config
from chrysaetos.federation.registry import FRESHNESS, USAGE, Registry, Remote, Site
from chrysaetos.scaffold import write_files

if TYPE_CHECKING:
    from pathlib import Path

ALPHA = Site("alpha", 1, "https://gate.example:9091", "tokens/alpha", ca_file="ca.pem")
BETA = Site("beta", 2, "http://[::1]/site/", "/etc/tokens/beta", match=(USAGE,), simple_vm_id="aa.02")


def config(**settings: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(prometheus_config(Registry(**settings)))
    return loaded


def test_a_job_for_each_site() -> None:
    alpha, beta = config(sites=(ALPHA, BETA))["scrape_configs"]
    assert alpha["job_name"] == "site-alpha"
    assert alpha["scheme"] == "https"
    assert alpha["metrics_path"] == "/federate"
    assert alpha["params"] == {"match[]": [USAGE, FRESHNESS]}
    assert alpha["authorization"] == {"type": "Bearer", "credentials_file": "tokens/alpha"}
    assert alpha["tls_config"] == {"min_version": "TLS12", "ca_file": "ca.pem"}
    assert alpha["honor_labels"] is True
    assert alpha["follow_redirects"] is False
    assert alpha["static_configs"] == [
        {"targets": ["gate.example:9091"], "labels": {"location": "alpha", "location_id": "1"}}
    ]
    assert beta["metrics_path"] == "/site/federate"
    assert beta["static_configs"][0]["targets"] == ["[::1]:80"]
    assert beta["params"] == {"match[]": [USAGE]}
    assert "tls_config" not in beta


def test_the_portal_overwrites_the_identity_of_a_site() -> None:
    (alpha,) = config(sites=(ALPHA,))["scrape_configs"]
    keep, *forced = alpha["metric_relabel_configs"]
    assert keep["action"] == "keep"
    assert keep["source_labels"] == ["__name__"]
    assert {rule["target_label"]: rule["replacement"] for rule in forced} == {
        "location": "alpha",
        "location_id": "1",
        "job": "project_usages",
    }


def test_projects_inside_a_simplevm_project_get_unique_ids() -> None:
    (beta,) = config(sites=(BETA,))["scrape_configs"]
    before, last = beta["metric_relabel_configs"][-2:]
    assert before == {"regex": "part", "action": "labeldrop"}
    assert last["source_labels"] == ["project_id", "project_name"]
    assert last["regex"] == r"(aa\.02/.+)"
    assert last["target_label"] == "project_id"


@pytest.mark.parametrize(
    ("version", "tracks"),
    [("2.48.0", True), ("3.0.1", True), ("2.100", True), ("2.47.2", False), ("2.42.0", False), ("", False)],
)
def test_staleness_is_right_for_the_version(version: str, *, tracks: bool) -> None:
    (alpha,) = config(sites=(ALPHA,), prometheus_version=version)["scrape_configs"]
    assert alpha.get("track_timestamps_staleness", False) == tracks
    assert alpha.get("honor_timestamps", True) == tracks


def test_remote_storage() -> None:
    remotes = config(
        remote_write=(Remote("https://a/w", token_file="t"),),
        remote_read=(Remote("https://a/r", username="u", password_file="p", ca_file="c"),),
    )
    assert remotes["remote_write"] == [{"url": "https://a/w", "authorization": {"credentials_file": "t"}}]
    assert remotes["remote_read"] == [
        {
            "url": "https://a/r",
            "basic_auth": {"username": "u", "password_file": "p"},
            "tls_config": {"ca_file": "c"},
        }
    ]
    assert "remote_write" not in config()


@pytest.mark.parametrize("version", ["", "2.42.0"])
@pytest.mark.parametrize("sites", [(), (ALPHA,), (ALPHA, BETA)])
def test_promtool_accepts_the_configuration(tmp_path: Path, version: str, sites: tuple[Site, ...]) -> None:
    registry = Registry(
        prometheus_version=version, sites=sites, remote_write=(Remote("https://a/w", token_file="t"),)
    )
    write_files(tmp_path, portal_files(registry), force=False)
    for name in ("tokens/alpha", "t", "ca.pem"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    for command in (
        ("config", "--syntax-only", "prometheus.yml"),
        ("rules", "rules/usage.yml", "rules/alerts.yml"),
    ):
        assert "SUCCESS" in run(["promtool", "check", *command], cwd=tmp_path).out


def test_grafanas_files_are_yaml() -> None:
    files = {file.name: file.text for file in portal_files(Registry())}
    datasource = yaml.safe_load(files["grafana/provisioning/datasources/portal.yaml"])
    assert datasource["datasources"][0]["type"] == "prometheus"
    provider = yaml.safe_load(files["grafana/provisioning/dashboards/portal.yaml"])
    assert provider["providers"][0]["type"] == "file"


def fake_program(directory: Path, script: str) -> str:
    program = directory / "prometheus"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo 'prometheus, version 2.42.0+ds (branch: debian/sid)'", "2.42.0"),
        ("echo 'prometheus, version 3.5.1 (branch: HEAD)' >&2", "3.5.1"),
        ("echo 'prometheus, version  (branch: )'", ""),
        ("exit 1", ""),
    ],
)
def test_the_installed_version_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, version: str
) -> None:
    program = fake_program(tmp_path, script)
    monkeypatch.setattr(shutil, "which", lambda _: program)
    assert installed_version() == version


@pytest.mark.parametrize(
    ("installed", "required", "sufficient"),
    [
        ("2.42.0", "", True),
        ("2.42.0", "2.42.0", True),
        ("2.42.0", "2.48.0", False),
        ("3.5.0", "2.53.1", True),
    ],
)
def test_an_older_promtool_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: str, required: str, *, sufficient: bool
) -> None:
    program = fake_program(tmp_path, f"echo 'promtool, version {installed} (branch: HEAD)'")
    monkeypatch.setattr(shutil, "which", lambda _: program)
    assert can_check(Registry(prometheus_version=required)) == sufficient


def test_the_version_is_empty_without_prometheus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed_version() == ""
    (tmp_path / "prometheus").write_text("not a program")
    (tmp_path / "prometheus").chmod(0o755)
    assert installed_version() == ""

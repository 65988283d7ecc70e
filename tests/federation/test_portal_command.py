from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from chrysaetos.cli.main import main
from chrysaetos.federation.registry import USAGE, read_registry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def portal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    directory = tmp_path / "portal"
    assert main(["portal", "init", str(directory), "--prometheus-version", "2.53.0"]) == 0
    capsys.readouterr()
    return directory


def add(portal: Path, name: str, *more: str) -> int:
    where = ("--directory", str(portal), "--url", f"https://{name}.example:9091")
    return main(["portal", "add-site", name, *where, "--token-file", f"tokens/{name}", *more])


def jobs(portal: Path) -> list[str]:
    made = yaml.safe_load((portal / "prometheus.yml").read_text())
    return [one["job_name"] for one in made["scrape_configs"]]


def test_init_writes_all_and_says_what_is_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "portal",
        "init",
        str(tmp_path),
        "--remote-write",
        "https://a/w",
        "--remote-read",
        "https://a/r",
    ]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "add-site NAME" in told
    registry = read_registry(tmp_path)
    assert registry.prometheus_version in told
    assert [one.url for one in registry.remote_write] == ["https://a/w"]
    assert [one.url for one in registry.remote_read] == ["https://a/r"]
    assert jobs(tmp_path) == []
    assert len(list((tmp_path / "grafana" / "dashboards").glob("*.json"))) == 4
    assert main(command) == 1
    assert "there is a portal in" in capsys.readouterr().err


def test_sites_come_and_go(portal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(portal, "alpha") == 0
    assert f"Put the token into {portal / 'tokens' / 'alpha'}" in capsys.readouterr().out
    (portal / "tokens").mkdir()
    (portal / "tokens" / "beta").write_text("token")
    more = ("--location-id", "7", "--usage-only", "--simple-vm-id", "aa02", "--ca-file", "ca.pem")
    assert add(portal, "beta", *more) == 0
    assert "Put the token" not in capsys.readouterr().out
    assert jobs(portal) == ["site-alpha", "site-beta"]
    beta = read_registry(portal).sites[1]
    assert (beta.location_id, beta.match, beta.simple_vm_id, beta.ca_file) == (7, (USAGE,), "aa02", "ca.pem")

    assert main(["portal", "list", "--directory", str(portal)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "   1  alpha  https://alpha.example:9091  tokens/alpha",
        "   7  beta  https://beta.example:9091  tokens/beta",
    ]
    assert main(["portal", "remove-site", "alpha", "--directory", str(portal)]) == 0
    assert jobs(portal) == ["site-beta"]
    assert main(["portal", "remove-site", "alpha", "--directory", str(portal)]) == 1
    assert "there is no site alpha; there are: beta" in capsys.readouterr().err


def test_the_directory_is_this_one_unless_it_is_said(portal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(portal)
    assert main(["portal", "add-site", "alpha", "--url", "https://a", "--token-file", "t"]) == 0
    assert jobs(portal) == ["site-alpha"]


def test_a_token_is_not_sent_in_the_clear_by_chance(portal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["portal", "add-site", "alpha", "--directory", str(portal), "--token-file", "t"]
    assert main([*arguments, "--url", "http://gate.example"]) == 1
    assert "in the clear" in capsys.readouterr().err
    assert jobs(portal) == []
    assert main([*arguments, "--url", "http://gate.example", "--plain-http"]) == 0
    assert jobs(portal) == ["site-alpha"]


def test_the_registry_may_be_changed_by_hand(portal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(portal, "alpha") == 0
    sites = portal / "sites.toml"
    sites.write_text(sites.read_text().replace("alpha.example", "other.example") + "# a note\n")
    assert "other.example" not in (portal / "prometheus.yml").read_text()
    assert main(["portal", "write", "--directory", str(portal)]) == 0
    assert "other.example" in (portal / "prometheus.yml").read_text()
    assert "# a note" in sites.read_text()
    assert add(portal, "beta") == 0
    sites.write_text("colour = 1\n")
    capsys.readouterr()
    assert add(portal, "gamma") == 1
    assert "colour: not known" in capsys.readouterr().err
    assert sites.read_text() == "colour = 1\n"


def test_what_is_made_is_not_lost_when_it_was_changed_by_hand(
    portal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = portal / "prometheus.yml"
    config.write_text(config.read_text() + "# mine\n")
    before = (portal / "sites.toml").read_text()
    assert add(portal, "alpha") == 1
    assert "prometheus.yml" in capsys.readouterr().err
    assert config.read_text().endswith("# mine\n")
    assert (portal / "sites.toml").read_text() == before
    assert add(portal, "alpha", "--force") == 0
    assert jobs(portal) == ["site-alpha"]


def test_a_place_without_a_portal_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["portal", "list", "--directory", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("chrysaetos portal: there is no ")

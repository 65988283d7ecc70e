from __future__ import annotations

import shlex
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
    config = yaml.safe_load((portal / "prometheus.yml").read_text())
    return [job["job_name"] for job in config["scrape_configs"]]


def test_init_writes_all_files_and_next_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    printed = capsys.readouterr().out
    assert "add-site NAME" in printed
    registry = read_registry(tmp_path)
    assert registry.prometheus_version in printed
    assert [remote.url for remote in registry.remote_write] == ["https://a/w"]
    assert [remote.url for remote in registry.remote_read] == ["https://a/r"]
    assert jobs(tmp_path) == []
    assert len(list((tmp_path / "grafana" / "dashboards").glob("*.json"))) == 6
    assert main(command) == 1
    assert "already contains a portal" in capsys.readouterr().err


def test_the_next_steps_of_a_directory_with_spaces_can_be_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "a b"
    assert main(["portal", "init", str(directory)]) == 0
    words = shlex.split(capsys.readouterr().out.partition("Next:")[2].partition("3.")[0])
    assert words[words.index("--directory") + 1] == str(directory)
    assert f"--config.file={directory}/prometheus.yml" in words


def test_sites_are_added_listed_and_removed(portal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(portal, "alpha") == 0
    assert f"Put the token into {portal / 'tokens' / 'alpha'}" in capsys.readouterr().out
    assert (portal / "tokens").is_dir()
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
    assert "there is no site alpha; known sites: beta" in capsys.readouterr().err


def test_the_default_directory_is_the_current_one(portal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(portal)
    assert main(["portal", "add-site", "alpha", "--url", "https://a", "--token-file", "t"]) == 0
    assert jobs(portal) == ["site-alpha"]


def test_cleartext_urls_require_plain_http(portal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["portal", "add-site", "alpha", "--directory", str(portal), "--token-file", "t"]
    assert main([*arguments, "--url", "http://gate.example"]) == 1
    assert "unencrypted" in capsys.readouterr().err
    assert jobs(portal) == []
    assert main([*arguments, "--url", "http://gate.example", "--plain-http"]) == 0
    assert jobs(portal) == ["site-alpha"]


def test_the_registry_may_be_edited(portal: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert "unknown setting colour" in capsys.readouterr().err
    assert sites.read_text() == "colour = 1\n"


def test_edited_files_are_not_overwritten(portal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = portal / "prometheus.yml"
    config.write_text(config.read_text() + "# mine\n")
    before = (portal / "sites.toml").read_text()
    assert add(portal, "alpha") == 1
    assert "prometheus.yml" in capsys.readouterr().err
    assert config.read_text().endswith("# mine\n")
    assert (portal / "sites.toml").read_text() == before
    assert add(portal, "alpha", "--force") == 0
    assert jobs(portal) == ["site-alpha"]


def test_a_directory_without_a_portal_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["portal", "list", "--directory", str(tmp_path)]) == 1
    assert capsys.readouterr().err.endswith(
        f"sites.toml does not exist: create it with chrysaetos portal init {tmp_path}\n"
    )


def test_a_directory_that_cannot_be_used_is_an_error(
    tmp_path: Path, portal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Unlike a directory without permissions, this is an error for root as well.
    assert main(["portal", "init", str(tmp_path / ("x" * 300))]) == 1
    assert "File name too long" in capsys.readouterr().err
    before = (portal / "sites.toml").read_text()
    where = ("--directory", str(portal), "--url", "https://alpha.example:9091")
    assert main(["portal", "add-site", "alpha", *where, "--token-file", "sites.toml/alpha"]) == 1
    assert "File exists" in capsys.readouterr().err
    assert (portal / "sites.toml").read_text() == before


def test_only_prometheus_needs_access_to_a_token(portal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hidden = f"/{'x' * 300}/alpha"
    where = ("--directory", str(portal), "--url", "https://alpha.example:9091")
    assert main(["portal", "add-site", "alpha", *where, "--token-file", hidden]) == 0
    assert f"Put the token into {hidden}" in capsys.readouterr().out

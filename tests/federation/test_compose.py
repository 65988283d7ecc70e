"""The compose files of the portal and of the development set-up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.engines import program_of
from tests.support.commands import run

from chrysaetos.federation.compose import development_files, portal_compose_files
from chrysaetos.federation.portal import portal_files
from chrysaetos.federation.registry import Registry
from chrysaetos.federation.site import SiteSettings, site_files

ROOT = Path(__file__).parents[2]
PORTAL = {file.name: file.text for file in [*portal_files(Registry()), *portal_compose_files()]}
DEVELOPMENT = {file.name: file.text for file in development_files()}
SITE = {file.name: file.text for file in site_files(SiteSettings("alpha"))}
FILES = {
    "portal": PORTAL["compose.yaml"],
    "development": DEVELOPMENT["compose.override.yaml"],
    "site": SITE["compose/compose.yaml"],
}


def merged(*names: str) -> dict[str, Any]:
    """Return the services of several files, merged as compose does for what these files contain."""
    services: dict[str, Any] = {}
    for name in names:
        for service, content in yaml.safe_load(FILES[name])["services"].items():
            services[service] = {**services.get(service, {}), **content}
    return services


SETS = pytest.mark.parametrize("names", [("site",), ("portal",), ("portal", "development")])


@SETS
def test_docker_compose_reads_the_files(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_text(FILES[name])
    (tmp_path / "usage-openrc").write_text("OS_AUTH_URL=http://192.0.2.1/v3\nOS_PASSWORD='a $b # c'\n")
    variables = {"CHRYSAETOS_SOURCE": str(ROOT), "GRAFANA_PASSWORD": "secret"}
    read = run([program_of("compose_spec"), *names], cwd=tmp_path, env=variables)
    assert (read.status, read.err) == (0, "")
    services = merged(*names)
    assert set(read.json["services"]) == set(services)
    for name, service in read.json["services"].items():
        assert service.get("cap_drop") == services[name]["cap_drop"]
        if "build" in service:
            containerfile = Path(service["build"]["context"]) / service["build"]["dockerfile"]
            assert f" AS {service['build']['target']}\n" in containerfile.read_text()
    if names == ("site",):
        assert read.json["services"]["exporter"]["environment"]["OS_PASSWORD"] == "a $b # c"


def test_docker_compose_rejects_a_key_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services:\n  one:\n    image: example\n    capdrop: [ALL]\n")
    read = run([program_of("compose_spec"), "compose.yaml"], cwd=tmp_path)
    assert read.status == 1
    assert "capdrop" in read.err


@SETS
def test_containers_are_confined_and_refer_to_what_exists(names: tuple[str, ...]) -> None:
    services = merged(*names)
    documents = [yaml.safe_load(FILES[name]) for name in names]
    networks = {network for document in documents for network in document.get("networks", ())}
    volumes = {volume for document in documents for volume in document.get("volumes", ())}
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert set(service.get("networks", ())) <= networks
        assert set(service.get("depends_on", ())) <= set(services)
        sources = [volume.split(":")[0] for volume in service.get("volumes", ())]
        assert {source for source in sources if source[0] not in "./$"} <= volumes
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_the_files_that_the_portal_mounts_are_generated() -> None:
    services = yaml.safe_load(FILES["portal"])["services"]
    mounted = [
        volume.split(":")[0].removeprefix("./")
        for volume in services["grafana"]["volumes"]
        if volume.startswith("./")
    ]
    for path in mounted:
        assert any(name == path or name.startswith(f"{path}/") for name in PORTAL), path
    assert (
        yaml.safe_load(PORTAL["compose/datasource.yaml"])["datasources"][0]["url"] == "http://prometheus:9090"
    )


def test_the_sites_use_ports_of_their_own() -> None:
    ports = [
        port for service in merged("portal", "development").values() for port in service.get("ports", ())
    ]
    assert len(ports) == len(set(ports)) == 6


def test_promtool_accepts_the_configurations(tmp_path: Path) -> None:
    for name, text in DEVELOPMENT.items():
        if name.startswith("prometheus"):
            # promtool of Debian 12 does not know the setting for Prometheus 2.48 and later.
            (tmp_path / name).write_text(
                text.replace("track_timestamps_staleness: true", "honor_timestamps: false")
            )
            assert "SUCCESS" in run(["promtool", "check", "config", "--syntax-only", tmp_path / name]).out


def test_the_portal_of_the_development_set_up_scrapes_the_gates_of_its_sites() -> None:
    services = merged("portal", "development")
    jobs = yaml.safe_load(DEVELOPMENT["prometheus.yml"])["scrape_configs"]
    hosts = [job["static_configs"][0]["targets"][0] for job in jobs]
    assert hosts == ["gate-alpha:9091", "gate-beta:9091"]
    script = services["tokens"]["command"][0]
    (sites,) = re.findall("for site in (.*);", script)
    assert [job["authorization"]["credentials_file"] for job in jobs] == [
        f"/tokens/{site}/portal" for site in sites.split()
    ]

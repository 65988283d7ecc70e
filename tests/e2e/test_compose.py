"""The set-ups of the compose files, with each service as a process instead of a container."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest
import requests
import trustme
from tests.e2e.containers import COMPOSE, Containers
from tests.e2e.federation_stack import HAProxy, new_token
from tests.e2e.usage_exporter import admin_environ
from tests.fakes.nova_usage import FakeNova, Server

from chrysaetos.demo.processes import LOOPBACK, wait_for
from chrysaetos.federation.registry import FRESHNESS, USAGE
from chrysaetos.federation.site import SiteSettings, site_files
from chrysaetos.scaffold import write_files
from chrysaetos.usage.grants import FILE, append_grant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chrysaetos.demo.identities import IdentityApi
    from chrysaetos.demo.keystone import Keystone

LAUNCHED = 1767225600.0
"""2026-01-01, the start date of the site's exporter."""
TOKEN = "3f1a" * 16
SITES = ("alpha", "beta")


def get(address: str, path: str, **parameters: str) -> requests.Response:
    return requests.get(f"http://{address}{path}", params=parameters, timeout=10)


def query(address: str, text: str) -> list[dict[str, str]]:
    """Return the labels of a query's result."""
    try:
        response = get(address, "/api/v1/query", query=text).json()
    except requests.RequestException:  # still starting
        return []
    return [series["metric"] for series in response["data"]["result"]]


class Site(NamedTuple):
    """The running site of the compose file.

    Attributes:
        containers: its containers.
        folder: the folder of the compose file.
        project: a project with usage.
        token: the token of the portal.
    """

    containers: Containers
    folder: Path
    project: str
    token: str

    @property
    def prometheus(self) -> str:
        return self.containers.address("prometheus", 9090)


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, keystone: Keystone, identity: IdentityApi
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("compose") / "site"
    shutil.copytree(COMPOSE / "site", folder)
    project = identity.create_project("compose")
    lines = [f"{name}='{value}'\n" for name, value in admin_environ(keystone).items()]
    (folder / "usage-openrc").write_text("".join(lines))
    token = new_token(folder / "tokens" / "federation-tokens.json", USAGE, FRESHNESS)
    with FakeNova() as nova, Containers(folder.parent / "run", folder / "compose.yaml") as containers:
        identity.register_endpoint("compute", "nova", f"{nova.url}/v2.1")
        nova.add(Server("one", project, LAUNCHED, vcpus=4))
        append_grant(
            containers.volume("usage-state") / FILE,
            project_id=project,
            resource="vcpu",
            hours=1e6,
            now=LAUNCHED,
            until=None,
            by="operator",
            why="test",
        )
        containers.start("exporter", "prometheus", "gate")
        yield Site(containers, folder, project, token)


def test_a_site_exports_and_scrapes_its_usage(site: Site) -> None:
    exporter = site.containers.address("exporter", 8080)
    line = f'project_vcpu_usage{{domain_id="default",domain_name="Default",project_id="{site.project}"'
    assert wait_for(lambda: line in get(exporter, "/metrics").text, timeout=30)
    assert list(site.containers.volume("usage-state").glob("*.sqlite"))
    selected = f'project_vcpu_usage{{job="project_usages",project_id="{site.project}"}} > 0'
    assert wait_for(lambda: bool(query(site.prometheus, selected)), timeout=30)
    groups = get(site.prometheus, "/api/v1/rules").json()["data"]["groups"]
    assert {group["file"].rpartition("/")[2] for group in groups} == {"credits.yml", "quotas.yml"}
    assert all(rule["health"] != "err" for group in groups for rule in group["rules"])


def federated(address: str, selector: str, token: str) -> str:
    """Return what a gate answers to a portal."""
    bearer = {"Authorization": f"Bearer {token}"}
    url = f"http://{address}/federate"
    return requests.get(url, params={"match[]": selector}, headers=bearer, timeout=10).text


def test_the_gate_of_a_site_answers_with_a_token(site: Site) -> None:
    gate = site.containers.address("gate", 9091)
    selector = '{job="project_usages"}'
    assert wait_for(lambda: site.project in federated(gate, selector, site.token), timeout=30)
    assert site.project not in federated(gate, selector, "wrong")


def test_haproxy_answers_for_a_site(site: Site, tmp_path: Path) -> None:
    with HAProxy(tmp_path, f"http://{site.prometheus}", TOKEN) as haproxy:
        address = f"{LOOPBACK}:{haproxy.port}"
        assert wait_for(lambda: site.project in federated(address, USAGE, TOKEN), timeout=30)
        assert site.project not in federated(address, USAGE, "wrong")


def test_a_portal_scrapes_the_gate_of_a_site_with_tls(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))  # in place of the system's authorities
    certificate = authority.issue_cert(LOOPBACK)
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "gate.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "gate.key")
    settings = SiteSettings("alpha", tls_cert=f"{tmp_path}/gate.pem", tls_key=f"{tmp_path}/gate.key")
    write_files(tmp_path / "alpha", site_files(settings), force=False)
    for name in ("usage-openrc", "tokens"):
        (tmp_path / "alpha" / "compose" / name).symlink_to(site.folder / name)
    shutil.copytree(COMPOSE / "portal", tmp_path / "portal")
    (tmp_path / "portal" / "tokens").mkdir()
    (tmp_path / "portal" / "tokens" / "alpha").write_text(site.token + "\n")
    outside = {"prometheus:9090": site.prometheus}
    with Containers(tmp_path / "gate", tmp_path / "alpha/compose/compose.yaml", hosts=outside) as gate:
        gate.start("gate")
        outside = {"gate.alpha.example:9091": gate.address("gate", 9091)}
        with Containers(tmp_path / "run", tmp_path / "portal/compose.yaml", hosts=outside) as portal:
            portal.start("prometheus")
            of_project = f'location="alpha",project_id="{site.project}"'
            credits_used = f"usage_exporter_credits_used_hours{{{of_project}}} > 0"
            selected = f"project_vcpu_usage{{{of_project}}} > 0 and on (project_id) {credits_used}"
            address = portal.address("prometheus", 9090)
            assert wait_for(lambda: bool(query(address, selected)), timeout=60)


def test_usage_of_both_sites_of_the_development_set_up_reaches_the_portal(tmp_path: Path) -> None:
    files = (COMPOSE / "portal" / "compose.yaml", COMPOSE / "development" / "compose.override.yaml")
    with Containers(tmp_path, *files) as containers:
        containers.run("tokens")
        for site in SITES:
            containers.start(f"exporter-{site}", f"prometheus-{site}", f"gate-{site}")
        containers.start("prometheus")
        prometheus = containers.address("prometheus", 9090)
        text = "project:vcpu_usage:total > 0 and on (location) usage_exporter_up == 1"

        def found() -> set[str]:
            return {labels["location"] for labels in query(prometheus, text)}

        assert wait_for(lambda: found() == set(SITES), timeout=90), found()

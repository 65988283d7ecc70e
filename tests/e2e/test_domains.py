"""Domain-scoped tokens, with the real Keystone and the real Prometheus.

The domain ``moon`` has projects and a user with the role reader. Tenant B's project is in another domain.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.e2e.asking import Asker, answers_alike
from tests.e2e.stack import store_text
from tests.support.suspending import suspended

from chrysaetos.demo.cloud import Family, Series, Target
from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import password_auth
from chrysaetos.demo.processes import free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.regular_file import replace_file
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests
    from tests.e2e.stack import People, Window

    from chrysaetos.demo.identities import IdentityApi
    from chrysaetos.demo.keystone import Keystone

# Three of the four rules that the others refer to: label values remain forbidden.
POLICY = "\n".join(
    f'"telemetry:{name}": "role:reader and (project_id:%(project_id)s or domain_id:%(domain_id)s)"'
    for name in ("query", "series", "labels")
)
# The system's reader may validate tokens and list projects.
SYSTEM = {"project_name": "", "project_domain_name": "", "system_scope": "all"}


@dataclass
class Moon:
    """A domain with two projects, of which one has series, and a project that a test deletes."""

    domain: str
    projects: list[str]
    doomed: str
    reader: tuple[str, str]
    api: IdentityApi

    def token(self, *, domain: str | None = None, user: tuple[str, str] | None = None) -> str:
        user_id, password = user or self.reader
        return self.api.token(password_auth(user_id, password, {"domain": {"id": domain or self.domain}}))


def create_domain(identity: IdentityApi, name: str) -> str:
    return str(identity.call("POST", "/domains", {"domain": {"name": name}})["domain"]["id"])


def create_project(identity: IdentityApi, domain: str, name: str) -> str:
    body = {"project": {"name": name, "domain_id": domain}}
    return str(identity.call("POST", "/projects", body)["project"]["id"])


def create_user(identity: IdentityApi, name: str, domain: str, role: str) -> tuple[str, str]:
    password = new_secret()
    user_id = identity.create_user(name, password)
    identity.grant(user_id, role, on=f"/domains/{domain}")
    return user_id, password


@pytest.fixture(scope="module")
def moon(identity: IdentityApi) -> Moon:
    domain = create_domain(identity, "moon")
    projects = [create_project(identity, domain, name) for name in ("tranquility", "serenity", "crises")]
    reader = create_user(identity, "luna", domain, "reader")
    return Moon(domain, projects[:2], projects[2], reader, identity)


@pytest.fixture(scope="module")
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def moon_stores(
    running: ExitStack, moon: Moon, people: People, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Prometheus, Prometheus]:
    """A store with series of the moon, of tenant B and without a project; and one with only the moon's."""
    made = []
    for other in (people.b.project_id, None):
        store = Prometheus(tmp_path_factory.mktemp("store"))
        store.backfill(store_text(window, moon.projects[0], other))
        made.append(running.enter_context(store))
    return made[0], made[1]


@pytest.fixture(scope="module")
def start(
    running: ExitStack,
    keystone: Keystone,
    identity: IdentityApi,
    people: People,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Gateway]:
    """A function that starts a gateway whose user may list projects by default."""
    identity.grant(people.gateway.user_id, "reader", on="/system")

    def make(
        store: Prometheus,
        policy: str = POLICY,
        keystone_authtoken: Mapping[str, str] = SYSTEM,
        **options: str,
    ) -> Gateway:
        gateway = Gateway(
            tmp_path_factory.mktemp("gateway"),
            keystone_url=keystone.url,
            prometheus_url=store.url,
            user=people.gateway.user,
            password=people.gateway.password,
            options={
                "gateway": {"audit_format": "json", **options},
                "keystone_authtoken": {"http_connect_timeout": "2", **keystone_authtoken},
            },
        )
        replace_file(gateway.policy_file, policy)
        return running.enter_context(gateway)

    return make


@pytest.fixture(scope="module")
def gateways(
    start: Callable[..., Gateway], moon_stores: tuple[Prometheus, Prometheus]
) -> tuple[Gateway, Gateway]:
    return start(moon_stores[0]), start(moon_stores[1])


def asker(gateway: Gateway, token: str) -> Asker:
    return Asker(gateway, headers={"X-Auth-Token": token})


def vms(response: requests.Response) -> set[str]:
    assert response.status_code == 200, response.text
    return {one["metric"].get("vm", "") for one in response.json()["data"]["result"]}


def query(gateway: Gateway, token: str, text: str, window: Window | None = None) -> requests.Response:
    pairs = [("query", text)]
    return asker(gateway, token)("/api/v1/query", pairs + ([("time", str(window.now))] if window else []))


def test_a_domains_token_sees_the_series_of_its_projects(gateways, moon, window):
    token = moon.token()
    assert vms(query(gateways[0], token, "cpu", window)) == {"a1", "a2"}
    assert vms(query(gateways[0], token, "secret or unlabelled", window)) == set()


PATHS = [
    ("GET", "/api/v1/query", "query"),
    ("POST", "/api/v1/query", "query"),
    ("GET", "/api/v1/series", "match[]"),
    ("POST", "/api/v1/labels", "match[]"),
    ("GET", "/federate", "match[]"),
]
SELECTORS = [
    "cpu",
    '{__name__=~".+"}',
    "secret",
    "unlabelled",
    'cpu{project=~".*"}',
    'cpu{project!=""}',
    'cpu{project=""}',
    'cpu{project="OTHER"}',
    'cpu{project=~"OTHER|"}',
]
QUERIES = [
    'count by (project) ({__name__=~".+"})',
    "absent(secret)",
    'absent(cpu{project="OTHER"})',
    "cpu and on() secret",
    "cpu or unlabelled",
    "sum(rate(secret_total[10m])) or vector(0)",
    'label_replace(cpu, "project", "OTHER", "", "")',
    "info(build_info)",
    'group({__name__=~".+"} @ end()) or topk(3, shared)',
]


@pytest.mark.parametrize("text", [*SELECTORS, *QUERIES])
def test_responses_equal_those_of_a_store_with_only_the_domains_series(gateways, moon, people, window, text):
    token = moon.token()
    one, other = (asker(gateway, token) for gateway in gateways)
    text = text.replace("OTHER", people.b.project_id)
    for method, path, name in PATHS:
        if name == "query" or text not in QUERIES:
            times = [("time", str(window.now))] if name == "query" else []
            _, content = answers_alike(one, other, path, [(name, text), *times], method=method)
            if people.b.project_id not in text:
                assert people.b.project_id not in json.dumps(content)


def test_a_domain_is_admitted_only_to_endpoints_whose_rule_names_it(gateways, moon):
    ask = asker(gateways[0], moon.token())
    for path, status in (
        ("/api/v1/labels", 200),
        ("/api/v1/metadata", 200),
        ("/api/v1/rules", 200),
        ("/api/v1/targets", 200),
        ("/api/v1/label/vm/values", 403),
        ("/api/v1/status/config", 403),
    ):
        assert ask(path).status_code == status


def test_a_project_and_another_domain_see_their_own(*, gateways, moon, people, tokens, identity, window):
    assert vms(query(gateways[0], tokens.project(people.b), "cpu", window)) == {"b1", "b2"}
    # The auditor has the role reader on the default domain, which contains tenant B's project.
    assert vms(query(gateways[0], tokens.domain(people.auditor), "cpu", window)) == {"b1", "b2"}
    no_reader = create_user(identity, "mona", moon.domain, "service")
    assert query(gateways[0], moon.token(user=no_reader), "cpu").status_code == 403


def test_by_default_a_domain_is_rejected_everywhere(start, moon_stores, moon):
    assert query(start(moon_stores[0], policy="{}"), moon.token(), "cpu").status_code == 403


def test_a_domain_without_projects_is_rejected(gateways, moon, identity):
    empty = create_domain(identity, "void")
    identity.grant(moon.reader[0], "reader", on=f"/domains/{empty}")
    response = query(gateways[0], moon.token(domain=empty), "cpu")
    assert response.status_code == 403
    assert "no projects" in response.json()["error"]


def test_a_domain_with_too_many_projects_is_rejected(start, moon_stores, moon):
    response = query(start(moon_stores[0], max_domain_projects="1"), moon.token(), "cpu")
    assert response.status_code == 403
    assert "max_domain_projects" in response.json()["error"]


def test_the_audit_names_the_domain(gateways, moon, window):
    query(gateways[0], moon.token(), "cpu", window)

    def written() -> bool:
        lines = gateways[0].log.read_text().splitlines()
        return any(f'"scope":"domain={moon.domain}"' in line for line in lines)

    assert wait_for(written, timeout=5)


def test_created_and_deleted_projects_appear_after_the_list_expires(
    *, start, running, moon, identity, tmp_path
):
    series = [Series("load", {"project": moon.doomed, "vm": "old"}, lambda _: 1.0)]
    family = Family("load", "gauge", "Load.", series)  # type: ignore[arg-type]  # it grows
    target = Target("moon", "/moon", {"instance": "moon:9100"}, (family,))
    exporter = running.enter_context(Exporter([target], free_port()))
    store = Prometheus(tmp_path / "store", scrape_configs=exporter.scrape_configs("1s"))
    gateway = start(running.enter_context(store), domain_cache_seconds="2", share_requests="false")
    token = moon.token()
    assert wait_for(lambda: vms(query(gateway, token, "load")) == {"old"}, timeout=20)
    new = create_project(identity, moon.domain, "fecundity")
    series.append(Series("load", {"project": new, "vm": "new"}, lambda _: 1.0))
    assert wait_for(lambda: vms(query(gateway, token, "load")) == {"old", "new"}, timeout=20)
    # The data of a disabled project still belong to the domain; those of a deleted project to nobody.
    identity.call("PATCH", f"/projects/{new}", {"project": {"enabled": False}})
    time.sleep(2.5)
    assert vms(query(gateway, token, "load")) == {"old", "new"}
    identity.call("DELETE", f"/projects/{moon.doomed}")
    assert wait_for(lambda: vms(query(gateway, token, "load")) == {"new"}, timeout=20)


def test_without_keystone_a_list_is_used_until_it_expires(start, moon_stores, moon, keystone, window):
    gateway = start(moon_stores[0], domain_cache_seconds="2")
    token = moon.token()
    assert vms(query(gateway, token, "cpu", window)) == {"a1", "a2"}
    time.sleep(2.1)
    with suspended(keystone.pid):
        response = query(gateway, token, "cpu", window)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert vms(query(gateway, token, "cpu", window)) == {"a1", "a2"}


def test_a_service_user_without_permission_is_503_and_logged(start, moon_stores, moon):
    gateway = start(moon_stores[0], keystone_authtoken={})
    assert query(gateway, moon.token(), "cpu").status_code == 503
    assert wait_for(lambda: "reader on the system" in gateway.log.read_text(), timeout=5)

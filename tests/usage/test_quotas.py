"""Quotas of projects, over real HTTP."""

from threading import Event

import pytest
import requests
from keystoneauth1 import adapter, noauth, session
from prometheus_client.parser import text_string_to_metric_families
from tests.fakes.listed_services import FakeCinder, FakeNeutron
from tests.fakes.nova_usage import FakeNova

from chrysaetos.usage.api import Service
from chrysaetos.usage.quotas import COMPUTE, NETWORK, VOLUME, QuotaUpdater
from chrysaetos.usage.records import Project, UsageError
from chrysaetos.usage.snapshot import Exposition

NOW = 1000.0
KINDS = {
    "compute": (FakeNova, COMPUTE, "nova", "", "cores"),
    "volume": (FakeCinder, VOLUME, "cinder", "", "gigabytes"),
    "network": (FakeNeutron, NETWORK, "neutron", "/v2.0", "floatingip"),
}


class Once(Event):
    """Ends a loop after its first update."""

    def wait(self, timeout=None):  # waits for nothing
        self.set()
        return True


class FakeProjects:
    """Three projects."""

    all = True
    calls = 0

    def __init__(self):
        self.projects = [Project(name, name, "d", "default") for name in ("p", "q", "r")]

    def list(self):
        self.calls += 1
        return list(self.projects)


class Kind:
    def __init__(self, name, server, connections):
        _, quota_set, service, root, self.resource = KINDS[name]
        self.name, self.fake, self.projects, self.reason = name, server, FakeProjects(), service
        own = session.Session(auth=noauth.NoAuth(), session=connections)
        url = f"{server.url}/v2.1" if name == "compute" else server.url
        http = adapter.Adapter(own, service_type=service, endpoint_override=url)
        self.exposition = Exposition(60, source=name)
        self.updater = QuotaUpdater(
            self.projects, Service(http, service, root), quota_set, self.exposition, clock=lambda: NOW
        )
        server.quotas = {each.id: {self.resource: (20, 5)} for each in self.projects.projects}

    def values(self, now=NOW):
        text = self.exposition.render(now, compressed=False).decode()
        return {
            (sample.name.removeprefix("usage_exporter_quota_"), sample.labels["project_id"]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.labels.get("service") == self.name and sample.labels["resource"] == self.resource
        }


@pytest.fixture(params=KINDS)
def kind(request):
    with KINDS[request.param][0]() as server, requests.Session() as connections:
        yield Kind(request.param, server, connections)


def test_limit_and_use_of_each_project(kind):
    kind.fake.quotas["q"] = {kind.resource: (7, 7)}
    kind.updater.update()
    values = kind.values()
    assert values == {
        **{("limit", project): 20 for project in ("p", "r")},
        **{("used", project): 5 for project in ("p", "r")},
        ("limit", "q"): 7,
        ("used", "q"): 7,
    }
    assert kind.exposition.health.calls == 4


def test_no_limit_is_infinite(kind):
    kind.fake.quotas["q"] = {kind.resource: (-1, 3)}
    kind.updater.update()
    assert kind.values()["limit", "q"] == float("inf")
    assert kind.values()["used", "q"] == 3


def test_limits_that_are_no_quotas_are_omitted(kind):
    kind.fake.quotas["p"] |= {
        "metadata_items": (1, 0),
        "per_volume_gigabytes": (-1, 0),
        "gigabytes_ssd": (1, 1),
    }
    kind.updater.update()
    assert len(kind.values()) == 6
    assert b"metadata_items" not in kind.exposition.render(NOW, compressed=False)
    assert b"ssd" not in kind.exposition.render(NOW, compressed=False)


def test_a_project_that_is_deleted_meanwhile_has_no_quotas(kind):
    deleted = kind.projects.projects[1]
    del kind.fake.quotas["q"]
    listed = [list(kind.projects.projects), [each for each in kind.projects.projects if each != deleted]]
    kind.projects.list = lambda: listed.pop(0)
    kind.updater.update()
    assert {project for _, project in kind.values()} == {"p", "r"}


def test_a_project_that_only_the_service_does_not_know_is_an_error(kind):
    del kind.fake.quotas["q"]
    with pytest.raises(UsageError, match="/q") as caught:
        kind.updater.update()
    assert caught.value.reason == kind.reason
    assert kind.values() == {}


def test_a_failure_keeps_the_last_quotas_until_they_are_too_old(kind):
    kind.updater.update()
    kind.fake.down = True
    kind.updater.run(Once(), 300)
    assert kind.exposition.health.problem == kind.reason
    assert kind.values()["used", "p"] == 5
    assert kind.values(NOW + 61) == {}


def test_an_invalid_response_is_an_error(kind, monkeypatch):
    monkeypatch.setattr(kind.fake, "answer", lambda *_: (200, {"quota_set": {kind.resource: 3}}))
    with pytest.raises(UsageError, match="returned invalid quotas"):
        kind.updater.update()


def test_the_quotas_of_several_services_are_one_metric():
    with FakeCinder() as cinder, FakeNeutron() as neutron, requests.Session() as connections:
        kinds = [Kind("volume", cinder, connections), Kind("network", neutron, connections)]
        for each in kinds:
            each.updater.update()
        page = Exposition(60, others=[each.exposition for each in kinds]).render(NOW, compressed=False)
    assert page.count(b"# TYPE usage_exporter_quota_limit gauge\n") == 1
    lines = page.decode().splitlines()
    rows = [number for number, line in enumerate(lines) if line.startswith("usage_exporter_quota_limit{")]
    assert rows == list(range(rows[0], rows[0] + 6))

"""Projects from Keystone and usage from Nova, over real HTTP."""

import re

import pytest
import requests
from keystoneauth1 import access, adapter, noauth, session
from keystoneauth1.identity.base import BaseIdentityPlugin
from tests.fakes.nova_usage import FakeNova, Server

from chrysaetos.usage.api import Service
from chrysaetos.usage.cloud import Cloud
from chrysaetos.usage.projects import AllProjects
from chrysaetos.usage.records import Project, UsageError
from chrysaetos.usage.site import SimpleVMSettings


class CatalogPlugin(BaseIdentityPlugin):
    """A log-in whose catalog has one service."""

    def __init__(self, service_type, url):
        super().__init__()
        endpoint = {"id": "e", "interface": "public", "region": "r", "url": url}
        service = {"id": "s", "type": service_type, "name": service_type, "endpoints": [endpoint]}
        self.body = {"token": {"expires_at": "2999-01-01T00:00:00Z", "catalog": [service]}}

    def get_auth_ref(self, session):  # needs no request
        return access.AccessInfoV3(self.body, auth_token="token")


START = 1_700_000_000.0
END = START + 7200


@pytest.fixture
def nova():
    with FakeNova() as running:
        running.projects = [
            {"id": "p", "name": "one", "domain_id": "default"},
            {"id": "q", "name": "two", "domain_id": "other"},
        ]
        running.domains.append({"id": "other", "name": "Other"})
        yield running


@pytest.fixture
def cloud_of():
    with requests.Session() as connections:

        def make(nova, **options):
            own = session.Session(auth=noauth.NoAuth(), session=connections)
            identity = adapter.Adapter(own, service_type="identity", endpoint_override=f"{nova.url}/v3")
            compute = adapter.Adapter(own, service_type="compute", endpoint_override=f"{nova.url}/v2.1")
            domains = {name: options.pop(name) for name in ("domains", "domain_id") if name in options}
            projects = AllProjects(Service(identity, "keystone"), **domains)
            return Cloud(projects, Service(compute, "nova"), name="cloud", **options)

        yield make


def fill(nova, count, project="p", prefix="i"):
    nova.add(*(Server(f"{prefix}{number:05}", project, START - 3600) for number in range(count)))


def test_projects_have_the_names_of_their_domains(nova, cloud_of):
    assert cloud_of(nova)._projects.list() == [
        Project("p", "one", "default", "Default"),
        Project("q", "two", "other", "Other"),
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"domains": ("Other",)}, ["q"]),
        ({"domains": ("other",)}, ["q"]),
        ({"domains": ("Other", "Default")}, ["p", "q"]),
        ({"domain_id": "default", "domains": ("Other",)}, ["p"]),
        ({}, ["p", "q"]),
    ],
)
def test_domains_by_name_or_id(nova, cloud_of, options, expected):
    assert [project.id for project in cloud_of(nova, **options)._projects.list()] == expected


@pytest.mark.parametrize("options", [{"domains": ("None", "Other")}, {"domain_id": "none"}])
def test_an_unknown_domain_is_an_error(nova, cloud_of, options):
    with pytest.raises(UsageError, match="there is no domain"):
        cloud_of(nova, **options)._projects.list()


def test_all_pages_are_read(nova, cloud_of):
    fill(nova, 1500)
    fill(nova, 700, "q", "j")
    usages = cloud_of(nova).observe(START, END).usages
    assert len(usages) == 2200
    assert sum(usage.hours for usage in usages if usage.project_id == "p") == pytest.approx(3000)
    requests_ = [request for request in nova.requests if "usage" in request]
    assert len(requests_) == 3
    assert all("limit=1000" in request and "detailed=1" in request for request in requests_)


def test_a_smaller_page_limit_of_nova_works(nova, cloud_of):
    nova.max_limit = 100
    fill(nova, 250)
    assert len(cloud_of(nova).observe(START, END).usages) == 250


def test_a_full_last_page(nova, cloud_of):
    fill(nova, 1000)
    assert len(cloud_of(nova).observe(START, END).usages) == 1000


def test_the_usage_of_a_server(nova, cloud_of):
    nova.add(
        Server("a", "p", START + 1800, vcpus=3, memory_mb=512, local_gb=5),
        Server("b", "p", START - 10, terminated=START + 3600),
    )
    first, second = cloud_of(nova).observe(START, END).usages
    assert (first.vcpus, first.memory_mb, first.disk_gb, first.exists) == (3, 512, 5, True)
    assert first.hours == pytest.approx(1.5)
    assert first.started_at == START + 1800
    assert (second.hours, second.exists) == (pytest.approx(1), False)


def test_without_access_to_all_projects_each_project_is_requested(nova, cloud_of, caplog):
    nova.forbidden.add("/os-simple-tenant-usage")
    fill(nova, 1500)
    fill(nova, 2, "q", "j")
    cloud = cloud_of(nova)
    assert len(cloud.observe(START, END).usages) == 1502
    assert len(cloud.observe(START, END).usages) == 1502
    assert caplog.text.count("requesting each project") == 1
    nova.forbidden.clear()
    nova.requests.clear()
    assert len(cloud.observe(START, END).usages) == 1502
    assert not any(request.startswith("/v2.1/os-simple-tenant-usage/") for request in nova.requests)


def test_with_an_old_nova_each_project_is_requested(nova, cloud_of):
    nova.microversion = "2.39"
    fill(nova, 3)
    fill(nova, 2, "q", "j")
    assert len(cloud_of(nova).observe(START, END).usages) == 5


def test_a_truncated_response_is_an_error(nova, cloud_of):
    nova.microversion = "2.39"
    fill(nova, 1200)
    with pytest.raises(UsageError, match="truncated the response") as caught:
        cloud_of(nova).observe(START, END)
    assert caught.value.reason == "truncated"


def test_metadata_name_the_projects_of_servers(nova, cloud_of):
    nova.max_limit = 2
    for number in range(5):
        nova.add(Server(f"i{number}", "p", START, metadata={"tag": f"svm{number % 2}"} if number else {}))
    cloud = cloud_of(nova, simple_vm=SimpleVMSettings("p", "tag"))
    assert cloud.observe(START, END).names == {"i1": "svm1", "i2": "svm0", "i3": "svm1", "i4": "svm0"}


@pytest.mark.parametrize("status", [401, 429, 503])
def test_an_error_is_reported_and_no_partial_usage_is_kept(nova, cloud_of, status):
    fill(nova, 1500)
    cloud = cloud_of(nova)
    projects = cloud._projects.list()
    nova.failing = [status]
    with pytest.raises(UsageError, match=str(status)) as caught:
        cloud.usages(START, END, projects)
    assert caught.value.reason == "nova"
    assert len(cloud.usages(START, END, projects)) == 1500


def test_calls_are_counted(nova, cloud_of):
    cloud = cloud_of(nova)
    cloud.observe(START, END)
    assert cloud.calls == len(nova.requests) == 3


def test_a_truncated_list_of_keystone_is_an_error(nova, cloud_of, monkeypatch):
    answer = nova.answer
    monkeypatch.setattr(
        nova,
        "answer",
        lambda target, headers: (
            (200, {"projects": [], "truncated": True}) if "/projects" in target else answer(target, headers)
        ),
    )
    with pytest.raises(UsageError, match="list_limit") as caught:
        cloud_of(nova)._projects.list()
    assert caught.value.reason == "truncated"


def test_a_nova_that_is_down_at_the_start_is_asked_again(nova, cloud_of):
    fill(nova, 1500)
    cloud = cloud_of(nova)
    projects = cloud._projects.list()
    nova.down = True
    for _ in range(2):
        with pytest.raises(UsageError, match="version document") as caught:
            cloud.usages(START, END, projects)
        assert caught.value.reason == "nova"
    nova.down = False
    nova.requests.clear()
    assert len(cloud.usages(START, END, projects)) == 1500
    assert len(nova.requests) == 2


def test_the_same_with_nova_from_keystones_catalog(nova):
    plugin = CatalogPlugin("compute", f"{nova.url}/v2.1")
    with requests.Session() as connections:
        own = session.Session(auth=plugin, session=connections)
        identity = adapter.Adapter(own, service_type="identity", endpoint_override=f"{nova.url}/v3")
        nova_service = Service(adapter.Adapter(own, service_type="compute"), "nova")
        cloud = Cloud(AllProjects(Service(identity, "keystone")), nova_service, name="cloud")
        fill(nova, 1500)
        nova.down = True
        with pytest.raises(UsageError, match="version document") as caught:
            cloud.usages(START, END, [])
        assert caught.value.reason == "nova"
        nova.down = False
        assert len(cloud.usages(START, END, [])) == 1500


def test_a_catalog_without_nova_is_requested_again(nova):
    plugin = CatalogPlugin("other", nova.url)
    own = session.Session(auth=plugin)
    compute = Service(adapter.Adapter(own, service_type="compute"), "nova")
    cloud = Cloud(AllProjects(compute), compute, name="cloud")
    for request in (lambda: cloud.usages(START, END, []), lambda: compute.get("/servers", {})):
        plugin.body = CatalogPlugin("other", nova.url).body
        with pytest.raises(UsageError, match="compute service not found") as caught:
            request()
        assert caught.value.reason == "nova"
        plugin.body = CatalogPlugin("compute", f"{nova.url}/v2.1").body  # now it is registered
        assert cloud.usages(START, END, []) == []
        own.invalidate()


def test_progress_counts_the_servers_of_all_projects_and_ends_also_after_an_error(nova, cloud_of):
    nova.microversion = "2.39"
    fill(nova, 3)
    fill(nova, 2, "q", "j")
    shown: list[int | None] = []
    cloud = cloud_of(nova, progress=shown.append)
    cloud.observe(START, END)
    assert shown == [3, 5, None]
    nova.forbidden.add("/os-simple-tenant-usage/q")
    with pytest.raises(UsageError):
        cloud.observe(START, END)
    assert shown == [3, 5, None, 3, None]


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (r"/v2\.1$", None),
        (r"/v2\.1$", {}),
        ("usage", {"tenant_usages": [{"tenant_id": "p", "total_hours": 1}]}),
        ("usage", {"tenant_usages": ["p"]}),
        ("usage", {"tenant_usages": [{"server_usages": [{"instance_id": "a"}]}]}),
    ],
)
def test_an_invalid_response_is_an_error_and_is_not_remembered(nova, cloud_of, path, document):
    fill(nova, 3)
    cloud, answer = cloud_of(nova), nova.answer
    nova.answer = lambda target, headers: (
        (200, document) if re.search(path, target) else answer(target, headers)
    )
    with pytest.raises(UsageError) as caught:
        cloud.observe(START, END)
    assert caught.value.reason == "nova"
    nova.answer = answer
    assert len(cloud.observe(START, END).usages) == 3


def test_a_link_without_an_address_is_an_error(nova, cloud_of, monkeypatch):
    content = {"tenant_usages": [], "tenant_usages_links": [{"rel": "next"}]}
    monkeypatch.setattr(nova, "_content", lambda *arguments, **named: content)
    with pytest.raises(UsageError, match="has no marker") as caught:
        cloud_of(nova).usages(START, END, [])
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize("name", ["vcpus", "hours"])
def test_a_number_that_is_missing_is_an_error(nova, cloud_of, monkeypatch, name):
    fill(nova, 1)
    record = nova._record
    monkeypatch.setattr(nova, "_record", lambda *window: {**record(*window), name: None})
    with pytest.raises(UsageError, match="invalid usage of a server") as caught:
        cloud_of(nova).observe(START, END)
    assert caught.value.reason == "nova"


def test_links_that_are_null_are_no_links(nova, cloud_of, monkeypatch):
    fill(nova, 3)
    content = nova._content
    monkeypatch.setattr(
        nova,
        "_content",
        lambda *arguments, **named: {**content(*arguments, **named), "tenant_usages_links": None},
    )
    assert len(cloud_of(nova).observe(START, END).usages) == 3


@pytest.mark.parametrize("again", [None, 0.5, 1.5])
def test_a_server_that_nova_lists_twice_counts_once(nova, cloud_of, again):
    nova.add(Server("a", "p", START + 3600), Server("b", "p", START - 10))
    nova.duplicates = {"a": again}
    observed = cloud_of(nova).observe(START, END)
    assert {usage.instance_id: usage.hours for usage in observed.usages} == {
        "a": pytest.approx(max(1, again or 0)),
        "b": pytest.approx(2),
    }
    assert len(observed.usages) == 2
    assert observed.duplicates == ["a"]


@pytest.mark.parametrize("again", [None, 0.5, 5.0])
def test_a_server_on_two_pages_counts_once(nova, cloud_of, again):
    fill(nova, 2500)
    nova.duplicates = {"i00000": again}
    nova.repeat_later = True
    observed = cloud_of(nova).observe(START, END)
    assert len(observed.usages) == 2500
    assert observed.usages[0].hours == pytest.approx(max(2, again or 0))
    assert observed.duplicates == ["i00000"]


def test_a_full_page_with_a_duplicate_is_not_taken_for_a_complete_one(nova, cloud_of):
    nova.microversion = "2.39"
    nova.max_limit = 999
    fill(nova, 1200)
    nova.duplicates = {"i00000": None}
    with pytest.raises(UsageError, match="truncated the response"):
        cloud_of(nova).observe(START, END)


def test_a_project_that_keystone_lists_twice_is_exported_once(nova, cloud_of):
    nova.projects.append(nova.projects[0])
    assert [project.id for project in cloud_of(nova)._projects.list()] == ["p", "q"]

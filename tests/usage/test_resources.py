"""Volumes and floating IPs, over real HTTP, and what is counted of them."""

import pytest
import requests
from keystoneauth1 import adapter, exceptions, noauth, session
from tests.fakes.clock import Clock
from tests.fakes.listed_services import FakeCinder, FakeNeutron, Listed

from chrysaetos.usage.api import Service
from chrysaetos.usage.ledger import Ledger
from chrysaetos.usage.records import Project, UsageError
from chrysaetos.usage.resources import FLOATING_IPS, VOLUMES, ListedSite
from chrysaetos.usage.snapshot import FLOATING_IP_METRICS, VOLUME_METRICS, Exposition
from chrysaetos.usage.updater import Updater

HOUR = 3600.0
START = 1_700_000_000.0
END = START + 2 * HOUR
KINDS = {
    "volumes": (FakeCinder, VOLUMES, "cinder", "", VOLUME_METRICS),
    "floating-ips": (FakeNeutron, FLOATING_IPS, "neutron", "/v2.0", FLOATING_IP_METRICS),
}


class InProject(noauth.NoAuth):
    """Credentials of the project p."""

    error = None

    def get_project_id(self, session, **_):  # needs no request
        if self.error:
            raise self.error
        return "p"


class FakeProjects:
    """Projects of a site; ``all`` is False for credentials of the first project."""

    calls = 0

    def __init__(self):
        self.all = True
        self.projects = [Project("p", "one", "d", "default"), Project("q", "two", "d", "default")]

    def list(self):
        return self.projects if self.all else self.projects[:1]


class Kind:
    """A fake service, and the site that reads it."""

    def __init__(self, name, server, connections):
        _, listing, service, root, self.metrics = KINDS[name]
        self.fake = server
        self.projects = FakeProjects()
        own = session.Session(auth=InProject(), session=connections)
        http = adapter.Adapter(own, service_type=service, endpoint_override=server.url)
        self.site = ListedSite(self.projects, Service(http, service, root), listing, name="cloud")
        self.auth, self.reason = own.auth, service
        server.quotas = {"p": {}, "q": {}}

    def fill(self, count, project="p", prefix="i"):
        self.fake.add(*(Listed(f"{prefix}{number:05}", project, START - HOUR) for number in range(count)))

    def observe(self):
        return self.site.observe(START, END)


@pytest.fixture(params=KINDS)
def kind(request):
    with KINDS[request.param][0]() as server, requests.Session() as connections:
        yield Kind(request.param, server, connections)


@pytest.fixture
def volumes():
    with FakeCinder() as server, requests.Session() as connections:
        yield Kind("volumes", server, connections)


@pytest.fixture
def floating_ips():
    with FakeNeutron() as server, requests.Session() as connections:
        yield Kind("floating-ips", server, connections)


def test_all_pages_of_all_projects_are_read(kind):
    kind.fill(1500)
    kind.fill(700, "q", "j")
    observed = kind.observe()
    assert len(observed.usages) == 2200
    assert sum(usage.hours for usage in observed.usages if usage.project_id == "q") == pytest.approx(1400)
    assert observed.projects == kind.projects.projects
    assert kind.site.calls == len(kind.fake.requests) == 4


def test_a_smaller_page_limit_and_a_full_last_page(kind):
    kind.fake.max_limit = 100
    kind.fill(300)
    assert len(kind.observe().usages) == 300


def test_an_object_counts_since_it_was_created(volumes):
    volumes.fake.add(
        Listed("a", "p", START - HOUR, size=7),
        Listed("b", "p", START + 1.5 * HOUR, size=3),
        Listed("c", "p", END + 10, size=1),
    )
    usages = {usage.instance_id: usage for usage in volumes.observe().usages}
    assert {name: usage.hours for name, usage in usages.items()} == pytest.approx({"a": 2, "b": 0.5, "c": 0})
    assert [usages[name].disk_gb for name in "abc"] == [7, 3, 1]
    assert all(usage.exists for usage in usages.values())


def test_credentials_that_do_not_show_all_projects_are_an_error(kind):
    kind.fill(3)
    kind.fill(2, "q", "j")
    kind.fake.only_project = "p"
    for request in (kind.observe, kind.site.check):
        with pytest.raises(UsageError, match="role admin, or --own-project") as caught:
            request()
        assert caught.value.reason == "forbidden"


def test_a_keystone_that_is_down_is_the_reason(kind):
    kind.auth.error = exceptions.ConnectFailure("down")
    with pytest.raises(UsageError, match="no token from Keystone: down") as caught:
        kind.observe()
    assert caught.value.reason == "keystone"


@pytest.mark.parametrize("only_project", ["p", None])
def test_the_own_project_needs_no_other_role_and_is_the_only_one(kind, only_project):
    kind.fill(3)
    kind.fill(2, "q", "j")
    kind.projects.all = False
    kind.fake.only_project, kind.fake.admin_project = only_project, "p"
    kind.site.check()
    observed = kind.observe()
    assert {usage.project_id for usage in observed.usages} == {"p"}
    assert len(observed.usages) == 3
    assert not any("all_tenants" in request or "quota" in request for request in kind.fake.requests)


def test_an_object_on_two_pages_counts_once(kind):
    kind.fill(2500)
    kind.fake.repeated = {"i00000"}
    observed = kind.observe()
    assert len(observed.usages) == 2500
    assert observed.duplicates == ["i00000"]


def test_a_marker_that_is_deleted_between_pages_is_an_error_and_the_next_list_is_whole(kind):
    kind.fill(1500)
    kind.fake.after_page = kind.fake.objects.pop
    with pytest.raises(UsageError, match="404") as caught:
        kind.observe()
    assert caught.value.reason == kind.reason
    kind.fake.after_page = lambda _: None
    assert len(kind.observe().usages) == 1499


def test_the_copy_of_a_volume_that_is_migrated_is_not_counted(volumes):
    volumes.fake.add(
        Listed("a", "p", START, migration="migrating"), Listed("b", "p", START, migration="target:a")
    )
    assert [usage.instance_id for usage in volumes.observe().usages] == ["a"]


def test_an_invalid_object_is_an_error(kind, monkeypatch):
    kind.fill(1)
    monkeypatch.setattr(kind.fake, "entry", lambda listed: {"id": listed.id})
    with pytest.raises(UsageError, match="returned invalid") as caught:
        kind.observe()
    assert caught.value.reason == kind.reason


@pytest.mark.parametrize("path", ["/v2.0", "/v2.0/", ""])
def test_the_version_may_be_in_the_catalog(floating_ips, path):
    floating_ips.fill(1)
    floating_ips.site._service.adapter.endpoint_override = floating_ips.fake.root_url + path
    assert len(floating_ips.observe().usages) == 1


class Loop:
    """An updater of a kind with its clock and ledger."""

    def __init__(self, kind, path):
        self.kind, self.path, self.clock = kind, path, Clock(START)
        self.start()

    def start(self):
        self.ledger = Ledger(self.path, source="cloud", start=START)
        self.exposition = Exposition(max_age=100 * HOUR)
        self.updater = Updater(
            self.kind.site,
            self.exposition,
            start=START,
            metrics=self.kind.metrics,
            ledger=self.ledger,
            clock=self.clock,
            uptime=lambda: self.clock.now,
        )

    def restart(self):
        self.ledger.close()
        self.start()

    def after(self, hours):
        self.clock.now += hours * HOUR
        self.updater.update()

    def value(self, metric, project="p"):
        text = self.exposition.render(self.clock.now, compressed=False).decode()
        lines = [line for line in text.splitlines() if line.startswith(f"{metric}{{")]
        return next(float(line.split()[-1]) for line in lines if f'project_id="{project}"' in line)


@pytest.fixture
def loop(volumes, tmp_path):
    created = Loop(volumes, tmp_path / "ledger.sqlite")
    yield created
    created.ledger.close()


def test_a_deleted_volume_counts_up_to_the_last_list_that_has_it(loop):
    loop.kind.fake.add(Listed("a", "p", START - HOUR), Listed("b", "p", START + 0.5 * HOUR, size=100))
    loop.after(1)
    assert loop.value("project_volume_gb_usage") == pytest.approx(10 + 50)
    assert loop.value("project_current_volume_gb_usage") == 110
    del loop.kind.fake.objects["b"]
    loop.after(0.5)
    assert loop.value("project_volume_gb_usage") == pytest.approx(15 + 50)
    assert loop.value("project_volume_usage") == pytest.approx(2)
    assert loop.value("project_current_volume_usage") == 1
    assert loop.value("project_volume_gb_usage", "q") == 0


def test_an_outage_and_a_restart_lose_no_hours_and_count_none_twice(loop):
    loop.kind.fake.add(Listed("a", "p", START))
    loop.after(1)
    loop.kind.fake.down = True
    with pytest.raises(UsageError, match="503") as caught:
        loop.after(1)
    assert caught.value.reason == "cinder"
    loop.restart()
    loop.updater.publish_ledger()
    assert loop.value("project_volume_gb_usage") == pytest.approx(10)
    loop.kind.fake.down = False
    loop.after(1)
    loop.after(0)
    assert loop.value("project_volume_gb_usage") == pytest.approx(30)


def test_a_larger_size_and_another_project_count_from_the_window_in_which_they_are_seen(loop):
    loop.kind.fake.add(Listed("a", "p", START))
    loop.after(1)
    loop.kind.fake.objects["a"].size = 20
    loop.after(1)
    assert loop.value("project_volume_gb_usage") == pytest.approx(10 + 20)
    loop.kind.fake.objects["a"].project_id = "q"
    loop.after(1)
    assert loop.value("project_volume_gb_usage") == pytest.approx(10 + 20)
    assert loop.value("project_volume_gb_usage", "q") == pytest.approx(20)


def test_what_has_no_history_is_not_reconciled(loop):
    loop.kind.fake.add(Listed("a", "p", START))
    loop.after(25)
    requests_before = len(loop.kind.fake.requests)
    loop.updater._reconcile_daily()
    assert len(loop.kind.fake.requests) == requests_before


def test_floating_ips_count_hours(floating_ips, tmp_path):
    loop = Loop(floating_ips, tmp_path / "ledger.sqlite")
    floating_ips.fake.add(Listed("a", "p", START), Listed("b", "p", START + 0.5 * HOUR))
    loop.after(1)
    assert loop.value("project_floating_ip_usage") == pytest.approx(1.5)
    assert loop.value("project_current_floating_ip_usage") == 2
    loop.ledger.close()

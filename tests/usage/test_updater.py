"""The loop: what is counted, what is published, and what happens when something fails."""

from threading import Event

import pytest

from chrysaetos.usage.ledger import Ledger
from chrysaetos.usage.records import Project, ServerUsage, UsageError
from chrysaetos.usage.site import Observation
from chrysaetos.usage.snapshot import Exposition
from chrysaetos.usage.updater import Updater
from chrysaetos.usage.weights import Weights

START = 1_000_000.0
HOUR = 3600.0
PROJECT = Project("p", "one", "d", "default")


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


class FakeSite:
    """A site with servers of two CPUs; `servers` is id → when it was launched, and when it ended or None."""

    identity = "fake"

    def __init__(self):
        self.calls = 0
        self.projects = [PROJECT]
        self.servers = {"i": (START, None)}
        self.names = {}
        self.error = None
        self.windows = []

    def observe(self, start, end):
        self.calls += 1
        self.windows.append((start, end))
        if self.error:
            raise self.error
        usages = []
        for name, (launched, ended) in self.servers.items():
            seconds = min(end, ended or end) - max(start, launched)
            usages.append(ServerUsage(name, "p", 2, 1024, 0, max(0, seconds) / HOUR, launched, ended is None))
        return Observation(self.projects, usages, self.names)


class Loop:
    """An updater with its site, its clock, and what it shows."""

    def __init__(self, path, **options):
        self.clock = Clock()
        self.site = FakeSite()
        self.path = path
        self.options = options
        self.ledger = None
        self.start()

    def start(self):
        self.ledger = Ledger(self.path, of="fake", start=START) if self.path else None
        self.exposition = Exposition(max_age=2 * HOUR)
        self.updater = Updater(
            self.site, self.exposition, start=START, ledger=self.ledger, clock=self.clock, **self.options
        )

    def restart(self):
        self.ledger.close()
        self.start()

    def after(self, hours):
        self.clock.now += hours * HOUR
        self.updater.update()

    def shown(self, metric="project_vcpu_usage"):
        for line in self.exposition.render(self.clock.now, compressed=False).decode().splitlines():
            if line.startswith((f"{metric}{{", f"{metric} ")):
                return float(line.rpartition(" ")[2])
        return None


@pytest.fixture
def loop(tmp_path):
    made = Loop(tmp_path / "ledger.sqlite")
    yield made
    made.ledger.close()


@pytest.fixture
def stateless():
    return Loop(None)


def test_totals_grow_window_by_window(loop):
    loop.after(1)
    assert loop.shown() == pytest.approx(2)
    loop.after(2)
    assert loop.shown() == pytest.approx(6)
    assert loop.site.windows == [(START, START + HOUR), (START + HOUR, START + 3 * HOUR)]


def test_without_a_ledger_everything_is_asked_each_time(stateless):
    stateless.after(1)
    stateless.after(2)
    assert stateless.shown() == pytest.approx(6)
    assert [start for start, _ in stateless.site.windows] == [START, START]


def test_totals_do_not_go_down_when_a_server_is_archived(loop):
    loop.after(1)
    loop.site.servers.clear()
    loop.after(1)
    assert loop.shown() == pytest.approx(2)
    assert loop.shown("project_current_server_usage") == 0


def test_a_restart_shows_at_once_and_loses_nothing(loop):
    loop.after(1)
    loop.site.error = UsageError("away", reason="nova")
    loop.restart()
    loop.updater.recall()
    assert loop.shown() == pytest.approx(2)
    loop.site.error = None
    loop.after(1)
    assert loop.shown() == pytest.approx(4)


def test_a_first_start_has_nothing_to_recall(loop, stateless):
    for one in (loop, stateless):
        one.updater.recall()
        assert one.shown() is None


def test_an_outage_is_caught_up_with(loop):
    loop.after(1)
    loop.site.error = UsageError("away", reason="nova")
    with pytest.raises(UsageError, match="away"):
        loop.after(1)
    assert loop.shown() == pytest.approx(2)  # as old as it is
    loop.site.error = None
    loop.after(1)
    assert loop.shown() == pytest.approx(6)


def test_after_a_long_outage_nothing_is_shown(loop):
    loop.after(1)
    loop.clock.now += 2 * HOUR + 1
    assert loop.shown() is None
    assert loop.shown("usage_exporter_up") == 0


def test_deleted_and_renamed_projects_are_gone_at_the_next_update(loop):
    loop.after(1)
    loop.site.projects = [PROJECT._replace(name="renamed")]
    loop.after(1)
    text = loop.exposition.render(loop.clock.now, compressed=False).decode()
    assert 'project_name="one"' not in text
    assert 'project_name="renamed"} 4.0' in text
    loop.site.projects = []
    loop.after(1)
    assert loop.shown() is None


def test_a_ledger_that_cannot_be_written_still_shows_and_catches_up(loop):
    loop.after(1)
    pages = loop.ledger._database.execute("PRAGMA page_count").fetchone()[0]
    loop.ledger._database.execute(f"PRAGMA max_page_count = {pages}")
    loop.site.servers |= {f"server-{number:05}" * 10: (START + HOUR, None) for number in range(200)}
    with pytest.raises(UsageError, match="full"):
        loop.after(1)
    assert loop.shown() == pytest.approx(2 * 2 + 200 * 2)
    assert loop.shown("project_current_server_usage") == 201
    loop.ledger._database.execute("PRAGMA max_page_count = 1000000")
    loop.after(1)
    assert loop.shown() == pytest.approx(3 * 2 + 200 * 4)


def test_a_clock_that_goes_back_is_waited_for(loop):
    loop.after(2)
    with pytest.raises(UsageError, match="clock"):
        loop.after(-1)
    loop.after(2)
    assert loop.shown() == pytest.approx(6)


def test_names_of_hosted_projects_outlive_their_servers(tmp_path):
    loop = Loop(tmp_path / "ledger.sqlite", simple_vm="p")
    loop.site.names = {"i": "svm"}
    loop.after(1)
    loop.site.names, loop.site.servers = {}, {"j": (START + HOUR, None)}
    loop.after(1)
    loop.restart()
    loop.updater.recall()
    text = loop.exposition.render(loop.clock.now, compressed=False).decode()
    lines = [line for line in text.splitlines() if line.startswith("project_vcpu_usage{")]
    assert [line.partition("project_name=")[2] for line in lines] == ['"one"} 2.0', '"svm"} 2.0']
    loop.ledger.close()


def weights(factor):
    steps = [{"value": 1, "weight": factor}]
    return Weights.parse([{"resource_set_timestamp": 0, "vcpus": steps, "memory_mb": []}])


def test_weights_are_renewed_now_and_then_and_kept_when_they_cannot_be(tmp_path):
    answers = [weights(2), UsageError("away", reason="weights"), weights(3)]
    asked = []

    def ask():
        asked.append(1)
        answer = answers[len(asked) - 1]
        if isinstance(answer, UsageError):
            raise answer
        return answer

    loop = Loop(tmp_path / "ledger.sqlite", weights=ask, weights_every=2)
    seen = []
    for _ in range(4):
        loop.after(1)
        seen.append((len(asked), loop.shown()))
    assert seen == [(1, 4), (1, 8), (2, 12), (3, 24)]
    loop.ledger.close()


def test_reconciliation_says_what_differs_and_changes_nothing(loop):
    loop.after(1)
    loop.site.servers = {"late": (START, None)}
    assert loop.updater.reconcile() == {"i": pytest.approx(-1), "late": pytest.approx(1)}
    assert loop.shown() == pytest.approx(2)
    assert loop.shown("usage_exporter_reconciliation_missing_hours") == pytest.approx(1)
    assert loop.shown("usage_exporter_reconciliation_vanished_hours") == pytest.approx(1)


class Ticks(Event):
    """An event that is set after so many waits, and keeps how long they were."""

    def __init__(self, loop, count, hours=0.5):
        super().__init__()
        self.loop, self.count, self.hours, self.waits = loop, count, hours, []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        self.loop.clock.now += self.hours * HOUR
        if len(self.waits) == self.count:
            self.set()
        return self.is_set()


def test_the_loop_backs_off_and_never_ends_on_an_error(loop):
    loop.site.error = UsageError("away", reason="nova")
    ticks = Ticks(loop, 5)
    loop.updater.run(ticks, interval=30)
    assert ticks.waits == [5, 10, 20, 30, 30]
    assert loop.exposition.health.failures == {"nova": 5}
    assert loop.exposition.health.problem == "nova"
    loop.site.error = None
    ticks = Ticks(loop, 2)
    loop.updater.run(ticks, interval=30)
    assert ticks.waits == [30, 30]
    assert loop.exposition.health.problem is None


def test_the_loop_survives_what_nobody_expected(loop):
    loop.site.error = ZeroDivisionError("a defect")
    ticks = Ticks(loop, 1)
    loop.updater.run(ticks, interval=30)
    assert loop.exposition.health.failures == {"unexpected": 1}


def test_the_loop_reconciles_once_a_day(loop):
    loop.updater.run(Ticks(loop, 60), interval=1800)
    whole = [end - start for start, end in loop.site.windows if start == START and end - start > HOUR]
    assert whole == [24 * HOUR]

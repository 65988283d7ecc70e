"""The update loop: what it counts and publishes, and how it handles errors."""

import logging
import random
from threading import Event

import pytest
from tests.fakes.clock import Clock
from tests.fakes.usage_site import HOUR, PROJECT, START, FakeSite

from chrysaetos.usage.credits import FILE, CreditLedger
from chrysaetos.usage.grants import append_grant
from chrysaetos.usage.ledger import Ledger
from chrysaetos.usage.records import UsageError
from chrysaetos.usage.snapshot import Exposition
from chrysaetos.usage.updater import Updater
from chrysaetos.usage.weights import Weights


class Loop:
    """An updater with its site, clock and exposition."""

    def __init__(self, path, **options):
        self.clock = Clock(START)
        self.ahead = 0.0
        self.site = FakeSite()
        self.path = path
        self.options = options
        self.first = START
        self.start()

    def start(self):
        self.ledger = Ledger(self.path, source="fake", start=self.first) if self.path else None
        self.exposition = Exposition(max_age=2 * HOUR)
        self.updater = Updater(
            self.site,
            self.exposition,
            start=self.first,
            ledger=self.ledger,
            clock=self.clock,
            uptime=lambda: self.clock.now - self.ahead,
            **self.options,
        )

    def restart(self):
        self.close()
        self.start()

    def close(self):
        if self.ledger is not None:
            self.ledger.close()

    def after(self, hours):
        self.clock.now += hours * HOUR
        self.updater.update()

    def value(self, metric="project_vcpu_usage"):
        for line in self.exposition.render(self.clock.now, compressed=False).decode().splitlines():
            if line.startswith((f"{metric}{{", f"{metric} ")):
                return float(line.rpartition(" ")[2])
        return None


@pytest.fixture
def loop(tmp_path):
    created = Loop(tmp_path / "ledger.sqlite")
    yield created
    created.close()


@pytest.fixture
def stateless():
    return Loop(None)


def test_totals_grow_with_each_window(loop):
    loop.after(1)
    assert loop.value() == pytest.approx(2)
    loop.after(2)
    assert loop.value() == pytest.approx(6)
    assert loop.site.windows == [(START, START + HOUR), (START + HOUR, START + 3 * HOUR)]


def test_without_a_ledger_all_usage_is_requested_each_time(stateless):
    stateless.after(1)
    stateless.after(2)
    assert stateless.value() == pytest.approx(6)
    assert [start for start, _ in stateless.site.windows] == [START, START]


def test_totals_do_not_fall_when_a_server_is_archived(loop):
    loop.after(1)
    loop.site.servers.clear()
    loop.after(1)
    assert loop.value() == pytest.approx(2)
    assert loop.value("project_current_server_usage") == 0


def test_a_restart_publishes_immediately_and_loses_nothing(loop):
    loop.after(1)
    loop.site.error = UsageError("down", reason="nova")
    loop.restart()
    loop.updater.publish_ledger()
    assert loop.value() == pytest.approx(2)
    loop.site.error = None
    loop.after(1)
    assert loop.value() == pytest.approx(4)


def test_the_first_start_publishes_nothing(loop, stateless):
    for updater in (loop, stateless):
        updater.updater.publish_ledger()
        assert updater.value() is None


def test_usage_during_an_outage_is_counted_afterwards(loop):
    loop.after(1)
    loop.site.error = UsageError("down", reason="nova")
    with pytest.raises(UsageError, match="down"):
        loop.after(1)
    assert loop.value() == pytest.approx(2)  # still published
    loop.site.error = None
    loop.after(1)
    assert loop.value() == pytest.approx(6)


def test_after_a_long_outage_nothing_is_exported(loop):
    loop.after(1)
    loop.clock.now += 2 * HOUR + 1
    assert loop.value() is None
    assert loop.value("usage_exporter_up") == 0


def test_deleted_and_renamed_projects_disappear_at_the_next_update(loop):
    loop.after(1)
    loop.site.projects = [PROJECT._replace(name="renamed")]
    loop.after(1)
    text = loop.exposition.render(loop.clock.now, compressed=False).decode()
    assert 'project_name="one"' not in text
    assert 'project_name="renamed"} 4.0' in text
    loop.site.projects = []
    loop.after(1)
    assert loop.value() is None


def test_an_unwritable_ledger_still_publishes_and_recovers(loop):
    loop.after(1)
    pages = loop.ledger._database.execute("PRAGMA page_count").fetchone()[0]
    loop.ledger._database.execute(f"PRAGMA max_page_count = {pages}")
    loop.site.servers |= {f"server-{number:05}" * 10: (START + HOUR, None) for number in range(200)}
    with pytest.raises(UsageError, match="full"):
        loop.after(1)
    assert loop.value() == pytest.approx(2 * 2 + 200 * 2)
    assert loop.value("project_current_server_usage") == 201
    loop.ledger._database.execute("PRAGMA max_page_count = 1000000")
    loop.after(1)
    assert loop.value() == pytest.approx(3 * 2 + 200 * 4)


def test_the_updater_waits_after_the_clock_was_set_back(loop):
    loop.after(2)
    with pytest.raises(UsageError, match="clock"):
        loop.after(-1)
    loop.after(2)
    assert loop.value() == pytest.approx(6)


def test_a_clock_that_is_set_forward_adds_no_hours(loop):
    loop.after(1)
    loop.ahead = HOUR
    loop.after(2)
    assert loop.site.windows[-1] == (START + HOUR, START + 2 * HOUR)
    assert loop.value() == pytest.approx(2 * 2)
    loop.ahead = 0.0
    loop.after(0)
    assert loop.value() == pytest.approx(3 * 2)


def test_names_of_simplevm_projects_are_kept_after_their_servers(tmp_path):
    loop = Loop(tmp_path / "ledger.sqlite", simple_vm="p")
    loop.site.names = {"i": "svm"}
    loop.after(1)
    loop.site.names, loop.site.servers = {}, {"j": (START + HOUR, None)}
    loop.after(1)
    loop.restart()
    loop.updater.publish_ledger()
    text = loop.exposition.render(loop.clock.now, compressed=False).decode()
    lines = [line for line in text.splitlines() if line.startswith("project_vcpu_usage{")]
    assert [line.partition("project_name=")[2] for line in lines] == ['"one"} 2.0', '"svm"} 2.0']
    loop.close()


def weights(factor):
    steps = [{"value": 1, "weight": factor}]
    return Weights.parse([{"resource_set_timestamp": 0, "vcpus": steps, "memory_mb": []}])


def loader(results):
    """Return a function that returns or raises the next result at each call, and removes it."""

    def load():
        result = results.pop(0)
        if isinstance(result, UsageError):
            raise result
        return result

    return load


def test_weights_are_refreshed_periodically_and_kept_after_an_error(tmp_path):
    results = [weights(2), UsageError("down", reason="weights"), weights(3)]
    loop = Loop(tmp_path / "ledger.sqlite", weights=loader(results), weights_every=2)
    seen = []
    for _ in range(4):
        loop.after(1)
        seen.append((len(results), loop.value()))
    assert seen == [(2, 4), (2, 8), (1, 12), (0, 24)]
    loop.close()


def test_without_weights_nothing_is_counted_published_or_charged(charging):
    charging.after(1)
    grant(charging, 20)
    down = UsageError("down", reason="endpoint")
    charging.options["weights"] = loader([down, down, weights(3)])
    charging.restart()
    charging.updater.publish_ledger()
    charging.updater.run(Ticks(charging, 1, hours=1), interval=30)
    assert charging.exposition.health.problem == "weights"
    assert charging.exposition.health.failures == {"weights": 1}
    assert charging.value() is None
    charging.after(0)
    assert charging.value() == pytest.approx(12)
    assert charging.value("usage_exporter_credits_used_hours") == pytest.approx(6)


def test_reconciliation_reports_differences_and_changes_nothing(loop):
    loop.after(1)
    loop.site.servers = {"late": (START, None)}
    assert loop.updater.reconcile() == {"i": pytest.approx(-1), "late": pytest.approx(1)}
    assert loop.value() == pytest.approx(2)
    assert loop.value("usage_exporter_reconciliation_missing_hours") == pytest.approx(1)
    assert loop.value("usage_exporter_reconciliation_vanished_hours") == pytest.approx(1)


class Ticks(Event):
    """An event that is set after a number of waits and records their timeouts."""

    def __init__(self, loop, count, hours=0.5):
        super().__init__()
        self.loop, self.count, self.hours, self.waits = loop, count, hours, []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        self.loop.clock.now += self.hours * HOUR
        if len(self.waits) == self.count:
            self.set()
        return self.is_set()


def test_the_loop_backs_off_after_errors(loop):
    loop.site.error = UsageError("down", reason="nova")
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


def test_the_first_success_and_each_recovery_are_logged(loop, caplog):
    caplog.set_level(logging.INFO)
    loop.updater.run(Ticks(loop, 3), interval=30)
    loop.site.error = UsageError("down", reason="nova")
    loop.updater.run(Ticks(loop, 2), interval=30)
    loop.site.error = None
    loop.updater.run(Ticks(loop, 2), interval=30)
    assert [
        record.getMessage().split(" in ")[0] for record in caplog.records if record.levelname == "INFO"
    ] == ["connected: servers were read"] * 2


def test_the_loop_survives_unexpected_errors(loop):
    loop.site.error = ZeroDivisionError("a defect")
    ticks = Ticks(loop, 1)
    loop.updater.run(ticks, interval=30)
    assert loop.exposition.health.failures == {"unexpected": 1}


def test_the_loop_reconciles_once_a_day(loop):
    loop.updater.run(Ticks(loop, 60), interval=1800)
    whole = [end - start for start, end in loop.site.windows if start == START and end - start > HOUR]
    assert whole == [24 * HOUR]


def test_a_failed_reconciliation_is_tried_again_a_day_later_and_fails_no_update(loop, caplog):
    observe = loop.site.observe
    whole = []

    def fail_for_the_whole_history(start, end):
        if start == START and end - start > HOUR:
            whole.append(end)
            raise UsageError("down", reason="nova")
        return observe(start, end)

    loop.site.observe = fail_for_the_whole_history
    loop.updater.run(Ticks(loop, 100), interval=1800)
    assert [(end - START) / HOUR for end in whole] == [24, 48]
    assert not loop.exposition.health.failures
    assert [record.getMessage() for record in caplog.records] == [
        "reconciliation failed, and is tried again in a day: down"
    ] * 2


def test_servers_that_are_listed_twice_are_reported(loop, caplog):
    loop.site.duplicates = ["i"]
    loop.after(1)
    loop.after(1)
    assert loop.value("usage_exporter_duplicate_servers") == 1
    assert [record.getMessage() for record in caplog.records] == [
        "1 servers are listed more than once, and each is counted once: i"
    ]
    loop.site.duplicates = []
    loop.after(1)
    assert loop.value("usage_exporter_duplicate_servers") == 0


class ChargingLoop(Loop):
    """An updater that charges usage to credits."""

    def start(self):
        self.grants = self.path.parent / FILE
        self.options["credit_ledger"] = CreditLedger(self.path.parent)
        super().start()

    def close(self):
        super().close()
        self.options["credit_ledger"].close()


@pytest.fixture
def charging(tmp_path):
    created = ChargingLoop(tmp_path / "ledger.sqlite")
    yield created
    created.close()


def grant(loop, hours, until=None):
    values = {"project_id": "p", "resource": "vcpu", "hours": hours, "until": until, "by": "ada", "why": "x"}
    append_grant(loop.grants, now=loop.clock.now, **values)


def test_usage_is_charged_once_also_when_the_ledger_fails_or_starts_again(charging, monkeypatch):
    charging.after(100)
    grant(charging, 20)
    charging.after(1)
    assert charging.value("usage_exporter_credits_left_hours") == pytest.approx(18)
    with monkeypatch.context() as patched:
        patched.setattr(
            charging.ledger, "add", lambda *_: (_ for _ in ()).throw(UsageError("full", reason="ledger"))
        )
        with pytest.raises(UsageError, match="full"):
            charging.after(1)
    charging.after(1)
    assert charging.value("usage_exporter_credits_left_hours") == pytest.approx(14)
    assert charging.value() == pytest.approx(206)
    charging.close()
    charging.path = charging.path.with_name("other.sqlite")  # as for another start date
    charging.start()
    charging.after(0)
    charging.after(1)
    assert charging.value("usage_exporter_credits_used_hours") == pytest.approx(8)
    assert charging.value() == pytest.approx(208)


def test_usage_before_a_later_start_date_is_charged(charging):
    charging.after(1)
    grant(charging, 20)
    charging.after(1)
    charging.close()
    charging.clock.now += HOUR
    grant(charging, 20)
    # The exporter is down for three hours. Its new start date is the end of the second one.
    charging.path = charging.path.with_name("later.sqlite")
    charging.first = START + 4 * HOUR
    charging.start()
    charging.after(2)
    assert charging.site.windows[2:] == [
        (START + hour * HOUR, START + (hour + 1) * HOUR) for hour in (2, 3, 4)
    ]
    assert charging.value() == pytest.approx(2)
    assert charging.value("usage_exporter_credits_used_hours") == pytest.approx(2 * 4)
    assert charging.value("usage_exporter_credits_left_hours") == pytest.approx(40 - 2 * 4)


def test_an_outage_is_charged_to_the_grants_that_were_valid_during_it(charging):
    day = 24 * HOUR
    charging.after(24)
    grant(charging, 1000.0, until=START + 2 * day)
    charging.after(12)
    charging.clock.now = START + 4 * day - 60
    grant(charging, 1000.0)
    charging.clock.now = START + 4 * day
    charging.updater.update()
    assert charging.site.windows[2:] == [
        (START + 1.5 * day, START + 2 * day),
        (START + 2 * day, START + 4 * day - 60),
        (START + 4 * day - 60, START + 4 * day),
    ]
    assert charging.value() == pytest.approx(4 * 48)
    # The first grant paid a day. Until the second grant, two days were not covered.
    assert charging.value("usage_exporter_credits_left_hours") == pytest.approx(1000 - 2 * 48)
    assert charging.value("usage_exporter_credits_used_hours") == pytest.approx(3 * 48)
    assert charging.value("usage_exporter_counted_until_timestamp_seconds") == START + 4 * day


def test_a_failure_between_two_windows_loses_and_repeats_nothing(charging):
    charging.after(1)
    grant(charging, 20)
    charging.clock.now += HOUR
    grant(charging, 20)
    observe = charging.site.observe

    def fail_later(start, end):
        if start > START + HOUR:
            raise UsageError("down", reason="nova")
        return observe(start, end)

    charging.site.observe = fail_later
    with pytest.raises(UsageError, match="down"):
        charging.after(1)
    assert charging.value() == pytest.approx(4)
    charging.site.observe = observe
    charging.after(1)
    assert charging.value() == pytest.approx(8)
    assert charging.value("usage_exporter_credits_used_hours") == pytest.approx(6)


CREDITS = ("usage_exporter_credits_used_hours", "usage_exporter_credits_left_hours")


def test_credits_that_are_restored_from_an_older_backup(charging, caplog):
    database = charging.path.with_name("credits.sqlite")
    charging.after(1)
    grant(charging, 10, until=START + 4 * HOUR)
    charging.after(1)
    backup = database.read_bytes()
    charging.after(1)
    grant(charging, 20)
    charging.after(2)
    expected = [charging.value(name) for name in CREDITS]
    assert expected == pytest.approx([8, 18])  # three hours were charged to the first grant, then one
    charging.close()
    database.write_bytes(backup)
    charging.start()
    charging.updater.publish_ledger()
    assert charging.value() == pytest.approx(10)
    assert [charging.value(name) for name in CREDITS] == [None, None]  # not yesterday's
    charging.after(0)
    assert [charging.value(name) for name in CREDITS] == pytest.approx(expected)
    assert charging.value() == pytest.approx(10)
    assert "charging the usage from 1970-01-12T15:46:40Z to 1970-01-12T18:46:40Z" in caplog.text


@pytest.mark.parametrize("seed", range(10))
def test_backups_of_any_age_charge_and_count_everything_once(charging, seed):
    chance = random.Random(seed)
    files = [charging.path, charging.path.with_name("credits.sqlite")]
    contents = [dict.fromkeys(files, b"")]  # for SQLite, an empty file is a new database
    charging.after(chance.random())
    granted = charging.clock.now
    grant(charging, 1000)
    for _ in range(30):
        charging.after(chance.random())
        if chance.random() < 0.5:
            charging.close()
            contents.append({file: file.read_bytes() for file in files})
            for file in files:
                if chance.random() < 0.5:
                    file.write_bytes(chance.choice(contents)[file])
            charging.start()
    charging.after(1)
    used = 2 * (charging.clock.now - granted) / HOUR
    assert [charging.value(name) for name in CREDITS] == pytest.approx([used, 1000 - used])
    assert charging.value() == pytest.approx(2 * (charging.clock.now - START) / HOUR)

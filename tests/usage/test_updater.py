"""What an updater counts and publishes."""

import pytest
from tests.fakes.usage_site import HOUR, PROJECT, START
from tests.usage.updating import Loop, loader, weights

from chrysaetos.usage.records import UsageError


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


@pytest.mark.parametrize("ledger", [True, False])
def test_the_updater_waits_until_the_start_date(tmp_path, ledger):
    loop = Loop(tmp_path / "ledger.sqlite" if ledger else None)
    with pytest.raises(UsageError, match=r"the start date 1970-.*Z is in the future: waiting"):
        loop.after(-1)
    loop.after(3)
    loop.close()
    assert loop.value() is not None


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


def test_weights_are_refreshed_periodically_and_kept_after_an_error(tmp_path):
    results = [weights(2), UsageError("down", reason="weights"), weights(3)]
    loop = Loop(tmp_path / "ledger.sqlite", weights=loader(results), weights_every=2)
    seen = []
    for _ in range(4):
        loop.after(1)
        seen.append((len(results), loop.value()))
    assert seen == [(2, 4), (2, 8), (1, 12), (0, 24)]
    loop.close()


def test_reconciliation_reports_differences_and_changes_nothing(loop):
    loop.after(1)
    loop.site.servers = {"late": (START, None)}
    assert loop.updater.reconcile() == {"i": pytest.approx(-1), "late": pytest.approx(1)}
    assert loop.value() == pytest.approx(2)
    assert loop.value("usage_exporter_reconciliation_missing_hours") == pytest.approx(1)
    assert loop.value("usage_exporter_reconciliation_vanished_hours") == pytest.approx(1)


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

"""How an updater charges usage to credits."""

import random

import pytest
from tests.fakes.usage_site import HOUR, START
from tests.usage.updating import Ticks, grant, loader, weights

from chrysaetos.usage.records import UsageError


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

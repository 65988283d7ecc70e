"""The update loop: when it tries again after errors, and what it logs."""

import logging

from tests.fakes.usage_site import HOUR, START
from tests.usage.updating import Ticks

from chrysaetos.usage.records import UsageError


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

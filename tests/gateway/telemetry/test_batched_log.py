"""Lines that are passed on in batches: their order and time."""

import asyncio
import io
import logging

import pytest

from chrysaetos.gateway.telemetry import batched_log
from chrysaetos.gateway.telemetry.batched_log import BatchedLog
from chrysaetos.queued_log import QueuedHandler


class Recorder(logging.Handler):
    def __init__(self, level=logging.NOTSET):
        super().__init__(level)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def logger_with(*handlers, level=logging.INFO):
    logger = logging.Logger("lines", level)  # noqa: LOG001  # so that it is independent of other tests
    for handler in handlers:
        logger.addHandler(handler)
    return logger


def started(*handlers):
    log = BatchedLog(logger_with(*handlers))
    log.start()
    return log


class Batches(QueuedHandler):
    """Records the batches that it gets."""

    def __init__(self):
        super().__init__(logging.StreamHandler(io.StringIO()), "test")
        self.batches = []

    def handle_lines(self, record, lines):
        self.batches.append(lines)


def test_line_is_passed_on_at_once_before_start():
    recorder = Recorder()
    log = BatchedLog(logger_with(recorder))
    log.write("a")
    log.write("b %s")
    assert recorder.messages == ["a", "b %s"]


async def test_lines_are_passed_on_together_in_order(monkeypatch):
    monkeypatch.setattr(batched_log, "_SECONDS", 0.01)
    batches, recorder = Batches(), Recorder()
    log = started(batches, recorder)
    for line in ("a", "b", "c"):
        log.write(line)
    assert batches.batches == []
    async with asyncio.timeout(5):
        while not batches.batches:  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.005)
    log.write("d")
    log.close()
    log.write("e")
    assert batches.batches == [["a", "b", "c"], ["d"], ["e"]]
    assert recorder.messages == ["a", "b", "c", "d", "e"]


async def test_lines_over_the_size_limit_do_not_wait(monkeypatch):
    monkeypatch.setattr(batched_log, "_MAX_BYTES", 10)
    batches = Batches()
    log = started(batches)
    log.write("123456789")
    assert batches.batches == []
    log.write("0")
    assert batches.batches == [["123456789", "0"]]
    log.close()


@pytest.mark.parametrize("propagate", [True, False])
def test_lines_reach_the_same_handlers_as_records(propagate):
    above, here, deaf = Recorder(), Recorder(), Recorder(logging.WARNING)
    parent = logger_with(above)
    child = logger_with(here, deaf, level=logging.NOTSET)
    child.parent, child.propagate = parent, propagate
    BatchedLog(child).write("a")
    assert here.messages == ["a"]
    assert above.messages == (["a"] if propagate else [])
    assert deaf.messages == []


def test_filtered_lines_are_not_written():
    recorder = Recorder()
    logger = logger_with(recorder)
    logger.addFilter(lambda record: "no" not in record.getMessage())
    log = BatchedLog(logger)
    log.write("no")
    log.write("yes")
    assert recorder.messages == ["yes"]


@pytest.mark.parametrize(("level", "enabled"), [(logging.INFO, True), (logging.WARNING, False)])
def test_enabled(level, enabled):
    assert BatchedLog(logger_with(level=level)).enabled is enabled

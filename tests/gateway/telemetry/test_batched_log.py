"""Lines that are written in batches: their content, order and time."""

import asyncio
import io
import json
import logging
import logging.handlers
import os
import select

import pytest
from oslo_log.formatters import JSONFormatter

from chrysaetos.gateway.telemetry import batched_log
from chrysaetos.gateway.telemetry.batched_log import BatchedLog


class Stream(io.StringIO):
    """Records each write."""

    def __init__(self):
        super().__init__()
        self.writes = []

    def write(self, text):
        self.writes.append(text)
        return super().write(text)


class Recorder(logging.Handler):
    def __init__(self, level=logging.NOTSET):
        super().__init__(level)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


class Broken(logging.Handler):
    def __init__(self):
        super().__init__()
        self.failed = 0

    def emit(self, record):  # noqa: ARG002
        raise OSError("no room")

    def handleError(self, record):  # noqa: ARG002, N802
        self.failed += 1


def to_stream(stream, form="[%(levelname)s %(name)s] %(message)s <"):
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(form))
    return handler


def logger_with(*handlers, level=logging.INFO):
    logger = logging.Logger("lines", level)  # noqa: LOG001 - so that it is independent of other tests
    for handler in handlers:
        logger.addHandler(handler)
    return logger


def started(*handlers):
    log = BatchedLog(logger_with(*handlers))
    log.start()
    return log


def test_line_is_written_at_once_before_start():
    stream = Stream()
    log = BatchedLog(logger_with(to_stream(stream)))
    log.write("a")
    log.write("b")
    assert stream.writes == ["[INFO lines] a <\n", "[INFO lines] b <\n"]


async def test_lines_are_written_together_in_order(monkeypatch):
    monkeypatch.setattr(batched_log, "_SECONDS", 0.01)
    stream = Stream()
    log = started(to_stream(stream))
    for line in ("a", "b", "c"):
        log.write(line)
    assert stream.writes == []
    async with asyncio.timeout(5):
        while not stream.writes:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)
    log.write("d")
    log.close()
    assert stream.writes == [
        "[INFO lines] a <\n[INFO lines] b <\n[INFO lines] c <\n",
        "[INFO lines] d <\n",
    ]


async def test_close_writes_waiting_lines_and_later_ones_at_once():
    stream = Stream()
    log = started(to_stream(stream))
    log.write("a")
    log.close()
    log.write("b")
    assert stream.getvalue() == "[INFO lines] a <\n[INFO lines] b <\n"


async def test_lines_over_the_size_limit_do_not_wait(monkeypatch):
    monkeypatch.setattr(batched_log, "_MAX_BYTES", 10)
    stream = Stream()
    log = started(to_stream(stream, "%(message)s"))
    log.write("123456789")
    assert stream.writes == []
    log.write("0")
    assert stream.writes == ["123456789\n0\n"]
    log.close()


async def test_handler_without_a_stream_gets_a_record_for_each_line():
    recorder = Recorder()
    log = started(recorder)
    log.write("a")
    log.write("b %s")
    log.close()
    assert recorder.messages == ["a", "b %s"]


async def test_formatter_that_escapes_gets_a_record_for_each_line():
    stream = Stream()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    log = started(handler)
    log.write('a="1"')
    log.write('a="2"')
    log.close()
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ['a="1"', 'a="2"']


async def test_writes_to_a_pipe_are_atomic():
    read, write = os.pipe()
    with os.fdopen(read) as reader, os.fdopen(write, "w") as writer:
        sizes: list[int] = []
        handler = to_stream(writer)

        def note_size(record):
            sizes.append(len(handler.format(record)) + 1)
            return True

        handler.addFilter(note_size)
        log = started(handler)
        lines = [f"{number:0800}" for number in range(12)]
        for line in lines:
            log.write(line)
        log.close()
        writer.close()
        assert reader.read().splitlines() == [f"[INFO lines] {line} <" for line in lines]
    assert max(sizes) <= select.PIPE_BUF
    assert len(sizes) == 3


async def test_file_gets_all_lines_at_once_and_can_be_rotated(tmp_path):
    path = tmp_path / "log"
    handler = logging.handlers.WatchedFileHandler(path)
    log = started(handler)
    lines = [f"{number:0800}" for number in range(12)]
    for line in lines:
        log.write(line)
    path.rename(tmp_path / "log.1")
    log.close()
    handler.close()
    assert path.read_text().splitlines() == lines
    assert (tmp_path / "log.1").read_text() == ""


async def test_failing_handler_does_not_affect_others():
    broken, recorder = Broken(), Recorder()
    log = started(broken, recorder)
    log.write("a")
    log.write("b")
    log.close()
    assert broken.failed == 2
    assert recorder.messages == ["a", "b"]


async def test_unwritable_file_is_reported_and_not_raised(tmp_path, capsys):
    folder = tmp_path / "folder"
    folder.mkdir()
    handler = logging.handlers.WatchedFileHandler(folder / "log")
    log = started(handler)
    log.write("kept elsewhere")
    (folder / "log").unlink()
    folder.rmdir()
    log.close()
    assert "kept elsewhere" in capsys.readouterr().err


def test_failing_formatter_is_reported_and_not_raised(capsys):
    log = BatchedLog(logger_with(to_stream(Stream(), "%(nothing)s")))
    log.write("a")
    assert "nothing" in capsys.readouterr().err


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

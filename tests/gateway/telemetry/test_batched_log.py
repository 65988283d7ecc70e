"""Lines that are written together: what arrives, in which order, and when."""

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
from chrysaetos.gateway.telemetry.batched_log import LineLog


class Stream(io.StringIO):
    """Remembers each write."""

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
    logger = logging.Logger("lines", level)  # noqa: LOG001 - so that no other test meets it
    for handler in handlers:
        logger.addHandler(handler)
    return logger


def started(*handlers):
    log = LineLog(logger_with(*handlers))
    log.start()
    return log


def test_a_line_is_written_at_once_before_the_start():
    stream = Stream()
    log = LineLog(logger_with(to_stream(stream)))
    log.write("a")
    log.write("b")
    assert stream.writes == ["[INFO lines] a <\n", "[INFO lines] b <\n"]


async def test_lines_wait_and_go_together_in_their_order(monkeypatch):
    monkeypatch.setattr(batched_log, "_SECONDS", 0.01)
    stream = Stream()
    log = started(to_stream(stream))
    for line in ("a", "b", "c"):
        log.write(line)
    assert stream.writes == []
    async with asyncio.timeout(5):
        while not stream.writes:  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)
    log.write("d")
    log.close()
    assert stream.writes == [
        "[INFO lines] a <\n[INFO lines] b <\n[INFO lines] c <\n",
        "[INFO lines] d <\n",
    ]


async def test_the_end_writes_what_waits_and_lets_nothing_wait_any_more():
    stream = Stream()
    log = started(to_stream(stream))
    log.write("a")
    log.close()
    log.write("b")
    assert stream.getvalue() == "[INFO lines] a <\n[INFO lines] b <\n"


async def test_many_bytes_do_not_wait(monkeypatch):
    monkeypatch.setattr(batched_log, "_MOST_BYTES", 10)
    stream = Stream()
    log = started(to_stream(stream, "%(message)s"))
    log.write("123456789")
    assert stream.writes == []
    log.write("0")
    assert stream.writes == ["123456789\n0\n"]
    log.close()


async def test_a_handler_without_a_stream_gets_a_record_for_each_line():
    recorder = Recorder()
    log = started(recorder)
    log.write("a")
    log.write("b %s")
    log.close()
    assert recorder.messages == ["a", "b %s"]


async def test_a_format_that_escapes_gets_a_record_for_each_line():
    stream = Stream()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    log = started(handler)
    log.write('a="1"')
    log.write('a="2"')
    log.close()
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ['a="1"', 'a="2"']


async def test_what_stays_together_in_a_pipe_is_not_exceeded():
    read, write = os.pipe()
    with os.fdopen(read) as reader, os.fdopen(write, "w") as writer:
        sizes = []
        handler = to_stream(writer)
        handler.addFilter(lambda record: sizes.append(len(handler.format(record)) + 1) or True)
        log = started(handler)
        lines = [f"{number:0800}" for number in range(12)]
        for line in lines:
            log.write(line)
        log.close()
        writer.close()
        assert reader.read().splitlines() == [f"[INFO lines] {line} <" for line in lines]
    assert max(sizes) <= select.PIPE_BUF
    assert len(sizes) == 3


async def test_a_file_takes_all_at_once_and_may_be_rotated(tmp_path):
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


async def test_a_log_that_cannot_be_written_takes_nothing_from_others():
    broken, recorder = Broken(), Recorder()
    log = started(broken, recorder)
    log.write("a")
    log.write("b")
    log.close()
    assert broken.failed == 2
    assert recorder.messages == ["a", "b"]


async def test_a_file_that_has_become_unwritable_is_told_and_not_raised(tmp_path, capsys):
    folder = tmp_path / "folder"
    folder.mkdir()
    handler = logging.handlers.WatchedFileHandler(folder / "log")
    log = started(handler)
    log.write("kept elsewhere")
    (folder / "log").unlink()
    folder.rmdir()
    log.close()
    assert "kept elsewhere" in capsys.readouterr().err


def test_a_format_that_fails_is_told_and_not_raised(capsys):
    log = LineLog(logger_with(to_stream(Stream(), "%(nothing)s")))
    log.write("a")
    assert "nothing" in capsys.readouterr().err


@pytest.mark.parametrize("propagate", [True, False])
def test_lines_go_where_the_logger_sends_its_records(propagate):
    above, here, deaf = Recorder(), Recorder(), Recorder(logging.WARNING)
    parent = logger_with(above)
    child = logger_with(here, deaf, level=logging.NOTSET)
    child.parent, child.propagate = parent, propagate
    LineLog(child).write("a")
    assert here.messages == ["a"]
    assert above.messages == (["a"] if propagate else [])
    assert deaf.messages == []


def test_what_the_logger_filters_is_not_written():
    recorder = Recorder()
    logger = logger_with(recorder)
    logger.addFilter(lambda record: "no" not in record.getMessage())
    log = LineLog(logger)
    log.write("no")
    log.write("yes")
    assert recorder.messages == ["yes"]


@pytest.mark.parametrize(("level", "enabled"), [(logging.INFO, True), (logging.WARNING, False)])
def test_it_says_whether_lines_are_wanted(level, enabled):
    assert LineLog(logger_with(level=level)).enabled is enabled

"""The log's threads: what they write, what is lost, and that nothing waits for them."""

import errno
import io
import json
import logging
import logging.handlers
import os
import select
import threading
import time
from contextlib import contextmanager

import pytest
from oslo_log.formatters import JSONFormatter

from chrysaetos import queued_log
from chrysaetos.queued_log import QueuedHandler, drop_while_blocked, lost_lines, queue_handlers


class Recorder(logging.Handler):
    def __init__(self, level=logging.NOTSET):
        super().__init__(level)
        self.records = []

    def emit(self, record):
        self.records.append(record)

    @property
    def messages(self):
        return [record.getMessage() for record in self.records]


class Broken(logging.Handler):
    """Fails in both ways that handlers have."""

    def emit(self, record):
        if record.getMessage() == "raised":
            raise OSError("no room")
        try:
            os.close(-1)
        except OSError:
            self.handleError(record)


def a_record(message, *arguments, **attributes):
    record = logging.LogRecord("lines", logging.INFO, __file__, 0, message, arguments, None)
    vars(record).update(attributes)
    return record


@contextmanager
def queued(target, name="test"):
    handler = QueuedHandler(target, name)
    try:
        yield handler
    finally:
        handler.flush()
        handler.close()
        target.close()


@contextmanager
def to_pipe(form="[%(levelname)s %(name)s] %(message)s <"):
    read, write = os.pipe()
    with os.fdopen(read) as reader, os.fdopen(write, "w") as writer:
        target = logging.StreamHandler(writer)
        target.setFormatter(logging.Formatter(form))
        with queued(target) as handler:
            yield handler, reader


def to_file(path, form="%(message)s"):
    target = logging.handlers.WatchedFileHandler(path)
    target.setFormatter(logging.Formatter(form))
    return queued(target)


@contextmanager
def root_with(*handlers):
    """Give the root logger handlers for a time."""
    root = logging.getLogger()
    before, root.handlers = root.handlers, list(handlers)
    try:
        yield root
    finally:
        for handler in root.handlers:
            if isinstance(handler, QueuedHandler):
                handler.close()
        root.handlers = before


class Disk:
    """Replaces ``os.write``: a disk with room for a number of bytes."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, descriptor, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written


def test_records_and_lines_are_written_in_order():
    with to_pipe() as (handler, reader):
        handler.handle(a_record("one %s", [1]))
        handler.handle_lines(a_record("a"), ["a", "b %s"])
        handler.flush()
        assert [reader.readline() for _ in range(3)] == [
            "[INFO lines] one [1] <\n", "[INFO lines] a <\n", "[INFO lines] b %s <\n",
        ]  # fmt: skip


def test_arguments_that_can_change_are_formatted_at_once():
    recorder = Recorder()
    with queued(recorder) as handler:
        changing = ["before"]
        record = a_record("%s", changing)
        handler.handle(record)
        changing[0] = "after"
        handler.handle(a_record("%s %d", "x", 1))
        handler.flush()
    assert recorder.messages == ["['before']", "x 1"]
    assert recorder.records[1].args == ("x", 1)  # as a formatter for JSON shows them


def test_other_handlers_and_escaping_formatters_get_a_record_for_each_line(tmp_path):
    recorder = Recorder()
    with queued(recorder) as handler:
        handler.handle_lines(a_record("a"), ["a", "b %s"])
    assert recorder.messages == ["a", "b %s"]
    with to_file(tmp_path / "log") as handler:
        handler.target.setFormatter(JSONFormatter())
        handler.handle_lines(a_record("a"), ['a="1"', 'a="2"'])
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["message"] for line in lines] == ['a="1"', 'a="2"']


def test_writes_to_a_pipe_are_atomic(monkeypatch):
    sizes = []
    write = os.write

    def note_size(descriptor, data):
        sizes.append(len(data))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", note_size)
    with to_pipe() as (handler, reader):
        lines = [f"{number:0800}" for number in range(12)]
        handler.handle_lines(a_record("a"), lines)
        handler.flush()
        assert [reader.readline() for _ in lines] == [f"[INFO lines] {line} <\n" for line in lines]
    assert max(sizes) <= select.PIPE_BUF
    assert len(sizes) == 3


def test_file_is_written_at_once_and_reopened_after_rotation(tmp_path):
    path = tmp_path / "log"
    lines = [f"{number:0800}" for number in range(12)]
    with to_file(path) as handler:
        path.rename(tmp_path / "log.1")
        handler.handle_lines(a_record("a"), lines)
    assert path.read_text().splitlines() == lines
    assert (tmp_path / "log.1").read_text() == ""


def test_blocked_log_delays_nobody_and_drops_are_reported_once(monkeypatch, caplog):
    monkeypatch.setattr(queued_log, "_MAX_BYTES", 20_000)
    monkeypatch.setattr(queued_log, "_FLUSH_SECONDS", 0.05)
    with to_pipe("%(message)s") as (handler, reader):
        os.set_blocking(handler.target.stream.fileno(), False)  # as another process may do
        started = time.monotonic()
        for _ in range(300):
            handler.handle(a_record("x" * 1000))
        handler.flush()
        assert time.monotonic() - started < 5
        assert 200 < handler.dropped < 300
        (report,) = caplog.records
        assert report.getMessage() == (
            "lines of the test log are lost: it is not written fast enough, and the queue is full"
        )
        monkeypatch.setattr(queued_log, "_FLUSH_SECONDS", 10)
        for _ in range(300 - handler.dropped):
            assert reader.readline() == "x" * 1000 + "\n"
        handler.handle(a_record("again"))
        assert reader.readline() == "again\n"
        handler.flush()
        assert handler.failed == 0
        assert handler._size == 0


def test_report_of_a_full_queue_is_in_the_log_itself(monkeypatch):
    recorder, gate = Recorder(), threading.Event()
    monkeypatch.setattr(queued_log, "_MAX_BYTES", 1200)
    emit = recorder.emit
    monkeypatch.setattr(recorder, "emit", lambda record: gate.wait(10) and emit(record))
    with queued(recorder) as handler, root_with(handler) as root:
        for number in range(4):
            root.warning("%d", number)
        gate.set()
        handler.flush()
    assert recorder.messages[:2] == ["0", "1"]
    assert recorder.messages[2].startswith("lines of the test log are lost: ")
    assert len(recorder.messages) == 3
    assert handler.dropped == 2


@pytest.mark.parametrize("room", [0, 3, 4, 10, 12])
def test_full_disk_leaves_no_incomplete_line(tmp_path, monkeypatch, caplog, room):
    path = tmp_path / "log"
    disk = Disk(monkeypatch, room)
    with to_file(path) as handler:
        handler.handle_lines(a_record("a"), ["one", "two", "three", "four"])
        handler.handle(a_record("five"))
        handler.flush()
        whole = {0: 0, 3: 0, 4: 1, 10: 2, 12: 2}[room]
        assert path.read_text() == "".join(["one\n", "two\n"][:whole])
        assert handler.failed == 5 - whole
        (report,) = caplog.records
        assert "lines of the test log are lost: [Errno 28] No space left on device" in report.getMessage()
        disk.room = 1000
        handler.handle(a_record("six"))
    assert path.read_text().splitlines() == [*["one", "two"][:whole], "six"]


def test_incomplete_line_is_ended_if_another_worker_has_appended(tmp_path, monkeypatch):
    path = tmp_path / "log"
    disk = Disk(monkeypatch, 2)
    monkeypatch.setattr(os, "ftruncate", lambda *_: pytest.fail("that would remove a line of another worker"))

    def append(descriptor, data):
        try:
            return disk(descriptor, data)
        except OSError:
            with path.open("a") as other:
                other.write("\nother\n")
            raise

    monkeypatch.setattr(os, "write", append)
    with to_file(path) as handler:
        handler.handle(a_record("one"))
        handler.flush()
        disk.room = 1000
        handler.handle(a_record("two"))
    assert path.read_text().splitlines() == ["on", "other", "", "two"]


def test_failing_handlers_are_reported_once_a_minute(caplog, capsys, monkeypatch):
    with queued(Broken()) as handler:
        handler.handle_lines(a_record("a"), ["handled", "raised"])
        handler.handle(a_record("%d", "no number"))
        handler.flush()
        assert handler.failed == 3
        assert len(caplog.records) == 1
        monkeypatch.setattr(queued_log, "_REPORT_SECONDS", 0.0)
        handler.handle(a_record("handled"))
        handler.flush()
        assert [record.getMessage() for record in caplog.records[1:]] == [
            "lines of the test log are lost: [Errno 9] Bad file descriptor"
        ]
    assert capsys.readouterr().err == ""


def test_removed_folder_is_a_failure_until_it_is_back(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with to_file(folder / "log") as handler:
        (folder / "log").unlink()
        folder.rmdir()
        handler.handle_lines(a_record("a"), ["a", "b"])
        handler.flush()
        assert handler.failed == 2
        folder.mkdir()
        handler.handle(a_record("c"))
    assert (folder / "log").read_text() == "c\n"


def test_without_a_thread_lines_are_dropped_until_one_starts(monkeypatch, caplog):
    recorder = Recorder()

    def refuse(_):
        raise RuntimeError("can't start new thread")

    with queued(recorder) as handler:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            handler.handle(a_record("a"))
            handler.handle(a_record("b"))
        assert handler.dropped == 2
        assert [record.getMessage() for record in caplog.records] == [
            "lines of the test log are lost: no thread can be started to write it: can't start new thread"
        ]
        handler.handle(a_record("c"))
    assert recorder.messages == ["c"]


def test_close_ends_the_thread():
    recorder = Recorder()
    handler = QueuedHandler(recorder, "ending")
    handler.handle(a_record("a"))
    (thread,) = (each for each in threading.enumerate() if each.name == "log-ending")
    handler.close()
    thread.join(10)
    assert not thread.is_alive()
    assert recorder.messages == ["a"]


def test_level_and_filters_are_applied_before_the_queue():
    recorder = Recorder(logging.WARNING)
    recorder.addFilter(lambda record: "no" not in record.getMessage())
    with queued(recorder) as handler, root_with(handler) as root:
        root.info("too low")
        root.warning("no")
        root.warning("yes")
        handler.handle_lines(a_record("no"), ["no"])
        handler.flush()
    assert recorder.messages == ["yes"]


def test_handlers_of_all_loggers_are_queued_except_those_in_memory():
    read, write = os.pipe()
    with os.fdopen(read), os.fdopen(write, "w") as writer:
        blocking, memory, other = (
            logging.StreamHandler(writer),
            logging.StreamHandler(io.StringIO()),
            Recorder(),
        )
        logger = logging.getLogger("chrysaetos.test_queued_log")
        logger.handlers = [blocking, other]
        with root_with(blocking, memory) as root:
            queue_handlers()
            queue_handlers()
            assert memory in root.handlers
            (of_root,) = (each for each in root.handlers if each is not memory)
            assert isinstance(of_root, QueuedHandler)
            assert of_root.target is blocking
            assert logger.handlers[0] is of_root
            assert isinstance(logger.handlers[1], QueuedHandler)
            assert logger.handlers[1].target is other
            of_root.dropped, of_root.failed = 3, 4
            assert lost_lines(root) == {"queue_full": 3, "write_failed": 4}
        logger.handlers[1].close()
        logger.handlers = []


def test_process_without_threads_drops_while_its_log_is_blocked():
    read, write = os.pipe()
    with (
        os.fdopen(read, "rb") as reader,
        os.fdopen(write, "w") as writer,
        root_with(logging.StreamHandler(writer), logging.StreamHandler(io.StringIO())) as root,
    ):
        drop_while_blocked()
        drop_while_blocked()
        assert [len(handler.filters) for handler in root.handlers] == [1, 1]
        for _ in range(200):
            root.error("x" * 1000)
        assert root.handlers[1].stream.getvalue().count("\n") == 200
        written = reader.read1(1 << 20).count(b"\n")
        assert 20 < written < 100
        root.error("again")
        assert reader.readline() == b"again\n"

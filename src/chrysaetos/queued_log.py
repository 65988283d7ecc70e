"""Write the log in separate threads, so that a log that cannot be written does not stop a server.

A write to a pipe blocks while nobody reads the pipe. A write to a socket, a terminal or a network file system
can block as well. ``queue_handlers`` therefore puts a ``QueuedHandler`` in front of each handler: it adds
records to a bounded queue, and a thread writes them. When the queue is full, records are dropped and counted.

Streams are written with ``write(2)`` instead of Python's buffers. A blocked thread therefore holds no lock
that the process needs in order to exit, and the incomplete line of a short write can be removed from a file.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import stat
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from logging.handlers import WatchedFileHandler
from queue import SimpleQueue
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["QueuedHandler", "drop_while_blocked", "handlers_of", "lost_lines", "queue_handlers"]

_LOG = logging.getLogger(__name__)

_MAX_BYTES = 4 * 1024 * 1024
"""Maximum size of a queue."""
_RECORD_BYTES = 512
"""Size of a record in addition to its message."""
_TRACEBACK_BYTES = 64 * 1024
"""Assumed size of a traceback, which refers to local variables."""
_FLUSH_SECONDS = 2.0
"""Maximum time to write the queue when the process exits."""
_REPORT_SECONDS = 60.0
"""Minimum time between two reports of lost lines."""
_FILE_BYTES = 128 * 1024
"""Bytes that are written to a file at once."""

_PLACEHOLDER = '<"lines">'
"""Placeholder for the lines while a record is formatted. It has quotes, so that escaping changes it."""

_ALWAYS_QUEUED = {"always_queued": True}
"""Marks the report that the queue is full. It is queued nevertheless."""


class QueuedHandler(logging.Handler):
    """Passes records to another handler in a thread, which is started for the first record.

    Args:
        target: the handler. Its level and filters are applied before the queue.
        name: the name of the log in reports of lost lines.

    Attributes:
        target: the handler.
        dropped: lines that were dropped because the queue was full.
        failed: lines that could not be written.
    """

    def __init__(self, target: logging.Handler, name: str) -> None:
        super().__init__(target.level)
        self.filters = target.filters
        self.target = target
        self.dropped = 0
        self.failed = 0
        self._log_name = name
        self._queue: SimpleQueue[tuple[logging.LogRecord, Sequence[str], int] | Event | None] = SimpleQueue()
        self._guard = RLock()  # a signal's handler can log while the same thread adds a record
        self._size = 0
        self._full = False
        self._thread: Thread | None = None
        self._torn = False
        self._reported = -_REPORT_SECONDS
        # The handler's own method writes a traceback to stderr for each record.
        target.handleError = self._on_error  # type: ignore[method-assign]

    def handle(self, record: logging.LogRecord) -> bool:
        """Add a record to the queue if the filters accept it.

        No lock is held meanwhile: the report of a full queue goes to all handlers, and two handlers that
        report at the same time would wait for each other.
        """
        accepted = bool(self.filter(record))
        if accepted:
            self.emit(record)
        return accepted

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record to the queue."""
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001  # as any handler: an error of the log is not the caller's
            self._fail(1, error)
            return
        arguments = record.args.values() if isinstance(record.args, dict) else record.args or ()
        if not all(isinstance(each, str | int | float | None) for each in arguments):
            record.msg, record.args = message, None  # arguments may change before the record is written
        size = _RECORD_BYTES + len(message) + (_TRACEBACK_BYTES if record.exc_info else 0)
        self._put(record, (), size)

    def handle_lines(self, record: logging.LogRecord, lines: Sequence[str]) -> None:
        """Add lines to the queue, to be written together.

        Args:
            record: a record with the first line, which the filters get.
            lines: the messages, printable ASCII without line breaks.
        """
        if self.filter(record):
            self._put(record, lines, _RECORD_BYTES + sum(map(len, lines)))

    def flush(self) -> None:
        """Wait until the queue is written, for a limited time."""
        if self._thread is not None:
            done = Event()
            self._queue.put(done)
            done.wait(_FLUSH_SECONDS)

    def close(self) -> None:
        """Stop the thread once it has written the queue."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread = None
        super().close()

    def _put(self, record: logging.LogRecord, lines: Sequence[str], size: int) -> None:
        with self._guard:
            reason = self._reason_to_drop(size, always=hasattr(record, "always_queued"))
            if reason is None:
                self._size += size
                self._queue.put((record, lines, size))
                return
            self.dropped += len(lines) or 1
            report, self._full = not self._full and self._may_report(), True
        if report:
            _LOG.error("lines of the %s log are lost: %s", self._log_name, reason, extra=_ALWAYS_QUEUED)

    def _reason_to_drop(self, size: int, *, always: bool) -> str | None:
        """Return why a record cannot be queued; None if it can, and the thread runs."""
        if self._size + size > _MAX_BYTES and not always:
            return "it is not written fast enough, and the queue is full"
        if self._thread is None:
            thread = Thread(target=self._run, name=f"log-{self._log_name}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                return f"no thread can be started to write it: {error}"
            self._thread = thread
        return None

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, Event):
                item.set()
                continue
            record, lines, size = item
            try:
                self._write(record, lines)
            except Exception as error:  # noqa: BLE001  # the thread has to write the next record
                self._fail(len(lines) or 1, error)
            with self._guard:
                self._size -= size
                self._full = self._full and self._size > _MAX_BYTES // 2

    def _write(self, record: logging.LogRecord, lines: Sequence[str]) -> None:
        stream = _stream_of(self.target)
        if stream is None:
            for each in _records(record, lines):
                try:
                    self.target.emit(each)
                except Exception as error:  # noqa: BLE001  # the other lines have to be written
                    self._fail(1, error)
            return
        descriptor, encoding = stream.fileno(), getattr(stream, "encoding", None) or "utf-8"
        limit = _atomic_bytes(descriptor)
        end = getattr(self.target, "terminator", "\n")
        texts = [
            f"{text}{end}".encode(encoding, "backslashreplace") for text in _texts(self.target, record, lines)
        ]
        first = size = 0
        for index, text in enumerate([*texts, b""]):
            if index == len(texts) or (size and size + len(text) > limit):
                written, failure = self._append(descriptor, b"".join(texts[first:index]))
                if failure is not None:
                    whole = written.count(b"\n") if lines else 0
                    self._fail(len(texts) - first - whole, failure)
                    return
                first, size = index, 0
            size += len(text)

    def _append(self, descriptor: int, data: bytes) -> tuple[bytes, OSError | None]:
        """Write lines, and leave no incomplete line if that fails.

        Returns:
            What was written, and the error.
        """
        if self._torn:
            data = b"\n" + data
        written = 0
        with _locked(descriptor) as before:
            try:
                while written < len(data):
                    try:
                        written += os.write(descriptor, data[written:])
                    except BlockingIOError:  # another process made the pipe non-blocking
                        _poll_writable(descriptor, None)
            except OSError as error:
                if written:
                    self._torn = not _remove_torn_line(descriptor, before, data[:written])
                return data[:written], error
        self._torn = False
        return data, None

    def _on_error(self, record: logging.LogRecord) -> None:  # noqa: ARG002  # the signature of handleError
        self._fail(1, sys.exc_info()[1])

    def _fail(self, lines: int, error: BaseException | None) -> None:
        with self._guard:
            self.failed += lines
            report = self._may_report()
        if report:
            _LOG.error("lines of the %s log are lost: %s", self._log_name, error)

    def _may_report(self) -> bool:
        now = time.monotonic()
        if now - self._reported < _REPORT_SECONDS:
            return False
        self._reported = now
        return True


def queue_handlers() -> None:
    """Put a ``QueuedHandler`` in front of each handler of all loggers. Call it after each change of handlers.

    Handlers with a stream in memory cannot block and are left alone.
    """
    queued: dict[logging.Handler, QueuedHandler] = {}
    for logger in (logging.getLogger(), *logging.getLogger().manager.loggerDict.values()):
        if not isinstance(logger, logging.Logger):
            continue
        for handler in tuple(logger.handlers):
            if isinstance(handler, QueuedHandler) or not _can_block(handler):
                continue
            if handler not in queued:
                queued[handler] = QueuedHandler(handler, "process" if logger.name == "root" else logger.name)
            logger.removeHandler(handler)
            logger.addHandler(queued[handler])


def drop_while_blocked() -> None:
    """Let the process's handlers drop records while a write would block.

    For a process that forks, and therefore must not have threads. Call it after each change of handlers.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(_WhileWritable(handler))


def handlers_of(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Yield the handlers that get the logger's records."""
    current: logging.Logger | None = logger
    while current is not None:
        yield from current.handlers
        current = current.parent if current.propagate else None


def lost_lines(logger: logging.Logger) -> dict[str, int]:
    """Return the number of lines that a logger's own handlers have lost, by reason."""
    queued = [handler for handler in logger.handlers if isinstance(handler, QueuedHandler)]
    return {
        "queue_full": sum(handler.dropped for handler in queued),
        "write_failed": sum(handler.failed for handler in queued),
    }


def _can_block(handler: logging.Handler) -> bool:
    if isinstance(handler, logging.NullHandler):
        return False
    stream = getattr(handler, "stream", None)
    return stream is None or _descriptor(stream) is not None


@dataclass(frozen=True)
class _WhileWritable:
    """Accepts records while a handler's stream or socket accepts ``PIPE_BUF`` bytes without blocking."""

    handler: logging.Handler

    def filter(self, _: logging.LogRecord) -> bool:
        descriptor = _descriptor(
            getattr(self.handler, "stream", None) or getattr(self.handler, "socket", None)
        )
        return descriptor is None or _poll_writable(descriptor, 0)


def _poll_writable(descriptor: int, milliseconds: int | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(milliseconds))


def _descriptor(stream: Any) -> int | None:
    """Return the file descriptor of a stream; None if it has none."""
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):  # not a file, or closed
        return None


def _stream_of(handler: logging.Handler) -> Any:
    """Return the file that a handler writes to, reopened if it was rotated; None if that is not all it does.

    Raises:
        OSError: the file cannot be opened.
    """
    if not isinstance(handler, logging.StreamHandler) or type(handler).emit not in {
        logging.StreamHandler.emit,
        logging.FileHandler.emit,
        WatchedFileHandler.emit,
    }:
        return None
    if isinstance(handler, WatchedFileHandler):
        handler.reopenIfNeeded()
    if isinstance(handler, logging.FileHandler) and handler.stream is None:
        handler.stream = handler._open()  # noqa: SLF001  # as FileHandler.emit does
    return None if _descriptor(handler.stream) is None else handler.stream


def _records(record: logging.LogRecord, lines: Sequence[str]) -> Iterator[logging.LogRecord]:
    """Yield a record for each line; the record itself if there are no lines."""
    if not lines:
        yield record
    for line in lines:
        yield logging.makeLogRecord({**vars(record), "msg": line})


def _texts(handler: logging.Handler, record: logging.LogRecord, lines: Sequence[str]) -> list[str]:
    """Return formatted lines. A formatter that does not change the line itself is called only once."""
    if lines:
        (placeholder,) = _records(record, (_PLACEHOLDER,))
        before, found, after = handler.format(placeholder).partition(_PLACEHOLDER)
        if found:
            return [f"{before}{line}{after}" for line in lines]
    return [handler.format(each) for each in _records(record, lines)]


def _atomic_bytes(descriptor: int) -> int:
    """Return how many bytes are written atomically while other workers write to the same file.

    For a regular file, other workers are locked out. For a pipe the limit is ``PIPE_BUF``; for a socket, such
    as the journal's, it is not less.
    """
    return _FILE_BYTES if stat.S_ISREG(os.fstat(descriptor).st_mode) else select.PIPE_BUF


@contextmanager
def _locked(descriptor: int) -> Iterator[int | None]:
    """Lock a regular file among workers, and return its size; None for another kind of file."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        yield None
        return
    with suppress(OSError):  # some network file systems have no locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield os.fstat(descriptor).st_size
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _remove_torn_line(descriptor: int, before: int | None, written: bytes) -> bool:
    """Remove the incomplete line at the end of what was written; return whether there is none."""
    if written.endswith(b"\n"):
        return True
    if before is None or os.fstat(descriptor).st_size != before + len(written):
        return False
    try:
        os.ftruncate(descriptor, before + written.rfind(b"\n") + 1)
    except OSError:
        return False
    return True

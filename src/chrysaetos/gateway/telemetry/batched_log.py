"""Lines for a log, written many at a time.

A record of ``logging`` for each line, formatted and written by itself, costs more than all else that the
gateway does for a small request. Here lines wait for a moment and go to the handlers of the logger together:
one record, one write. What a reader finds in the log is the same, each line begins as the handler's formatter
says; only the time at that beginning is the moment of the write.

A handler that does not write to a stream, as the one for syslog, and a formatter that escapes what it is
given, as the one for JSON, get a record for each line.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LineLog"]

_SECONDS = 0.05
"""How long a line waits at most."""

_MOST_BYTES = 64 * 1024
"""Bytes of lines that wait at most."""

_MARK = '<"lines">'
"""Stands for the lines while the rest is formatted. With its quotes it does not survive being escaped."""


class LineLog:
    """A logger's handlers, for lines at the level INFO.

    Before ``start`` and behind ``close`` each line is written at once.

    Args:
        logger: where the lines go.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lines: list[str] = []
        self._size = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def enabled(self) -> bool:
        """Whether the logger takes lines at all."""
        return self._logger.isEnabledFor(logging.INFO)

    def start(self) -> None:
        """Let lines wait from now on, by the running event loop's clock."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Write what waits; from now on nothing does."""
        self._loop = None
        self._flush()

    def write(self, line: str) -> None:
        """Write a line, or let it wait. What fails is told as ``logging`` tells it, and not raised.

        Args:
            line: printable ASCII without an end.
        """
        self._lines.append(line)
        self._size += len(line)
        if self._loop is None or self._size >= _MOST_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(_SECONDS, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines, self._size = self._lines, [], 0
        if not lines or not self._logger.filter(self._record(lines[0])):
            return
        for handler in _handlers(self._logger):
            if handler.level <= logging.INFO:
                self._hand_over(handler, lines)

    def _hand_over(self, handler: logging.Handler, lines: list[str]) -> None:
        for text in _joined(handler, self._record(_MARK), lines):
            record = self._record(text)
            try:
                handler.handle(record)
            except Exception:  # noqa: BLE001 - a log that cannot be written must not end a request
                handler.handleError(record)

    def _record(self, text: str) -> logging.LogRecord:
        # Logger.info would first walk the stack to find out who calls.
        name = self._logger.name
        return self._logger.makeRecord(name, logging.INFO, __file__, 0, text, (), None)


def _handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    """The handlers that a record of the logger reaches."""
    current: logging.Logger | None = logger
    while current is not None:
        yield from current.handlers
        current = current.parent if current.propagate else None


def _joined(handler: logging.Handler, mark: logging.LogRecord, lines: list[str]) -> Iterator[str]:
    """The messages with which a handler writes the lines."""
    if not isinstance(handler, logging.StreamHandler):
        yield from lines
        return
    around = _around(handler, mark)
    if around is None:
        yield from lines
        return
    before, after = around
    between = f"{after}{handler.terminator}{before}"
    room = _room(handler.stream)
    batch: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + len(between)
        if batch and size > room:
            yield between.join(batch)
            batch, size = [], len(line) + len(between)
        batch.append(line)
    yield between.join(batch)


def _around(handler: logging.Handler, mark: logging.LogRecord) -> tuple[str, str] | None:
    """What a handler writes in front of a line and behind it; None if the line itself is changed, too."""
    try:
        before, found, after = handler.format(mark).partition(_MARK)
    except Exception:  # noqa: BLE001 - a format that fails does so for each line, and the handler says it
        return None
    return (before, after) if found else None


def _room(stream: Any) -> int:
    """Bytes that stay together when other processes, as further workers, write to the same stream.

    A file takes any number as a whole; a pipe takes ``PIPE_BUF``, and a socket, as systemd's journal gives
    one, not less.
    """
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # no file behind it, or a closed one
        return select.PIPE_BUF
    return _MOST_BYTES * 2 if stat.S_ISREG(mode) else select.PIPE_BUF

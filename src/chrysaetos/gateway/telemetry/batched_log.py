"""Write log lines in batches.

Formatting and writing a ``logging`` record for each line costs more than everything else that the gateway
does for a small request. Lines are therefore collected for a moment and passed to the logger's handlers
together, with one record and one write. The log has the same content: each line has the prefix of the
handler's formatter. Only the time in that prefix is the time of the write.

A handler that does not write to a stream (such as syslog) or whose formatter escapes the message (such as
JSON) gets a record for each line.
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

__all__ = ["BatchedLog"]

_SECONDS = 0.05
"""Longest time that a line waits."""

_MAX_BYTES = 64 * 1024
"""Bytes of waiting lines after which they are written at once."""

_PLACEHOLDER = '<"lines">'
"""Placeholder for the lines while a record is formatted. It has quotes, so that escaping changes it."""


class BatchedLog:
    """Passes lines to a logger's handlers at level INFO, in batches.

    Before ``start`` and after ``close``, each line is written at once.

    Args:
        logger: the logger to write to.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lines: list[str] = []
        self._size = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def enabled(self) -> bool:
        """Whether the logger is enabled for level INFO."""
        return self._logger.isEnabledFor(logging.INFO)

    def start(self) -> None:
        """Start to collect lines, with a timer of the running event loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Write the collected lines, and each later line at once."""
        self._loop = None
        self._flush()

    def write(self, line: str) -> None:
        """Write a line, or collect it. ``logging`` reports failures to stderr; nothing is raised.

        Args:
            line: printable ASCII without a line break.
        """
        self._lines.append(line)
        self._size += len(line)
        if self._loop is None or self._size >= _MAX_BYTES:
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
        for text in _batches(handler, self._record(_PLACEHOLDER), lines):
            record = self._record(text)
            try:
                handler.handle(record)
            except Exception:  # noqa: BLE001 - a log that cannot be written must not fail a request
                handler.handleError(record)

    def _record(self, text: str) -> logging.LogRecord:
        # Logger.info would first walk the stack to find its caller.
        name = self._logger.name
        return self._logger.makeRecord(name, logging.INFO, __file__, 0, text, (), None)


def _handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Yield the handlers that get the logger's records."""
    current: logging.Logger | None = logger
    while current is not None:
        yield from current.handlers
        current = current.parent if current.propagate else None


def _batches(handler: logging.Handler, placeholder: logging.LogRecord, lines: list[str]) -> Iterator[str]:
    """Yield the messages for a handler, each with as many lines as can be written at once."""
    if not isinstance(handler, logging.StreamHandler):
        yield from lines
        return
    affixes = _affixes(handler, placeholder)
    if affixes is None:
        yield from lines
        return
    before, after = affixes
    between = f"{after}{handler.terminator}{before}"
    limit = _atomic_bytes(handler.stream)
    batch: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + len(between)
        if batch and size > limit:
            yield between.join(batch)
            batch, size = [], len(line) + len(between)
        batch.append(line)
    yield between.join(batch)


def _affixes(handler: logging.Handler, placeholder: logging.LogRecord) -> tuple[str, str] | None:
    """Return the text that a handler adds before and after a line; None if it changes the line itself."""
    try:
        before, found, after = handler.format(placeholder).partition(_PLACEHOLDER)
    except Exception:  # noqa: BLE001 - it fails for each line again, and the handler reports it
        return None
    return (before, after) if found else None


def _atomic_bytes(stream: Any) -> int:
    """Return how many bytes are written atomically while other workers write to the same stream.

    A file has no limit. For a pipe the limit is ``PIPE_BUF``; for a socket, such as the journal's, it is not
    less.
    """
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # not a file, or closed
        return select.PIPE_BUF
    return _MAX_BYTES * 2 if stat.S_ISREG(mode) else select.PIPE_BUF

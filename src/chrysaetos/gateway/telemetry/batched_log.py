"""Pass log lines to the logger's handlers in batches.

A ``logging`` record for each line costs more than everything else that the gateway does for a small
request. Lines are therefore collected for a moment and passed on together, with one record. A
``QueuedHandler`` formats and writes them in its thread. The log has the same content: each line has the
prefix of the handler's formatter. Only the time in that prefix is the time of the batch.
"""

from __future__ import annotations

import asyncio
import logging

from chrysaetos.queued_log import QueuedHandler, handlers_of

__all__ = ["BatchedLog"]

_SECONDS = 0.05
"""Longest time that a line waits for its batch."""

_MAX_BYTES = 64 * 1024
"""Bytes of waiting lines after which they are passed on at once."""


class BatchedLog:
    """Passes lines to a logger's handlers at level INFO, in batches.

    Before ``start`` and after ``close``, each line is passed on at once.

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
        """Pass on the collected lines, and each later line at once."""
        self._loop = None
        self._flush()

    def write(self, line: str) -> None:
        """Pass on a line, or collect it. Nothing is raised if it cannot be written.

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
        for handler in handlers_of(self._logger):
            if handler.level > logging.INFO:
                continue
            if isinstance(handler, QueuedHandler):
                handler.handle_lines(self._record(lines[0]), lines)
            else:
                for line in lines:
                    handler.handle(self._record(line))

    def _record(self, text: str) -> logging.LogRecord:
        # Logger.info would first walk the stack to find its caller.
        name = self._logger.name
        return self._logger.makeRecord(name, logging.INFO, __file__, 0, text, (), None)

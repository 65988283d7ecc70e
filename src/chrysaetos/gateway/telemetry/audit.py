"""The audit: one line for each request, when it has ended.

A line is printable ASCII. Every value that comes from outside stands in quotes, as a string of JSON in which
all control characters and all that is not ASCII are escaped (RFC 8259, 7). So a line is always one line, no
value can pass for another field, and a terminal that shows it is safe. In the text form a value that is not
known is ``-``, in JSON ``null``.

Lines are written many at a time, 50 ms after the first of them at the latest, and at the end of the process.

An exchange holds no headers, so there is no token or password that could be written.
"""

from __future__ import annotations

import logging
import time
from json.encoder import encode_basestring_ascii
from logging.handlers import WatchedFileHandler
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.telemetry.batched_log import LineLog
from chrysaetos.tenancy.endpoints import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.gateway.asgi.exchange import Exchange
    from chrysaetos.identity.caller import Caller
    from chrysaetos.tenancy.parameters import Text

__all__ = ["FIELDS", "LOGGER", "Audit", "open_log"]

LOGGER = "chrysaetos.audit"
"""The logger's name."""

FIELDS = {
    "time": "when the request ended: RFC 3339, UTC, with milliseconds",
    "request_id": "the id that the client gets in ``X-Openstack-Request-Id``",
    "client": "the client's address; unknown for a Unix socket",
    "user_id": "the caller's user id",
    "user_name": "the caller's user name; for a portal, the name of its token",
    "project_id": "the id of the project that the token is scoped to",
    "project_name": "the name of that project",
    "roles": "the caller's roles, separated by commas",
    "endpoint": "the name of the endpoint; unknown for a path that is not served",
    "method": "the method of the request",
    "path": "the path of the request, without the configured prefix",
    "scope": "what the caller may see: ``all``, ``project=`` and ids, or ``domain=`` and an id",
    "status": "the status of the answer; 499 if the client disconnected before the answer began",
    "error": "the ``errorType`` of an error that the gateway itself answered",
    "reason": "why the request was rejected while it was received",
    "bytes": "bytes of the answer's body, as sent",
    "ms": "milliseconds from the arrival of the request to the end of the answer",
    "upstream_ms": "milliseconds from asking Prometheus until the headers of its answer",
    "complete": "whether the answer was sent completely",
}
"""The fields of a line in their order, and what each one is. The PromQL texts follow them."""
_AS_TEXT = " ".join(f"{name}=%s" for name in FIELDS) + "%s"
_AS_JSON = "{" + ",".join(f'"{name}":%s' for name in FIELDS) + ',"queries":%s}'

_LONGEST_NAME = 1024
"""Characters of a path, a name, a list of roles or of projects."""
_MOST_TEXTS = 8
"""PromQL texts of one request that are written; a URL has room for thousands of selectors."""


def open_log(path: str, option: str = "[gateway] audit_file") -> logging.Logger:
    """A logger that writes lines to a file of their own, and to no other place.

    Whole lines are appended, so several workers can share the file; it is opened again when it was rotated.

    Args:
        path: the file.
        option: what names it, for the error.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        handler = WatchedFileHandler(path, encoding="ascii")
    except OSError as error:
        raise ConfigError(f"{option}: {error}") from error
    logger = logging.Logger(LOGGER, logging.INFO)  # noqa: LOG001 - apart from all others
    logger.addHandler(handler)
    return logger


class Audit:
    """An observer that writes a line for each request, and a companion of the application.

    Args:
        as_json: one JSON object a line instead of ``key=value``.
        own_endpoints: whether requests for what the gateway answers on its own, as its health, are written.
        max_text: characters of a PromQL text that are written; a longer one is cut, and says so.
        logger: where to; ``LOGGER`` when None, whose lines go where the process' log goes.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        own_endpoints: bool = False,
        max_text: int = 4096,
        logger: logging.Logger | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._as_json = as_json
        self._own_endpoints = own_endpoints
        self._max_text = max_text
        self._log = LineLog(logging.getLogger(LOGGER) if logger is None else logger)
        self._clock = clock
        self._absent = "null" if as_json else "-"
        self._template = _AS_JSON if as_json else _AS_TEXT
        self._second = -1
        self._stamp = ""

    async def start(self) -> None:
        """Write lines together from now on."""
        self._log.start()

    async def close(self) -> None:
        """Write what is left."""
        self._log.close()

    def begun(self, exchange: Exchange) -> None:
        """Nothing is written yet."""

    def ended(self, exchange: Exchange) -> None:
        """Write the line."""
        endpoint = exchange.endpoint
        own = endpoint is not None and endpoint.action is Action.OWN
        if self._log.enabled and (self._own_endpoints or not own):
            self._log.write(self.line(exchange))

    def line(self, exchange: Exchange) -> str:
        """What is written of an exchange, without a line's end."""
        absent, name = self._absent, self._name
        endpoint, seconds = exchange.endpoint, exchange.upstream_seconds
        return self._template % (
            self._time(),
            name(exchange.request_id),
            name(exchange.client),
            *self._caller(exchange.caller),
            absent if endpoint is None else name(endpoint.name),
            name(exchange.method),
            name(exchange.path),
            self._scope(exchange),
            exchange.status or absent,
            name(exchange.error),
            name(exchange.reason),
            exchange.sent,
            f"{exchange.seconds * 1000:.3f}",
            absent if seconds is None else f"{seconds * 1000:.3f}",
            "true" if exchange.complete else "false",
            self._texts(exchange.texts),
        )

    def _time(self) -> str:
        """RFC 3339, UTC, with milliseconds. What does not change within a second is kept."""
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f'"{self._stamp}.{int((now - second) * 1000):03d}Z"'

    def _name(self, value: str | None) -> str:
        if not value:
            return self._absent
        return _quoted(value, _LONGEST_NAME)

    def _caller(self, caller: Caller | None) -> tuple[str, str, str, str, str]:
        """User id and name, project id and name, roles."""
        absent, name = self._absent, self._name
        if caller is None:
            return absent, absent, absent, absent, absent
        return (
            name(caller.user_id),
            name(caller.user_name),
            name(caller.project_id),
            name(caller.project_name),
            name(",".join(caller.roles)),
        )

    def _scope(self, exchange: Exchange) -> str:
        """The projects; of a domain's token the domain, as it may have thousands."""
        scope, caller = exchange.scope, exchange.caller
        if scope is None:
            return self._absent
        if scope.unrestricted:
            return '"all"'
        if caller is not None and caller.domain_id is not None:
            return _quoted(f"domain={caller.domain_id}", _LONGEST_NAME)
        return _quoted(f"project={','.join(scope.values)}", _LONGEST_NAME)

    def _texts(self, texts: tuple[Text, ...]) -> str:
        """The PromQL texts: in JSON a list of objects, as text numbered from the second on."""
        if self._as_json:
            written = [f'{{"query":{one},"scoped":{other}}}' for one, other in self._pairs(texts)]
            if len(texts) > _MOST_TEXTS:
                written.append(f'{{"left_out":{len(texts) - _MOST_TEXTS}}}')
            return f"[{','.join(written)}]"
        if len(texts) == 1:
            ((query, scoped),) = self._pairs(texts)
            return f" query={query} scoped={scoped}"
        if not texts:
            return " query=- scoped=-"
        written = []
        for number, (query, scoped) in enumerate(self._pairs(texts), start=1):
            mark = "" if number == 1 else f"_{number}"
            written.append(f" query{mark}={query} scoped{mark}={scoped}")
        if len(texts) > _MOST_TEXTS:
            written.append(f" queries_left_out={len(texts) - _MOST_TEXTS}")
        return "".join(written)

    def _pairs(self, texts: tuple[Text, ...]) -> list[tuple[str, str]]:
        longest = self._max_text
        return [
            (_quoted(text.original, longest), _quoted(text.sent, longest)) for text in texts[:_MOST_TEXTS]
        ]


def _quoted(value: str, longest: int) -> str:
    """A value in quotes, escaped, and cut where it is too long."""
    if len(value) > longest:
        value = f"{value[:longest]}...[{len(value) - longest} more]"
    return encode_basestring_ascii(value)

"""The audit log: one line for each request, written when the request has ended.

A line is printable ASCII. Every untrusted value is written as a JSON string, in quotes, in which control
characters and non-ASCII characters are escaped (RFC 8259, 7). A record is therefore always a single line, no
value can imitate another field, and the log is safe to show in a terminal. An unknown value is ``-`` in text
and ``null`` in JSON.

Lines are written by a thread in batches, at most 50 ms after the first line of a batch. They are lost, and
counted, if they cannot be written for long: see ``queued_log``.

An exchange contains no headers, so no token or password can be written.
"""

from __future__ import annotations

import logging
import time
from json.encoder import encode_basestring_ascii
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.telemetry.batched_log import BatchedLog
from chrysaetos.lru import size_of
from chrysaetos.queued_log import QueuedHandler
from chrysaetos.regular_file import check_fifo
from chrysaetos.tenancy.endpoints import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.gateway.app.exchange import Exchange
    from chrysaetos.identity.caller import Caller
    from chrysaetos.tenancy.parameters import Text
    from chrysaetos.tenancy.scope import Scope

__all__ = ["FIELDS", "LOGGER", "Audit", "open_log"]

K = TypeVar("K")
V = TypeVar("V")

LOGGER = "chrysaetos.audit"
"""The name of the logger."""

FIELDS = {
    "time": "when the request ended: RFC 3339, UTC, with milliseconds",
    "request_id": "the id that the client gets in ``X-Openstack-Request-Id``",
    "client": "the client's address, also behind ``trusted_proxies``; unknown for a Unix socket",
    "user_id": "the caller's user id",
    "user_name": "the caller's user name; for a portal, the name of its token",
    "project_id": "the id of the project that the token is scoped to",
    "project_name": "the name of that project",
    "roles": "the caller's roles, separated by commas",
    "endpoint": "the name of the endpoint; unknown for a path that is not served",
    "method": "the method of the request",
    "path": "the path of the request, without the configured prefix",
    "scope": "what the caller may see: ``all``, ``project=`` and ids, or ``domain=`` and an id",
    "status": "the status of the response; 499 if the client disconnected before the response began",
    "error": "the ``errorType`` of an error response of the gateway itself",
    "reason": "why the request was rejected while it was received",
    "bytes": "bytes of the response's body, as sent",
    "ms": "milliseconds from the arrival of the request to the end of the response",
    "upstream_ms": "milliseconds from asking Prometheus until the headers of its response or a failure",
    "complete": "whether the response was sent completely",
}
"""The fields of a line in their order, with descriptions. The PromQL texts follow them."""
_PUBLIC, _WEB = Action.PUBLIC, Action.WEB  # looking up members of an Enum takes long
_CALLER_FIELDS = ("user_id", "user_name", "project_id", "project_name", "roles")

_MAX_NAME = 1024
"""Maximum length of a path, a name, or a list of roles or projects."""
_MAX_TEXTS = 8
"""Maximum number of PromQL texts for a request; a URL can contain thousands of selectors."""
_MAX_CACHED = 4096
"""Number of callers' paths, and of texts, whose fields are cached."""
_MAX_CACHED_BYTES = 16 * 1024 * 1024
"""Maximum memory of the former with their callers, and of the latter."""
_ENTRY_BYTES = 400
"""About the memory of a cached entry without its texts."""
_MAX_CACHED_TEXT = 4096
"""Characters of the longest text whose field is cached."""
_MAX_CACHED_PATH = 256
"""Length of the longest path whose fields are cached."""


def open_log(path: str, option: str = "[gateway] audit_file") -> logging.Logger:
    """Return a logger that writes lines to a file, and nowhere else.

    Whole lines are appended, so several workers can share the file. It is reopened after it was rotated.

    Args:
        path: the path of the file.
        option: the name of the option, for the error.

    Raises:
        ConfigError: the file cannot be opened for writing, or is a FIFO that nothing reads.
    """
    try:
        check_fifo(Path(path))
        handler = WatchedFileHandler(path, encoding="ascii")
    except OSError as error:
        raise ConfigError(f"{option}: {error}") from error
    logger = logging.Logger(LOGGER, logging.INFO)  # noqa: LOG001  # independent of the other loggers
    logger.addHandler(QueuedHandler(handler, "audit"))
    return logger


class _Cache(dict[K, V]):
    """A bounded mapping whose look-ups cost no more than a dictionary's: it forgets all entries at once."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def keep(self, key: K, value: V, size: int) -> None:
        """Keep an entry of ``size`` bytes, unless it is too large."""
        size += _ENTRY_BYTES
        if len(self) >= _MAX_CACHED or self.size + size > _MAX_CACHED_BYTES:
            self.clear()
            self.size = 0
        if size <= _MAX_CACHED_BYTES:
            self[key] = value
            self.size += size


class Audit:
    """Writes a line for each request: an observer and a part of the application.

    Args:
        as_json: whether a line is a JSON object instead of ``key=value`` pairs.
        own_endpoints: whether to include endpoints that the gateway serves without credentials, such as
            health.
        max_text: characters of a PromQL text to write; a longer text is cut and marked.
        logger: the logger to write to. None for ``LOGGER``, which is part of the process's log.
        clock: seconds since the epoch.

    Attributes:
        logger: the logger that is written to.
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
        self.logger = logging.getLogger(LOGGER) if logger is None else logger
        self._batched_log = BatchedLog(self.logger)
        self._clock = clock
        self._absent = "null" if as_json else "-"
        self._template, self._known_template = _templates(as_json=as_json)
        # By what they depend on. The identities of caller and scope stand for them: they are usually the same
        # objects in all requests of a caller.
        self._known: _Cache[tuple[object, ...], tuple[Caller | None, Scope | None, str]] = _Cache()
        self._texts_fields: _Cache[tuple[Text, ...], str] = _Cache()
        self._second = -1
        self._stamp = ""

    async def start(self) -> None:
        """Start to write lines in batches."""
        self._batched_log.start()

    async def close(self) -> None:
        """Pass on the remaining lines."""
        self._batched_log.close()

    def on_end(self, exchange: Exchange) -> None:
        """Write the line of an exchange."""
        endpoint = exchange.endpoint
        own = endpoint is not None and (
            endpoint.action is _PUBLIC or (endpoint.action is _WEB and exchange.method != "POST")
        )
        if self._batched_log.enabled and (self._own_endpoints or not own):
            self._batched_log.write(self.line(exchange))

    def line(self, exchange: Exchange) -> str:
        """Return the line of an exchange, without a line break."""
        absent, seconds = self._absent, exchange.upstream_seconds
        error, reason = exchange.error, exchange.reason
        return self._template % (
            self._time(),
            self._name(exchange.request_id),
            self._of_known(exchange),
            exchange.status or absent,
            self._name(error) if error else absent,
            self._name(reason) if reason else absent,
            exchange.sent,
            exchange.seconds * 1000,
            absent if seconds is None else f"{seconds * 1000:.3f}",
            "true" if exchange.complete else "false",
            self._of_texts(exchange.texts),
        )

    def _time(self) -> str:
        """Return the time: RFC 3339, UTC, with milliseconds. The part up to the second is cached."""
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f'"{self._stamp}.{int((now - second) * 1000):03d}Z"'

    def _name(self, value: str | None) -> str:
        if not value:
            return self._absent
        return _quoted(value, _MAX_NAME)

    def _of_known(self, exchange: Exchange) -> str:
        """Return the fields that a caller's requests for a path have in common, cached."""
        caller, scope, endpoint = exchange.caller, exchange.scope, exchange.endpoint
        key = (id(caller), id(scope), id(endpoint), exchange.client, exchange.method, exchange.path)
        cached = self._known.get(key)
        if cached is not None:
            return cached[2]
        fields = self._format_known(exchange)
        # Anybody can send long paths, and the scope of a domain takes some hundred KiB.
        if len(exchange.path) <= _MAX_CACHED_PATH and (scope is None or len(scope.values) <= 1):
            size = size_of(*key, fields) + (0 if caller is None else caller.size)
            self._known.keep(key, (caller, scope, fields), size)  # keeps the objects, and so their identities
        return fields

    def _format_known(self, exchange: Exchange) -> str:
        """Return the fields that a caller's requests for a path have in common."""
        caller, endpoint = exchange.caller, exchange.endpoint
        who: tuple[str | None, ...] = (None,) * len(_CALLER_FIELDS)
        if caller is not None:
            names = (caller.user_id, caller.user_name, caller.project_id, caller.project_name)
            who = (*names, ",".join(caller.roles))
        what = (None if endpoint is None else endpoint.name, exchange.method, exchange.path)
        named = map(self._name, (exchange.client, *who, *what))
        return self._known_template % (*named, self._scope(caller, exchange.scope))

    def _of_texts(self, texts: tuple[Text, ...]) -> str:
        """Return the fields of the PromQL texts, cached if there is one short text."""
        cached = self._texts_fields.get(texts)
        if cached is None:
            cached = self._texts(texts)
            if len(texts) == 1 and len(texts[0].original) + len(texts[0].sent) <= _MAX_CACHED_TEXT:
                self._texts_fields.keep(texts, cached, size_of(texts, cached))
        return cached

    def _scope(self, caller: Caller | None, scope: Scope | None) -> str:
        """Return the project, or the domain if there are several: a domain may have thousands of projects."""
        if scope is None:
            return self._absent
        if scope.unrestricted:
            return '"all"'
        if caller is not None and caller.domain_id is not None and len(scope.values) > 1:
            return _quoted(f"domain={caller.domain_id}", _MAX_NAME)
        return _quoted(f"project={','.join(scope.values)}", _MAX_NAME)

    def _texts(self, texts: tuple[Text, ...]) -> str:
        """Return the PromQL texts: a list of objects in JSON, fields numbered from the second in text."""
        if self._as_json:
            written = [f'{{"query":{query},"scoped":{scoped}}}' for query, scoped in self._pairs(texts)]
            if len(texts) > _MAX_TEXTS:
                written.append(f'{{"left_out":{len(texts) - _MAX_TEXTS}}}')
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
        if len(texts) > _MAX_TEXTS:
            written.append(f" queries_left_out={len(texts) - _MAX_TEXTS}")
        return "".join(written)

    def _pairs(self, texts: tuple[Text, ...]) -> list[tuple[str, str]]:
        max_length = self._max_text
        return [
            (_quoted(text.original, max_length), _quoted(text.sent, max_length))
            for text in texts[:_MAX_TEXTS]
        ]


def _templates(*, as_json: bool) -> tuple[str, str]:
    """Return the format of a line, and that of the fields in it from ``client`` to ``scope``."""
    form, separator = ('"%s":%s', ",") if as_json else ("%s=%s", " ")
    fields = [form % (name, "%.3f" if name == "ms" else "%s") for name in FIELDS]
    names = list(FIELDS)
    first, last = names.index("client"), names.index("scope") + 1
    line = separator.join([*fields[:first], "%s", *fields[last:]])
    known = separator.join(fields[first:last])
    return ("{" + line + ',"queries":%s}' if as_json else line + "%s"), known


def _quoted(value: str, max_length: int) -> str:
    """Return a value in quotes and escaped, cut if it is too long."""
    if len(value) > max_length:
        value = f"{value[:max_length]}...[{len(value) - max_length} more]"
    return encode_basestring_ascii(value)

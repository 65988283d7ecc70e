"""One call: its method, its tries, its time limit, and what the answer holds."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from chrysaetos.client.answers import Content, content
from chrysaetos.client.errors import (
    InvalidArgument,
    MetricsError,
    NotPrometheus,
    Timeout,
    TooLarge,
    Unavailable,
    Unreachable,
)

if TYPE_CHECKING:
    from chrysaetos.client.transport import Answer, Transport

__all__ = ["Asker", "Pairs", "checked_timeout"]

Pairs = list[tuple[str, str]]

_LONGEST_GET = 3500
"""Characters of encoded parameters from which on a POST is sent. Gunicorn takes 4,094 bytes of request line,
most proxies 8 KiB."""

_FIRST_PAUSE = 0.5
"""Seconds before the second try where the server says nothing; doubled for each one behind it."""


class _Deadline:
    """The time that a call has.

    Args:
        seconds: from now on; None for ever.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._end = math.inf if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds that are left, None for ever.

        Raises:
            Timeout: none.
        """
        if self._seconds is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise Timeout(f"there was no answer within {self._seconds:.3g} s")
        return left

    def allows(self, pause: float) -> bool:
        """Whether there is time for a pause and something behind it."""
        return time.monotonic() + pause < self._end


class Asker:
    """Asks over a transport, again where that helps.

    Args:
        transport: what carries the requests.
        timeout: seconds for a call with all its tries, None for no bound.
        retries: how often a read is repeated after 429, 502, 503 or a broken connection.

    Raises:
        InvalidArgument: `timeout` or `retries` is no such number.
    """

    def __init__(self, transport: Transport, *, timeout: float | None, retries: int) -> None:
        self.transport = transport
        self.timeout = checked_timeout(timeout)
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise InvalidArgument(f"retries must be a number from 0 on, not {retries!r}")
        self._retries = retries
        self._get_only = False

    def read(
        self,
        path: str,
        pairs: Pairs,
        *,
        query: str | None = None,
        timeout: float | None = None,
        form: bool = False,
        identity: bool = False,
    ) -> Content:
        """What a read gives.

        Args:
            path: behind the endpoint.
            pairs: its parameters.
            query: the PromQL among them, for errors.
            timeout: seconds, instead of the asker's own.
            form: whether the parameters may go as the body of a POST.
            identity: ask for an answer without content coding.

        Raises:
            MetricsError: it failed.
        """
        encoded = _encoded(pairs)
        deadline = _Deadline(self._limit(timeout))
        if form and len(encoded) > _LONGEST_GET and not self._get_only:
            answer = self._tried("POST", path, deadline, query, form=encoded, identity=identity)
            if answer.status != 405:
                return content(answer, path=path, query=query)
            self._get_only = True
        target = f"{path}?{encoded}" if encoded else path
        answer = self._tried("GET", target, deadline, query, identity=identity)
        try:
            return content(answer, path=path, query=query)
        except (TooLarge, NotPrometheus) as error:
            # Servers have many ways to say that a request line is too long.
            if len(encoded) > _LONGEST_GET and answer.status in {400, 413, 414, 431}:
                raise TooLarge(
                    f"this server takes no POST here, and {len(encoded):,} characters are too many "
                    "for a GET: ask for less at a time",
                    status=answer.status,
                    query=query,
                    url=answer.url,
                ) from error
            raise

    def post(
        self, path: str, pairs: Pairs, *, timeout: float | None = None, query: str | None = None
    ) -> Content:
        """What a POST gives that is sent once, whatever comes of it.

        Raises:
            MetricsError: it failed.
        """
        deadline = _Deadline(self._limit(timeout))
        answer = self._sent("POST", path, deadline, query, form=_encoded(pairs) or None, repeatable=False)
        return content(answer, path=path, query=query)

    def _limit(self, timeout: float | None) -> float | None:
        return self.timeout if timeout is None else checked_timeout(timeout)

    def _tried(
        self, method: str, target: str, deadline: _Deadline, query: str | None, **options: Any
    ) -> Answer:
        """The answer of the first try that is worth having, or of the last."""
        attempt = 0
        while True:
            pause = _FIRST_PAUSE * 2**attempt
            final = attempt == self._retries
            attempt += 1
            try:
                answer = self._sent(method, target, deadline, query, **options)
            except (Unreachable, Unavailable) as error:
                pause = _pause(error, pause)
                if final or not error.retryable or not deadline.allows(pause):
                    raise
            else:
                if final or answer.status not in {429, 502, 503}:
                    return answer
                try:
                    content(answer, path=target.partition("?")[0])
                except Unavailable as error:
                    pause = _pause(error, pause)
                    if not deadline.allows(pause):
                        return answer
                except MetricsError:
                    # It has one of these statuses, and says that another try is of no use.
                    return answer
            time.sleep(pause)

    def _sent(
        self, method: str, target: str, deadline: _Deadline, query: str | None, **options: Any
    ) -> Answer:
        try:
            return self.transport.send(method, target, timeout=deadline.left(), **options)
        except MetricsError as error:
            error.query = query
            raise


def _pause(error: Unreachable | Unavailable, otherwise: float) -> float:
    said = error.retry_after if isinstance(error, Unavailable) else None
    return otherwise if said is None else said


def _encoded(pairs: Pairs) -> str:
    try:
        return urlencode(pairs)
    except UnicodeEncodeError as error:
        raise InvalidArgument(
            f"a parameter holds a surrogate, which is no character: {error.object!r}"
        ) from None


def checked_timeout(timeout: float | None) -> float | None:
    """A time limit in seconds, None for none.

    Raises:
        InvalidArgument: it is no number greater than 0.
    """
    if timeout is not None and (
        isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < math.inf
    ):
        raise InvalidArgument(f"a timeout must be seconds greater than 0, or None, not {timeout!r}")
    return timeout

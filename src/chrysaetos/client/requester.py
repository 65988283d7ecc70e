"""One call: the choice of GET or POST, retries, the time limit, and decoding."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from chrysaetos.client.errors import (
    InvalidArgument,
    MetricsError,
    NotPrometheus,
    PartialResult,
    Timeout,
    TooLarge,
    Unavailable,
    Unreachable,
)
from chrysaetos.client.parameters import check_integer
from chrysaetos.client.responses import Payload, decode
from chrysaetos.client.transport import Request
from chrysaetos.numeric import is_number

if TYPE_CHECKING:
    from chrysaetos.client.transport import Response, Transport

__all__ = ["Parameters", "Requester"]

Parameters = list[tuple[str, str]]

_MAX_GET = 3500
"""Longer encoded parameters, in characters, are sent as a POST. Gunicorn allows 4,094 bytes of request line,
most proxies 8 KiB."""

_FIRST_PAUSE = 0.5
"""Seconds before the first retry without Retry-After; doubled for each further retry."""

_RETRIED_STATUSES = frozenset({429, 502, 503})


class _Deadline:
    """The end of a call's time limit.

    Args:
        seconds: seconds from now; None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._end = math.inf if seconds is None else time.monotonic() + seconds

    def remaining(self) -> float | None:
        """Return the seconds that are left, None for no limit.

        Raises:
            Timeout: no time is left.
        """
        if self._seconds is None:
            return None
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise Timeout(f"no response within {self._seconds:.3g} s")
        return remaining

    def allows(self, pause: float) -> bool:
        """Return whether there is time for a pause and another request."""
        return time.monotonic() + pause < self._end


class Requester:
    """Sends requests over a transport, and repeats reads that may succeed later.

    Args:
        transport: the transport.
        timeout: seconds for a call including its retries; None for no limit.
        retries: how often a read is repeated after 429, 502, 503 or a broken connection.
        require_complete: whether to reject responses in which data are missing.

    Raises:
        InvalidArgument: ``timeout`` or ``retries`` is invalid.
    """

    def __init__(
        self, transport: Transport, *, timeout: float | None, retries: int, require_complete: bool = False
    ) -> None:
        self.transport = transport
        self.timeout = _check_timeout(timeout)
        self._retries = check_integer("retries", retries, 0)
        self._require_complete = require_complete
        self._get_only = False

    def over(self, transport: Transport) -> Requester:
        """Return a requester with the same settings over another transport."""
        return Requester(
            transport,
            timeout=self.timeout,
            retries=self._retries,
            require_complete=self._require_complete,
        )

    def read(
        self,
        path: str,
        parameters: Parameters,
        *,
        query: str | None = None,
        timeout: float | None = None,
        form: bool = False,
        compressed: bool = True,
    ) -> Payload:
        """Send a read, with retries.

        Args:
            path: the path below the endpoint.
            parameters: names and values.
            query: the PromQL among them, for errors.
            timeout: seconds, instead of the default.
            form: whether the path accepts the parameters in the body of a POST.
            compressed: whether to accept a compressed response.

        Raises:
            PartialResult: data are missing, and complete responses are required.
            MetricsError: the call failed.
        """
        payload = self._read(path, parameters, query, timeout, form=form, compressed=compressed)
        if self._require_complete:
            missing = payload.missing_data(limited=any(name == "limit" for name, _ in parameters))
            if missing:
                raise PartialResult(f"data are missing in the response: {'; '.join(missing)}", query=query)
        return payload

    def _read(
        self,
        path: str,
        parameters: Parameters,
        query: str | None,
        timeout: float | None,
        *,
        form: bool,
        compressed: bool,
    ) -> Payload:
        encoded = _encode(parameters)
        deadline = _Deadline(self.time_limit(timeout))
        if form and len(encoded) > _MAX_GET and not self._get_only:
            response = self._retry(Request("POST", path, encoded, compressed), deadline, query)
            if response.status != 405:
                return decode(response, path=path, query=query)
            self._get_only = True
        target = f"{path}?{encoded}" if encoded else path
        response = self._retry(Request("GET", target, compressed=compressed), deadline, query)
        try:
            return decode(response, path=path, query=query)
        except (TooLarge, NotPrometheus) as error:
            # Servers report a request line that is too long in many ways.
            if len(encoded) > _MAX_GET and response.status in {400, 413, 414, 431}:
                raise TooLarge(
                    f"this server does not accept POST, and {len(encoded):,} characters are too long "
                    "for a GET: send a shorter query",
                    status=response.status,
                    query=query,
                    url=response.url,
                ) from error
            raise

    def write(
        self, path: str, parameters: Parameters, *, timeout: float | None = None, query: str | None = None
    ) -> Payload:
        """Send a POST that changes something, exactly once.

        Raises:
            MetricsError: the call failed.
        """
        request = Request("POST", path, _encode(parameters) or None, idempotent=False)
        response = self._send(request, _Deadline(self.time_limit(timeout)), query)
        return decode(response, path=path, query=query)

    def time_limit(self, timeout: float | None) -> float | None:
        """Return the time limit of a call in seconds: the given one, else the default; None for no limit.

        Raises:
            InvalidArgument: the given one is invalid.
        """
        return self.timeout if timeout is None else _check_timeout(timeout)

    def _retry(self, request: Request, deadline: _Deadline, query: str | None) -> Response:
        """Send a request until a response is final, or retries or time run out."""
        attempt = 0
        while True:
            pause = _FIRST_PAUSE * 2**attempt
            last = attempt == self._retries
            attempt += 1
            try:
                response = self._send(request, deadline, query)
            except (Unreachable, Unavailable) as error:
                pause = _pause(error, pause)
                if last or not error.retryable or not deadline.allows(pause):
                    raise
            else:
                if last or response.status not in _RETRIED_STATUSES:
                    return response
                try:
                    decode(response, path=request.target.partition("?")[0])
                except Unavailable as error:
                    pause = _pause(error, pause)
                    if not deadline.allows(pause):
                        return response
                except MetricsError:
                    # The body shows that a retry would also fail.
                    return response
            time.sleep(pause)

    def _send(self, request: Request, deadline: _Deadline, query: str | None) -> Response:
        try:
            return self.transport.send(request, deadline.remaining())
        except MetricsError as error:
            error.query = query
            raise


def _pause(error: Unreachable | Unavailable, default: float) -> float:
    retry_after = error.retry_after if isinstance(error, Unavailable) else None
    return default if retry_after is None else retry_after


def _encode(parameters: Parameters) -> str:
    for name, value in parameters:
        if not isinstance(value, str):
            raise InvalidArgument(f"{name} must be a str, not {value!r}")
    try:
        # Spaces as %20: some servers and proxies read a plus sign in a URL literally.
        return urlencode(parameters, quote_via=quote)
    except UnicodeEncodeError as error:
        raise InvalidArgument(
            f"a parameter contains a surrogate, which cannot be encoded: {error.object!r}"
        ) from None


def _check_timeout(timeout: float | None) -> float | None:
    """Return a time limit in seconds unchanged; None means no limit.

    Raises:
        InvalidArgument: the time limit is not a number greater than 0, or longer than a socket can wait.
    """
    if timeout is not None and not (is_number(timeout) and 0 < timeout <= threading.TIMEOUT_MAX):
        raise InvalidArgument(
            f"timeout must be seconds, greater than 0 and at most {threading.TIMEOUT_MAX:.0f}, or None, "
            f"not {timeout!r}"
        )
    return timeout

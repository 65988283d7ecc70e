"""The seam between the client and what carries its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Answer", "Transport"]


class Answer(NamedTuple):
    """An HTTP answer, read to its end.

    Attributes:
        status: the HTTP status.
        headers: its headers; the case of names does not matter.
        body: its body, without content coding.
        url: what was asked, without user, password and parameters.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Transport(Protocol):
    """Carries requests to one server. Any number of threads may use it at a time."""

    def endpoint(self, timeout: float | None) -> str:
        """The URL that paths are appended to, without a slash at its end.

        Raises:
            MetricsError: it cannot be found.
        """
        ...

    def send(
        self,
        method: str,
        target: str,
        *,
        form: str | None = None,
        identity: bool = False,
        timeout: float | None = None,
        repeatable: bool = True,
    ) -> Answer:
        """Send one request, and read the answer whatever its status is.

        Args:
            method: the HTTP method.
            target: path and query, percent-encoded.
            form: the body, an encoded form.
            identity: ask for an answer without content coding.
            timeout: seconds.
            repeatable: False where a second request could do harm.

        Raises:
            MetricsError: there was no answer.
        """
        ...

    def close(self) -> None:
        """Close the connections that are the transport's own."""
        ...

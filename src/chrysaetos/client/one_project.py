"""A transport whose requests are restricted to one project."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chrysaetos.client.errors import InvalidArgument, NotSupported
from chrysaetos.client.transport import PROJECT_HEADER

if TYPE_CHECKING:
    from chrysaetos.client.transport import Request, Response, Transport

__all__ = ["OneProject"]

_PROJECT_ID = re.compile(r"[!-+\--~]{1,255}")
"""Visible ASCII without a comma, which is what the gateway accepts."""


class OneProject:
    """Restricts the requests of another transport to one project, and checks that they were.

    Prometheus, Aetos and older gateways ignore the header. Their responses may have the series of other
    projects, so they are rejected.

    Args:
        transport: the transport; the caller closes it.
        project_id: the project.

    Raises:
        InvalidArgument: ``project_id`` cannot be the id of a project.
    """

    def __init__(self, transport: Transport, project_id: str) -> None:
        if not isinstance(project_id, str) or not _PROJECT_ID.fullmatch(project_id):
            raise InvalidArgument(f"project_id must be the id of a project, not {project_id!r}")
        self._transport = transport
        self._project_id = project_id

    def endpoint(self, timeout: float | None) -> str:
        """Return the URL that paths are appended to."""
        return self._transport.endpoint(timeout)

    def send(self, request: Request, timeout: float | None = None) -> Response:
        """Send a request and return the response.

        Raises:
            InvalidArgument: the request changes something. A server that ignores the header would change the
                data of all projects, and the response comes too late to prevent that.
            NotSupported: the server has not restricted the response to the project.
            MetricsError: there was no response.
        """
        if not request.idempotent:
            raise InvalidArgument("a change cannot be restricted to a project: name its series")
        response = self._transport.send(request._replace(project=self._project_id), timeout)
        if response.status // 100 == 2 and response.headers.get(PROJECT_HEADER) != self._project_id:
            raise NotSupported(
                f"the server ignores {PROJECT_HEADER}, so its response may have series of other projects: "
                "it must be a Chrysaetos gateway that knows the header",
                status=response.status,
                url=response.url,
            )
        return response

    def close(self) -> None:
        """Do nothing: the transport belongs to the caller."""

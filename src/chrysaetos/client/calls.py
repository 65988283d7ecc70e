"""Base class of the groups of calls that the client consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chrysaetos.client.errors import NotPrometheus

if TYPE_CHECKING:
    from chrysaetos.client.requester import Parameters, Requester

__all__ = ["API", "Calls"]

API = "/api/v1"


class Calls:
    """Sends reads and checks the type of ``data`` in their responses."""

    _requester: Requester

    def _read_object(
        self,
        path: str,
        parameters: Parameters,
        timeout: float | None,
        *,
        query: str | None = None,
        form: bool = False,
    ) -> dict[str, Any]:
        payload = self._requester.read(path, parameters, query=query, timeout=timeout, form=form)
        if not isinstance(payload.data, dict):
            raise NotPrometheus(f"the response of {path} does not contain an object", status=200)
        return payload.data

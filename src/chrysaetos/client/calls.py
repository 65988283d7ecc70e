"""Base class of the groups of calls that the client consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chrysaetos.client.errors import NotPrometheus
from chrysaetos.client.parameters import only_selector
from chrysaetos.client.responses import truncate
from chrysaetos.client.results import Listing

if TYPE_CHECKING:
    from chrysaetos.client.parameters import Selectors
    from chrysaetos.client.requester import Parameters, Requester

__all__ = ["API", "Calls"]

API = "/api/v1"


class Calls:
    """Sends reads and checks the type of ``data`` in their responses."""

    _requester: Requester

    def _read_list(
        self,
        path: str,
        parameters: Parameters,
        match: Selectors,
        timeout: float | None,
        *,
        form: bool,
        limit: int | None,
    ) -> Listing[Any]:
        payload = self._requester.read(
            path, parameters, query=only_selector(match), timeout=timeout, form=form
        )
        if payload.data is None:
            return Listing([], payload.warnings, payload.infos)
        if not isinstance(payload.data, list):
            raise NotPrometheus(f"the response of {path} does not contain a list", status=200)
        return Listing(truncate(payload.data, limit, payload.warnings), payload.warnings, payload.infos)

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

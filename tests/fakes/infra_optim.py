"""The part of Watcher's API that a test audit uses, as a real HTTP server."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.json_server import JsonHandler, JsonServer

__all__ = ["FakeInfraOptim"]

_UUID = "5f0c1b9e-0000-4000-8000-000000000001"


class FakeInfraOptim(JsonServer):
    """Watcher's API with one audit. A context manager.

    Args:
        states: the states of the audit, one for each request; the last one is repeated.
        plans: the number of action plans of the audit.

    Attributes:
        url: the endpoint.
        created: the body of the request that created the audit.
        refused: the message of a 400 to a request that creates an audit, if set.
    """

    def __init__(self, states: list[str], plans: int = 1) -> None:
        self.states = states
        self.plans = plans
        self.created: dict[str, Any] | None = None
        self.refused: str | None = None
        super().__init__(_Handler, api=self)
        self.url = self.root_url

    def audit(self) -> dict[str, str]:
        """Return the audit, and advance its state."""
        state = self.states[0]
        del self.states[: len(self.states) > 1]
        return {"uuid": _UUID, "state": state}


class _Handler(JsonHandler):
    api: FakeInfraOptim

    def do_POST(self) -> None:  # noqa: N802  # the base class' name
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/audits":
            self._reply(404, {})
        elif self.api.refused is not None:
            self._reply(400, {"error_message": json.dumps({"faultstring": self.api.refused})})
        else:
            self.api.created = body
            self._reply(201, self.api.audit())

    def do_GET(self) -> None:  # noqa: N802  # the base class' name
        if self.path == f"/v1/audits/{_UUID}":
            self._reply(200, self.api.audit())
        elif self.path == f"/v1/action_plans?audit_uuid={_UUID}":
            self._reply(200, {"action_plans": [{"uuid": str(number)} for number in range(self.api.plans)]})
        else:
            self._reply(404, {})

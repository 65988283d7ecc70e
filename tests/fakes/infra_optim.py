"""The part of Watcher's API that a test audit uses, as a real HTTP server."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["FakeInfraOptim"]

_UUID = "5f0c1b9e-0000-4000-8000-000000000001"


class FakeInfraOptim:
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
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def audit(self) -> dict[str, str]:
        """Return the audit, and advance its state."""
        state = self.states[0]
        del self.states[: len(self.states) > 1]
        return {"uuid": _UUID, "state": state}


class _Handler(BaseHTTPRequestHandler):
    api: FakeInfraOptim

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/audits":
            self._reply(404, {})
        elif self.api.refused is not None:
            self._reply(400, {"error_message": json.dumps({"faultstring": self.api.refused})})
        else:
            self.api.created = body
            self._reply(201, self.api.audit())

    def do_GET(self) -> None:
        if self.path == f"/v1/audits/{_UUID}":
            self._reply(200, self.api.audit())
        elif self.path == f"/v1/action_plans?audit_uuid={_UUID}":
            self._reply(200, {"action_plans": [{"uuid": str(number)} for number in range(self.api.plans)]})
        else:
            self._reply(404, {})

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class' name
        """Log nothing."""

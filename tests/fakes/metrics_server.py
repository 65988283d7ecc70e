"""A metrics service over real HTTP with given replies, which records its requests."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.json_server import JsonHandler, JsonServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

__all__ = ["MetricsServer", "Reply", "Request", "aetos", "failed", "success", "vector"]


@dataclass(frozen=True)
class Request:
    """A received request.

    Attributes:
        method: the HTTP method.
        path: the path, without the query.
        pairs: the parameters of the query or of the body.
        headers: the headers, with names in lower case.
        line: the request's target, unchanged.
    """

    method: str
    path: str
    pairs: list[tuple[str, str]]
    headers: dict[str, str]
    line: str

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters by name; the last one if a name is repeated."""
        return dict(self.pairs)


@dataclass(frozen=True)
class Reply:
    """A response to send.

    Attributes:
        status: the HTTP status.
        body: the body.
        headers: the headers without Content-Length.
        cut: the number of bytes of the body after which the connection is closed; None to send all.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    cut: int | None = None


def success(data: Any, **annotations: Any) -> Reply:
    """Return a response in Prometheus' format."""
    return Reply(body=json.dumps({"status": "success", "data": data, **annotations}).encode())


def vector(*values: str) -> Reply:
    """Return a vector with one series for each value."""
    result = [{"metric": {"n": str(n)}, "value": [1.5, value]} for n, value in enumerate(values)]
    return success({"resultType": "vector", "result": result})


def failed(status: int, kind: str, message: str, **headers: str) -> Reply:
    """Return an error in Prometheus' format."""
    body = json.dumps({"status": "error", "errorType": kind, "error": message}).encode()
    return Reply(status, body, {"Content-Type": "application/json", **headers})


def aetos(request: Request) -> Reply:
    """Reply like Aetos 3.0.0: no POST of queries, no range queries, its own error format."""
    if request.path == "/api/v1/query":
        if request.method != "GET":
            return _aetos_error(405, "Method Not Allowed")
        if len(request.line) > 4000:
            return Reply(
                400, b"<html>Bad Request: Request Line is too large</html>", {"Content-Type": "text/html"}
            )
        if request.parameters["query"] == "sum(":
            return _aetos_error(400, "parse error: unclosed left parenthesis")
        return vector("1")
    return _aetos_error(404, "Not Found")


def _aetos_error(status: int, message: str) -> Reply:
    return Reply(status, json.dumps({"error_message": message}).encode())


class MetricsServer(JsonServer):
    """A server on a free port of the loopback interface. A context manager.

    Args:
        replies: a function that returns the reply to a request; or replies to send in order, of which the
            last is repeated.
        tls: the context of an https server.

    Attributes:
        requests: the received requests.
        connections: the number of connections that were opened.
    """

    def __init__(
        self, replies: Callable[[Request], Reply] | list[Reply], tls: ssl.SSLContext | None = None
    ) -> None:
        self.replies = replies
        self.requests: list[Request] = []
        self.connections = 0
        self.lock = threading.Lock()
        super().__init__(_Handler, server_of=self)
        self.url = self.root_url
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self.url = self.root_url.replace("http", "https")

    def reply(self, request: Request) -> Reply:
        """Record a request, and return the reply."""
        with self.lock:
            self.requests.append(request)
            if isinstance(self.replies, list):
                return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return self.replies(request)


class _Handler(JsonHandler):
    """One connection."""

    server_of: MetricsServer
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes; Nagle's algorithm would delay the second.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        with self.server_of.lock:
            self.server_of.connections += 1

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        pairs = parse_qsl(parts.query or body, keep_blank_values=True)
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server_of.reply(Request(self.command, parts.path, pairs, headers, self.path))
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: reply.cut])
        if reply.cut is not None:
            self.close_connection = True

    do_GET = do_POST = _serve  # noqa: N815  # the base class' names

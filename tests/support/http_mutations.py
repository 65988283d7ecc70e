"""Faults of HTTP code and logins that their unit tests must find."""

__all__ = ["HTTP"]

READER = ("http/server/request_reader.py", "http/server/test_request_reader.py")
CONNECTION = ("http/server/connection.py", "http/server/test_connection.py")
SERVER = ("http/server/connection.py", "http/server/test_server.py")
CLIENT_ADDRESS = ("http/server/client_address.py", "http/server/test_client_address.py")
PROXY_PROTOCOL = ("http/server/proxy_protocol.py", "http/server/test_proxy_protocol.py")
PROXIED = ("http/server/proxied_connection.py", "http/server/test_proxied_connection.py")
THROTTLE = ("identity/throttle.py", "identity/test_basic.py")
HTTP1 = ("http/upstream/http1.py", "http/upstream/test_http1.py")
UPSTREAM = ("http/upstream/connection.py", "http/upstream/test_connection.py")
POOL = ("http/upstream/pool.py", "http/upstream/test_pool.py")
RETRIES = ("http/upstream/pool.py", "http/upstream/test_retries.py")
CANCELLED = ("http/upstream/pool.py", "http/upstream/test_connection.py")
CLIENTS = ("http/server/server.py", "http/server/test_server.py")
WRITER = ("http/server/response_writer.py", "http/server/test_response_writer.py")
SOCKETS = ("http/server/sockets.py", "http/server/test_sockets.py")
FILE_LIMIT = (
    "http/server/runner.py",
    "http/server/test_runner.py::test_connections_fit_into_the_limit_of_open_files",
)
SECOND_SIGNAL = ("http/server/runner.py", "http/server/test_runner.py::test_second_signal_aborts_requests")
WORKERS = ("http/server/workers.py", "http/server/test_workers.py")
REPLICAS = ("http/upstream/replicas.py", "http/upstream/test_replicas.py")
RESPONSE = ("http/upstream/response.py", "http/upstream/test_response.py")
CANCELLED_BODY = ("http/upstream/response.py", "http/upstream/test_connection.py")

# Module and its tests, a part of the module, and its replacement.
HTTP = {
    "two framings of a request are accepted": (
        READER,
        "            if length is not None:\n",
        "            if False:\n",
    ),
    "a duplicate Host or Content-Length is accepted": (READER, "if name in single:", "if False:"),
    "names with an underscore are kept": (READER, 'if b"_" not in name:', "if name:"),
    "any transfer coding is taken for chunked": (
        READER,
        'if coding.lower() != b"chunked":',
        "if not coding:",
    ),
    "a length may be signed": (READER, "if not _LENGTH.fullmatch(length):", "if not length:"),
    "a chunk may be longer than its size": (
        READER,
        "_Part.CHUNK_END: 0,",
        "_Part.CHUNK_END: 9,",
    ),
    "a chunked body has no limit": (READER, "if self._total > self._limits.body:", "if self._total < 0:"),
    "a body has no limit": (READER, "if fields.length > self._limits.body:", "if fields.length < 0:"),
    "the target may name another server": (READER, "authority.lower() != host.lower()", "not authority"),
    "HTTP/1.0 may be chunked": (READER, 'if fields.chunked and version == "1.0":', "if False:"),
    "Host may be missing": (READER, 'if fields.host is None and version == "1.1":', "if False:"),
    "a cancelled request leaves its connection open": (
        CONNECTION,
        "except asyncio.CancelledError:\n            self.abort()",
        "except asyncio.CancelledError:\n            pass",
    ),
    "a lost connection leaves its request running": (CONNECTION, "self._task.cancel()", "pass"),
    "the application does not wait for a slow client": (SERVER, "if self._drained is not None:", "if False:"),
    "requests that are sent ahead are lost": (
        SERVER,
        "elif self._state is _State.SERVING:\n            self._reader.feed(data)",
        "elif self._state is _State.SERVING:\n            pass",
    ),
    "any entry of a header of proxies is believed": (
        CLIENT_ADDRESS,
        "if not self._includes(client):",
        "if False:",
    ),
    "every peer may name its client": (
        PROXIED,
        'if not self._proxies.trusts(self._client[0] if self._client else ""):',
        "if False:",
    ),
    "headers behind the PROXY protocol are believed": (
        PROXIED,
        "self._believed = self._proxies.trusts(header.source[0])",
        "self._believed = True",
    ),
    "headers are believed when the PROXY protocol names no client": (
        PROXIED,
        "if header.source is not None:",
        "self._believed = header.source is None\n        if header.source is not None:",
    ),
    "a header of the PROXY protocol may be too short": (
        PROXY_PROTOCOL,
        "if size and length < ports + 4:",
        "if False:",
    ),
    "failures of a user count for all addresses": (
        THROTTLE,
        '"sha256") + address',
        '"sha256")',
    ),
    "bytes after a response are accepted": (HTTP1, "elif self.complete:", "elif False:"),
    "a response needs no framing": (HTTP1, "if not closes:", "if False:"),
    "a header may change the framing of a request": (HTTP1, "if name.lower() in _OWN:", "if not name:"),
    "a connection that closes is kept": (HTTP1, "self.keep_alive = not closes and", "self.keep_alive ="),
    "the kernel is not asked before a connection is used again": (
        UPSTREAM,
        "return not self.closed and not self._poll.poll(0)",
        "return not self.closed",
    ),
    "bytes out of turn are ignored": (
        UPSTREAM,
        "if reader is None:\n            self._close()\n            return",
        "if reader is None:\n            return",
    ),
    "every request is sent again": (
        RETRIES,
        "may_retry = idempotent or method in _READS",
        "may_retry = True",
    ),
    "a cancelled request leaves its connection in use": (CANCELLED, "connection.cancel(waiter)", "pass"),
    "a failed connection keeps its slot": (POOL, "self._release_slot()\n            raise", "raise"),
    "connections have no limit": (
        CLIENTS,
        "if oldest is None:\n                return False",
        "if oldest is None:\n                return True",
    ),
    "deadlines of clients are ignored": (CLIENTS, "connection.expire()", "pass"),
    "incomplete requests have no limit": (
        CLIENTS,
        "self.unfinished > self.limits.unfinished_bytes",
        "False",
    ),
    "a header may end a response's headers": (
        WRITER,
        'if head.count(b"\\n") != len(lines) or head.count(b"\\r") != len(lines) or',
        "if",
    ),
    "a body may be shorter than its length": (WRITER, "(self._left and not more)", "False"),
    "a body may be longer than its length": (WRITER, "self._left < 0 or ", ""),
    "every user may connect to the Unix socket": (SOCKETS, "os.umask(0o117)", "os.umask(0)"),
    "sockets of another process are used": (SOCKETS, "pid != str(os.getpid()) or ", ""),
    "the socket of a running gateway is removed": (
        SOCKETS,
        "            probe.connect(path)\n        except",
        "            raise ConnectionRefusedError\n        except",
    ),
    "any version of TLS is accepted": (
        SOCKETS,
        "ssl.TLSVersion.TLSv1_2",
        "ssl.TLSVersion.MINIMUM_SUPPORTED",
    ),
    "the limit of open files is ignored": (FILE_LIMIT, "most is None or most >= limits.connections", "True"),
    "a second signal is ignored": (SECOND_SIGNAL, "(at_once if end.is_set() else end).set()", "end.set()"),
    "the service is ready with its first worker": (
        WORKERS,
        "set(self._running.values()) == {-1}",
        "-1 in self._running.values()",
    ),
    "workers that exit are started without a pause": (
        WORKERS,
        "if not self._announced or now - self._started >= _RESTART_SECONDS:",
        "if True:",
    ),
    "a failed start has the status 0": (WORKERS, "self._status = status or 1", "self._status = 0"),
    "a write is sent to two replicas": (REPLICAS, " or (reached and not idempotent)", ""),
    "each replica has the whole time": (REPLICAS, "left = deadline - self._clock()", "left = timeout"),
    "a busy replica counts as failed": (REPLICAS, "if not isinstance(error, AllBusy):", "if True:"),
    "a replica that is not ready keeps its connection": (
        REPLICAS,
        "response.abort()\n                self._try_last(index)",
        "self._try_last(index)",
    ),
    "bytes of a broken body are delivered": (
        RESPONSE,
        "if error is not None:\n            self._pieces.clear()",
        "if False:\n            self._pieces.clear()",
    ),
    "a cancelled reader keeps its connection": (
        CANCELLED_BODY,
        "except asyncio.CancelledError:\n                self.abort()",
        "except asyncio.CancelledError:\n                pass",
    ),
}

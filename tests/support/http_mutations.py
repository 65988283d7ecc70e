"""Faults of HTTP code and logins that their unit tests must find."""

__all__ = ["HTTP"]

READER = ("http/server/request_reader.py", "http/server/test_request_reader.py")
CONNECTION = ("http/server/connection.py", "http/server/test_connection.py")
SERVER = ("http/server/connection.py", "http/server/test_server.py")
UNFINISHED = ("http/server/unfinished_bytes.py", "http/server/test_unfinished_bytes.py")
RESPONDING = ("http/server/connection.py", "http/server/test_responding.py")
CLIENT_ADDRESS = ("http/server/client_address.py", "http/server/test_client_address.py")
PROXY_PROTOCOL = ("http/server/proxy_protocol.py", "http/server/test_proxy_protocol.py")
PROXIED = ("http/server/proxied_connection.py", "http/server/test_proxied_connection.py")
THROTTLE = ("identity/throttle.py", "identity/test_guessing.py")
HTTP1 = ("http/upstream/http1.py", "http/upstream/test_http1.py")
UPSTREAM = ("http/upstream/connection.py", "http/upstream/test_connection.py")
POOL = ("http/upstream/pool.py", "http/upstream/test_pool.py")
RETRIES = ("http/upstream/pool.py", "http/upstream/test_retries.py")
CANCELLED = ("http/upstream/pool.py", "http/upstream/test_connection.py")
CLIENTS = ("http/server/server.py", "http/server/test_server.py")
WRITER = ("http/server/response_writer.py", "http/server/test_response_writer.py")
SOCKETS = ("http/server/sockets.py", "http/server/test_sockets.py")
RUNNER = ("http/server/runner.py", "http/server/test_runner.py")
WORKERS = ("http/server/workers.py", "http/server/test_workers.py")
REPLICAS = ("http/upstream/replicas.py", "http/upstream/test_replicas.py")
RESPONSE = ("http/upstream/response.py", "http/upstream/test_response.py")
CANCELLED_BODY = ("http/upstream/response.py", "http/upstream/test_connection.py")

# Module and its tests, the test that finds the fault soonest, a part of the module, and its replacement.
HTTP = {
    "two framings of a request are accepted": (
        READER,
        "test_request_with_ambiguous_length_is_rejected",
        "            if length is not None:\n",
        "            if False:\n",
    ),
    "a duplicate Host or Content-Length is accepted": (
        READER,
        "test_request_with_ambiguous_length_is_rejected",
        "if name in single:",
        "if False:",
    ),
    "names with an underscore are kept": (
        READER,
        "test_headers_with_an_underscore_are_removed",
        'if b"_" not in name:',
        "if name:",
    ),
    "the headers of a request are taken for those of another": (
        READER,
        "test_what_is_derived_from_headers_is_kept_for_equal_ones_of_all_connections",
        "fields = self._kept.get(block)",
        "fields = next((kept for _, kept in self._kept.items()), None)",
    ),
    "any transfer coding is taken for chunked": (
        READER,
        "test_request_with_ambiguous_length_is_rejected",
        'if coding.lower() != b"chunked":',
        "if not coding:",
    ),
    "a length may be signed": (
        READER,
        "test_request_with_ambiguous_length_is_rejected",
        "if not _LENGTH.fullmatch(length):",
        "if not length:",
    ),
    "a chunk may be longer than its size": (
        READER,
        "test_a_request_without_exactly_one_host_or_with_malformed_chunks_is_rejected",
        "_CHUNK_END: 0,",
        "_CHUNK_END: 9,",
    ),
    "a chunked body has no limit": (
        READER,
        "test_limits",
        "if self._total > self._limits.body:",
        "if self._total < 0:",
    ),
    "a body has no limit": (
        READER,
        "test_limits",
        "if fields.length > self._limits.body:",
        "if fields.length < 0:",
    ),
    "the target may name another server": (
        READER,
        "test_a_request_without_exactly_one_host_or_with_malformed_chunks_is_rejected",
        "authority.lower() != host.lower()",
        "not authority",
    ),
    "HTTP/1.0 may be chunked": (
        READER,
        "test_a_request_without_exactly_one_host_or_with_malformed_chunks_is_rejected",
        'if fields.chunked and version == "1.0":',
        "if False:",
    ),
    "Host may be missing": (
        READER,
        "test_a_request_without_exactly_one_host_or_with_malformed_chunks_is_rejected",
        'if fields.host is None and version == "1.1":',
        "if False:",
    ),
    "a cancelled request leaves its connection open": (
        CONNECTION,
        "test_cancelled_request_aborts_its_connection",
        "except asyncio.CancelledError:\n            self.abort()",
        "except asyncio.CancelledError:\n            pass",
    ),
    "a lost connection leaves its request running": (
        CONNECTION,
        "test_lost_connection_cancels_its_request_and_is_then_forgotten",
        "self._task.cancel()",
        "pass",
    ),
    "the application does not wait for a slow client": (
        RESPONDING,
        "test_client_that_does_not_read_pauses_the_application_and_is_disconnected",
        "if self._drained is not None:",
        "if False:",
    ),
    "requests that are sent ahead are lost": (
        SERVER,
        "test_reading_pauses_while_a_request_is_served",
        "elif self._state == _SERVING:\n            self._reader.feed(data)",
        "elif self._state == _SERVING:\n            pass",
    ),
    "any entry of a header of proxies is believed": (
        CLIENT_ADDRESS,
        "test_x_forwarded_for",
        "if not self._includes(client):",
        "if False:",
    ),
    "every peer may name its client": (
        PROXIED,
        "test_another_peer_is_itself_the_client",
        "if not self._proxies.trusts(self._client):",
        "if False:",
    ),
    "headers behind the PROXY protocol are believed": (
        PROXIED,
        "test_the_proxy_protocol_names_the_client_of_all_requests",
        "self._believed = self._proxies.trusts(header.client)",
        "self._believed = True",
    ),
    "headers are believed when the PROXY protocol names no client": (
        PROXIED,
        "test_a_proxy_that_names_no_client_is_the_client",
        "if header.client is not None:",
        "self._believed = header.client is None\n        if header.client is not None:",
    ),
    "a header of the PROXY protocol may be too short": (
        PROXY_PROTOCOL,
        "test_a_malformed_binary_header_is_an_error_before_its_end",
        "if size and length < _FIXED + 2 * size + 4:",
        "if False:",
    ),
    "failures of a user count for all addresses": (
        THROTTLE,
        "test_guessing_from_one_address_does_not_throttle_others",
        '"sha256") + address',
        '"sha256")',
    ),
    "bytes after a response are accepted": (
        HTTP1,
        "test_bytes_after_the_end_are_rejected",
        "elif self.complete:",
        "elif False:",
    ),
    "a response needs no framing": (
        HTTP1,
        "test_malformed_headers_are_rejected",
        "if not closes:",
        "if False:",
    ),
    "a header may change the framing of a request": (
        HTTP1,
        "test_header_injection_is_rejected_and_not_quoted",
        "if name.lower() in _OWN:",
        "if not name:",
    ),
    "a connection that closes is kept": (
        HTTP1,
        "test_response_that_ends_with_the_connection",
        "self.keep_alive = not closes and",
        "self.keep_alive =",
    ),
    "the kernel is not asked before a connection is used again": (
        UPSTREAM,
        "test_connection_is_not_usable_once_the_kernel_has_received_something",
        "return not self.closed and not self._poll.poll(0)",
        "return not self.closed",
    ),
    "bytes out of turn are ignored": (
        UPSTREAM,
        "test_idle_connection_that_closes_releases_no_slot",
        "if reader is None:\n            self._close()\n            return",
        "if reader is None:\n            return",
    ),
    "every request is sent again": (
        RETRIES,
        "test_write_is_not_retried",
        "may_retry = idempotent or method in _READS",
        "may_retry = True",
    ),
    "a cancelled request leaves its connection in use": (
        CANCELLED,
        "test_cancelled_while_waiting_for_the_headers",
        "connection.cancel(waiter)",
        "pass",
    ),
    "a failed connection keeps its slot": (
        POOL,
        "test_connection_refused",
        "self._release_slot()\n            raise",
        "raise",
    ),
    "connections have no limit": (
        CLIENTS,
        "test_connection_over_the_limit_is_rejected_if_all_are_busy",
        "if oldest is None:\n                return False",
        "if oldest is None:\n                return True",
    ),
    "deadlines of clients are ignored": (
        CLIENTS,
        "test_idle_connection_is_closed_without_a_response",
        "connection.expire()",
        "pass",
    ),
    "incomplete requests have no limit": (
        UNFINISHED,
        "test_the_oldest_requests_make_room",
        "while self.total > self._limit:",
        "while False:",
    ),
    "a rejected request keeps its body": (
        SERVER,
        "test_incomplete_requests_share_a_limit",
        "        self._body.clear()\n        self._request = None\n",
        "        self._request = None\n",
    ),
    "a header may end a response's headers": (
        WRITER,
        "test_invalid_responses_are_errors",
        'if len(head) - len(head.translate(None, b"\\r\\n\\0")) != 2 * lines:',
        "if not head:",
    ),
    "a body may be shorter than its length": (
        WRITER,
        "test_invalid_responses_are_errors",
        "(self._left and not more)",
        "False",
    ),
    "a body may be longer than its length": (
        WRITER,
        "test_invalid_responses_are_errors",
        "self._left < 0 or ",
        "",
    ),
    "every user may connect to the Unix socket": (
        SOCKETS,
        "test_unix_socket_is_for_user_and_group",
        "os.umask(0o117)",
        "os.umask(0)",
    ),
    "sockets of another process are used": (
        SOCKETS,
        "test_sockets_for_another_process_are_not_used",
        "pid != str(os.getpid()) or ",
        "",
    ),
    "the socket of a running gateway is removed": (
        SOCKETS,
        "test_unix_socket_is_for_user_and_group",
        "            probe.connect(path)\n        except",
        "            raise ConnectionRefusedError\n        except",
    ),
    "any version of TLS is accepted": (
        SOCKETS,
        "test_https_requires_tls_1_2",
        "ssl.TLSVersion.TLSv1_2",
        "ssl.TLSVersion.MINIMUM_SUPPORTED",
    ),
    "the limit of open files is ignored": (
        RUNNER,
        "test_connections_fit_into_the_limit_of_open_files",
        "most is None or most >= limits.connections",
        "True",
    ),
    "a second signal is ignored": (
        RUNNER,
        "test_second_signal_aborts_requests",
        "(at_once if end.is_set() else end).set()",
        "end.set()",
    ),
    "the service is ready with its first worker": (
        WORKERS,
        "test_ready_is_reported_once_after_all_workers_serve",
        "set(self._running.values()) == {-1}",
        "-1 in self._running.values()",
    ),
    "workers that exit are started without a pause": (
        WORKERS,
        "test_workers_that_exit_immediately_are_started_once_a_second",
        "if not self._announced or now - self._started >= _RESTART_SECONDS:",
        "if True:",
    ),
    "a failed start has the status 0": (
        WORKERS,
        "test_worker_that_exits_before_all_are_ready_ends_the_service",
        "self._status = status or 1",
        "self._status = 0",
    ),
    "a write is sent to two replicas": (
        REPLICAS,
        "test_write_goes_to_the_next_replica_only_if_the_first_was_not_reached",
        " or (reached and not idempotent)",
        "",
    ),
    "each replica has the whole time": (
        REPLICAS,
        "test_the_next_replica_gets_the_time_that_is_left",
        "left = deadline - self._clock()",
        "left = timeout",
    ),
    "a busy replica counts as failed": (
        REPLICAS,
        "test_replica_whose_connections_are_all_busy_has_not_failed",
        "if not isinstance(error, AllBusy):",
        "if True:",
    ),
    "a replica that is not ready keeps its connection": (
        REPLICAS,
        "test_read_goes_to_the_next_replica_while_one_is_not_ready",
        "response.abort()\n                self._try_last(index)",
        "self._try_last(index)",
    ),
    "bytes of a broken body are delivered": (
        RESPONSE,
        "test_body_that_is_cut_off_is_an_error",
        "if error is not None:\n            self._pieces.clear()",
        "if False:\n            self._pieces.clear()",
    ),
    "a cancelled reader keeps its connection": (
        CANCELLED_BODY,
        "test_cancelled_while_waiting_for_the_body",
        "except asyncio.CancelledError:\n                self.abort()",
        "except asyncio.CancelledError:\n                pass",
    ),
}

"""Break HTTP code, logins and the proxy in many ways, one at a time; each time their unit tests must fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import chrysaetos

# On other Pythons, only the pure parts are tested, without the gateway's dependencies.
pytest.importorskip("keystonemiddleware")

ROOT = Path(__file__).parents[1]

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
RELAY = ("gateway/proxy/relay.py", "gateway/proxy/test_relay.py")
PROXY = ("gateway/proxy/proxy.py", "gateway/proxy/test_proxy.py")
ADMISSION = ("gateway/proxy/admission.py", "gateway/proxy/test_admission.py")
COALESCING = ("gateway/proxy/coalescing.py", "gateway/proxy/test_coalescing.py")
LIMITS = ("gateway/proxy/limits.py", "gateway/proxy/test_limits.py")
HEALTH = ("gateway/own/health.py", "gateway/own/test_health.py")
INTROSPECTION = ("gateway/own/introspection.py", "gateway/own/test_introspection.py")

# Module and its tests, a part of the module, and its replacement.
BREAKS = {
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
    "a refused response keeps its connection": (
        RELAY,
        "in NOT_FOR_CLIENTS:\n        response.abort()",
        "in NOT_FOR_CLIENTS:\n        pass",
    ),
    "a cancelled response keeps its connection": (
        RELAY,
        "finally:\n        response.abort()",
        "finally:\n        pass",
    ),
    "the upstream's 403 is passed on": (RELAY, "frozenset({401, 403, 407})", "frozenset({401, 407})"),
    "every header is passed on": (RELAY, " if header[0] in _PASSED]", "]"),
    "a slot is never released": (
        LIMITS,
        "            self._limits.release(self._project)\n",
        "            pass\n",
    ),
    "a response that was sent counts for ever": (
        LIMITS,
        "            self._limits.stop_sending(self._sending)\n",
        "            pass\n",
    ),
    "a response that is sent keeps its slot": (
        LIMITS,
        "        self.sending += 1\n        self.in_use -= 1\n",
        "        self.sending += 1\n",
    ),
    "a query is scoped before its request has a slot": (
        PROXY,
        "        if not limits.try_acquire(project):\n",
        (
            "        await self._bind(_Call(request, target, scope, project, caller, exchange), receive)\n"
            "        if not limits.try_acquire(project):\n"
        ),
    ),
    "errors in another format reach tenants": (
        PROXY,
        "scope.unrestricted or response.status < 400 or",
        "True or",
    ),
    "operators' endpoints are open": (
        ADMISSION,
        "if endpoint.action is Action.OPERATOR and not scope.unrestricted:",
        "if False:",
    ),
    "an old response is shared": (COALESCING, "now - request.since > self._max_age", "False"),
    "a project has no limit": (LIMITS, "if running >= self._each or self.in_use", "if self.in_use"),
    "a cancelled waiter keeps its slot": (
        LIMITS,
        "not waiter.cancelled():\n                self.release(project)",
        "not waiter.cancelled():\n                pass",
    ),
    "an engine without a health path is not ready": (HEALTH, "{200, 404}", "{200}"),
    "a long answer holds up other requests": (INTROSPECTION, "await asyncio.sleep(0)", "pass"),
}


@pytest.fixture
def package(tmp_path):
    """A copy of the package."""
    copy = tmp_path / "chrysaetos"
    shutil.copytree(Path(chrysaetos.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.mark.parametrize("name", BREAKS)
def test_the_unit_tests_fail(package, name):
    (module, tests), old, new = BREAKS[name]
    path = package / module
    source = path.read_text()
    assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times in {module}"
    path.write_text(source.replace(old, new))
    # A mutation may leave a connection open; its warning must not end pytest before the summary.
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:unraisableexception"]
    command = [sys.executable, "-m", "pytest", *options, f"tests/{tests}"]
    environment = {"PYTHONPATH": str(package.parent), "PATH": ""}
    result = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False
    )
    assert result.returncode == 1, result.stdout
    assert " failed" in result.stdout, result.stdout
    assert "SyntaxError" not in result.stdout

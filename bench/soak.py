"""Send mixed, slow, cancelled and hostile requests while the servers behind the gateway fail by turns.

    make soak SOAK_MINUTES=2      or      python -m bench.soak [--minutes M]

Keystone, Prometheus and memcached are suspended, or killed and started again, one after another. Each series
has a label ``owner`` that names its project, and the body of each response is searched for other projects.
A 5xx status or a lost connection is explained only if the request overlaps a fault that can cause it, or the
second (``GRACE``) after it; the error of the circuit breaker, if it may still be open (``BREAKER``). The load
pauses after the warm-up and at the end: memory, open files and threads of the gateway and of its offload
process must then be about the same, the event loop must have no more tasks, and every slot must be free. At
the end the gateway must exit with status 0 on SIGTERM. Prints a line per minute and a table. The exit status
is 1 if a check fails.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_plus, urlencode

import requests
from bench.fairness import ATTACKS
from tests.fakes.remote_read import EQ, Matcher, query

from chrysaetos.demo.balanced import Memcached
from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK, Server, free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.identity.breaker import BREAKER_PAUSE
from chrysaetos.tenancy.snappy import compress, decompress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PROJECTS, TOKENS = 20, 1000
CLIENTS, SLOW, CANCELLING, HOSTILE = 24, 4, 4, 2
FAULT, GRACE = 5.0, 1.0
"""Seconds that a suspended server stays suspended, and that a fault may still be seen afterwards: a request
may join a read that was sent as long ago (``share_max_age``)."""
WAIT = 2 * FAULT
"""``keystone_wait_seconds``: longer than a fault, so that the breaker stays closed."""
BREAKER = WAIT + BREAKER_PAUSE
"""Seconds after a fault during which the breaker may be open if Keystone was slow to start: calls time out,
and then Keystone is asked again."""
SETTLE = 10.0
"""Seconds without load before memory and slots are measured."""
GAUGES = (
    "tasks",
    "requests_in_flight",
    "limited_in_use",
    "limited_sending",
    "limited_waiting",
    "upstream_in_use",
)
CAUSES = {"keystone": {503}, "prometheus": {0, 502, 503, 504}, "memcached": set[int]()}
"""The statuses that a fault of a server explains; 0 is a connection that was cut off."""
OWNER = re.compile(rb"of-([0-9a-f]{32})")
MALFORMED = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /../api/v1/query HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /api/v1/query HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"GET /api/v1/query HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
)


class Request(NamedTuple):
    """A request without its token; each response must name the caller's project if ``named``."""

    data: bytes
    named: bool
    snappy: bool = False


@dataclass
class Soak:
    """The servers, the tokens by project, and what was counted."""

    gateway: Gateway
    metrics: str
    servers: dict[str, Server]
    tokens: list[tuple[str, str]]
    attacker: str
    mix: list[Request]
    faults: list[tuple[str, float, float]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    pending: list[tuple[float, float, int, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    running: bool = False

    def note(self, began: float, status: int, what: str, body: bytes = b"") -> None:
        """Count a status. Judge those that a fault may explain later, when its end is known."""
        self.counts[str(status or "cut off")] += 1
        if status == 0 or status >= 500:
            self.pending.append((began, time.monotonic(), status, f"{what}: {body.decode()[:200]}"))
        elif status != 200:
            self.failures.append(f"{what}: status {status}")

    def judge(self) -> None:
        """Add what no fault explains to the failures."""
        for began, ended, status, what in self.pending:
            of_breaker = "Keystone does not answer" in what
            if not any(
                status in CAUSES[name]
                and began < end + (BREAKER if of_breaker and name == "keystone" else GRACE)
                and ended > start
                for name, start, end in self.faults
            ):
                late = [began - end for name, _, end in self.faults if status in CAUSES[name] and end < began]
                self.failures.append(
                    f"status {status or 'cut off'}, {min(late, default=math.inf):.0f} s after a fault that "
                    f"could explain it: {what}"
                )
        self.pending.clear()


def _get(path: str, **parameters: object) -> bytes:
    target = f"{path}?{urlencode(parameters)}"
    return f"GET {target} HTTP/1.1\r\nHost: gateway\r\nX-Auth-Token: %TOKEN%\r\n\r\n".encode()


def _post(path: str, body: bytes, headers: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nX-Auth-Token: %TOKEN%\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _mix(now: int) -> list[Request]:
    read = compress(query([Matcher(EQ, "__name__", "cpu")], (now - 600) * 1000, now * 1000))
    kind = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
    form = "Content-Type: application/x-www-form-urlencoded\r\n"
    return [
        *[Request(_get("/api/v1/query", query="cpu"), named=True)] * 6,
        Request(_get("/api/v1/query", query="sum by (owner) (rate(cpu[5m])) or cpu"), named=True),
        Request(_get("/api/v1/query_range", query="cpu", start=now - 1800, end=now, step=15), named=True),
        Request(_get("/api/v1/series", **{"match[]": "cpu"}), named=True),
        Request(_get("/api/v1/labels"), named=False),
        Request(_get("/api/v1/label/owner/values"), named=True),
        Request(_get("/api/v1/metadata"), named=False),
        Request(_get("/api/v1/rules"), named=False),
        Request(_post("/api/v1/read", read, kind), named=True, snappy=True),
        Request(_post("/-/explain", b"query=" + quote_plus("cpu").encode(), form), named=False),
        Request(_get("/-/whoami"), named=False),
    ]


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read a response with a Content-Length or chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(None, 2)[1])
    if b"\r\ntransfer-encoding: chunked" not in head:
        length = int(head.partition(b"content-length: ")[2].split(b"\r")[0])
        return status, await reader.readexactly(length)
    parts = []
    while size := int(await reader.readuntil(b"\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\n")
    return status, b"".join(parts)


def _wrong(request: Request, body: bytes, project: str) -> str | None:
    """Return what is wrong with the body of a successful response, None if nothing is."""
    text = decompress(body, 1 << 26) if request.snappy else body
    owners = {owner.decode() for owner in OWNER.findall(text)}
    if owners - {project}:
        return "SERIES OF ANOTHER PROJECT"
    return "no series of the own project" if request.named and not owners else None


async def _client(soak: Soak) -> None:
    while soak.running:
        began, what, writer = time.monotonic(), "connection", None
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, soak.gateway.port, limit=1 << 20)
            while soak.running:
                request, (project, token) = random.choice(soak.mix), random.choice(soak.tokens)
                what, began = request.data.split(b" HTTP", 1)[0].decode()[:60], time.monotonic()
                writer.write(request.data.replace(b"%TOKEN%", token.encode(), 1))
                status, body = await asyncio.wait_for(_answer(reader), 60)
                soak.note(began, status, what, body)
                if status == 200 and (wrong := _wrong(request, body, project)):
                    soak.failures.append(f"{what}: {wrong}")
                if status >= 400:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            soak.failures.append(f"{what}: no response within 60 s")
        except (OSError, asyncio.IncompleteReadError):
            soak.note(began, 0, what)
        if writer is not None:
            writer.close()


async def _disturb(soak: Soak, send: Callable[[int], bytes], use: Callable[..., Awaitable[None]]) -> None:
    """Open connections, send a request on each and leave it as ``use`` does."""
    number = random.randrange(1 << 20)
    while soak.running:
        number += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            reader, writer = await asyncio.open_connection(LOOPBACK, soak.gateway.port, limit=4096)
            writer.write(send(number).replace(b"%TOKEN%", soak.attacker.encode(), 1))
            try:
                await asyncio.wait_for(use(reader), 30)
            finally:
                soak.counts["disturbing"] += 1
                writer.transport.abort()
        await asyncio.sleep(0.02)


async def _slowly(reader: asyncio.StreamReader) -> None:
    while await reader.read(4096):  # noqa: ASYNC110  # that is what a slow reader does
        await asyncio.sleep(0.5)


async def _cancel(reader: asyncio.StreamReader) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(reader.read(100), random.random() * 0.05)


async def _patiently(reader: asyncio.StreamReader) -> None:
    """Wait for a response; an internal error is never explained."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head.split(None, 2)[1] == b"500":
        raise AssertionError(f"a hostile request got status 500: {head!r}")


async def _fault(soak: Soak, turn: int) -> None:
    """Suspend a server, or kill it and start it again; the kind depends on the turn."""
    name, server = list(soak.servers.items())[turn % 3]
    started = time.monotonic()
    position = len(soak.faults)
    soak.faults.append((name, started, float("inf")))
    try:
        if turn % 6 < 3:
            os.killpg(server.pid or 0, signal.SIGSTOP)
            await asyncio.sleep(FAULT)
            os.killpg(server.pid or 0, signal.SIGCONT)
        else:
            os.killpg(server.pid or 0, signal.SIGKILL)
            await asyncio.sleep(1)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(server.wait_ready)
    finally:
        soak.faults[position] = (name, started, time.monotonic())


async def _period(soak: Soak, seconds: float, first: int) -> int:
    """Send requests for some time, with faults by turns; return the next turn."""
    soak.running = True
    attacks = list(ATTACKS.values())
    cancelled = [request.data for request in soak.mix]
    uses: list[tuple[int, Callable[[int], bytes], Callable[..., Awaitable[None]]]] = [
        (SLOW, ATTACKS["slow readers of five projects"], _slowly),
        (CANCELLING, lambda number: cancelled[number % len(cancelled)], _cancel),
        (HOSTILE, lambda number: attacks[number % len(attacks)](number), _patiently),
        (1, lambda number: MALFORMED[number % len(MALFORMED)], _patiently),
    ]
    tasks = [asyncio.create_task(_client(soak)) for _ in range(CLIENTS)]
    tasks += [asyncio.create_task(_disturb(soak, *how)) for count, *how in uses for _ in range(count)]  # type: ignore[arg-type]
    until, turn, minute = time.monotonic() + seconds, first, time.monotonic() + 60
    # The last fault ends before the load does, so that requests after it are judged as well.
    while (left := until - time.monotonic()) > 0:
        if left > 4 * FAULT:
            await _fault(soak, turn)
            turn += 1
        await asyncio.sleep(min(FAULT, max(0.0, until - time.monotonic())))
        if time.monotonic() > minute:
            minute += 60
            print(f"{time.strftime('%H:%M:%S')}  {dict(sorted(soak.counts.items()))}", flush=True)
        if soak.failures:
            break
    soak.running = False
    _, late = await asyncio.wait(tasks, timeout=90)
    for task in tasks:
        if task in late:
            soak.failures.append("a client did not end within 90 s")
        elif error := task.exception():
            soak.failures.append(repr(error))
    soak.judge()
    return turn


def _measure(soak: Soak) -> dict[str, float]:
    """Return gauges of the gateway, and memory, files and threads of its processes, by name."""
    found: dict[str, float] = {}
    for line in requests.get(soak.metrics, timeout=30).text.splitlines():
        name = re.split(r"[{ ]", line, maxsplit=1)[0].removeprefix("chrysaetos_")
        if name in GAUGES:
            found[name] = found.get(name, 0) + float(line.rpartition(" ")[2])
    values: Counter[str] = Counter()
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            pid = int(entry.name)
            # The offload process has a session of its own.
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if soak.gateway.pid in {pid, parent}:
                kind = "gateway" if pid == soak.gateway.pid else "offload"
                status = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines())
                values[f"{kind} KiB"] += int(status["VmRSS"].split()[0])
                values[f"{kind} threads"] += int(status["Threads"])
                values[f"{kind} files"] += len(list((entry / "fd").iterdir()))
    return {name: found[name] for name in GAUGES} | values


ALLOWED = {"KiB": (1.25, 16 * 1024), "files": (1.0, 24), "threads": (1.0, 8), "tasks": (1.0, 0)}
"""How much more is flat: a factor, and a number on top of it. Slots must be free."""


def _compare(soak: Soak, before: dict[str, float], after: dict[str, float]) -> None:
    print(f"\n{'':24}{'warm':>12}{'end':>12}")
    for name in sorted({*before, *after}):
        print(f"{name:24}{before.get(name, 0):12,.0f}{after.get(name, 0):12,.0f}")
        factor, more = ALLOWED.get(name.split()[-1], (0.0, 0))
        if name not in before or after.get(name, 0) > before[name] * factor + more:
            soak.failures.append(f"{name} is not flat")


def _start(stack: ExitStack, directory: Path, minutes: float) -> Soak:
    lifetime = {"token": {"expiration": str(int(minutes * 60) + 7200)}}
    keystone = stack.enter_context(Keystone(directory / "keystone", options=lifetime))
    api = IdentityApi(keystone.url, keystone.admin_password)
    stack.callback(api.close)
    names = [f"t{number}" for number in range(PROJECTS + 1)]
    accounts = [api.create_account(name, api.create_project(name), name, "reader") for name in names]
    attacker = accounts.pop()
    validator = api.create_account("aetos", api.create_project("service"), "service", "service")
    now = int(time.time())
    prometheus = Prometheus(directory / "prometheus")
    prometheus.backfill([_store([str(account.project_id) for account in accounts], now, int(minutes) + 60)])
    stack.enter_context(prometheus)
    memcached = stack.enter_context(Memcached(directory / "memcached"))
    port = free_port()
    options = {
        "gateway": {
            "metrics_port": str(port),
            "token_cache_seconds": "20",
            "share_max_age": str(GRACE),
            "keystone_wait_seconds": str(WAIT),
        },
        "prometheus": {"timeout": "4", "connect_timeout": "1"},
        "keystone_authtoken": {"memcached_servers": memcached.address},
    }
    gateway = Gateway(
        directory / "gateway",
        keystone_url=keystone.url,
        prometheus_url=prometheus.url,
        user=validator.user,
        password=validator.password,
        options=options,
    )
    stack.enter_context(gateway)
    issued = [(str(owner.project_id), owner.auth()) for owner in accounts] * (TOKENS // PROJECTS)
    return Soak(
        gateway,
        f"http://{LOOPBACK}:{port}/metrics",
        {"keystone": keystone, "prometheus": prometheus, "memcached": memcached},
        [(project, api.token(auth)) for project, auth in issued],
        api.token(attacker.auth()),
        _mix(now),
    )


def _store(projects: list[str], now: int, minutes: int) -> str:
    lines = [
        f'cpu{{project="{project}",owner="of-{project}",vm="{vm}"}} {tick + 100} {now + tick * 60}'
        for project in projects
        for vm in range(5)
        for tick in range(-60, minutes)
    ]
    return "\n".join([*lines, "# EOF", ""])


async def _run(soak: Soak, seconds: float) -> None:
    warm = min(120.0, seconds / 3)
    turn = await _period(soak, warm, 0)
    await asyncio.sleep(SETTLE)
    before = await asyncio.to_thread(_measure, soak)
    if not soak.failures:
        await _period(soak, seconds - warm, turn)
        await asyncio.sleep(SETTLE)
        _compare(soak, before, await asyncio.to_thread(_measure, soak))


def _stop(soak: Soak) -> None:
    """Stop the gateway, and check how it exits."""
    pid = soak.gateway.pid or 0
    os.kill(pid, signal.SIGTERM)

    def exited() -> os.waitid_result | None:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)

    began = time.monotonic()
    if not wait_for(lambda: exited() is not None, timeout=60):
        soak.failures.append("the gateway did not exit within 60 s of SIGTERM")
    elif (result := exited()) is not None and (result.si_code, result.si_status) != (os.CLD_EXITED, 0):
        soak.failures.append(f"the gateway did not exit with status 0 on SIGTERM: {result}")
    print(f"\nexit after {time.monotonic() - began:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="duration of the load")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        soak = _start(stack, Path(folder), minutes)
        asyncio.run(_run(soak, minutes * 60))
        _stop(soak)
        if soak.failures:
            errors = [line for line in soak.gateway.log.read_text().splitlines() if " ERROR " in line]
            print("\n".join(["", "The gateway's last errors:", *errors[-20:]]))
    print(f"\n{dict(sorted(soak.counts.items()))}, faults: {dict(Counter(name for name, *_ in soak.faults))}")
    if soak.failures:
        sys.exit("\n".join(f"{count} times {what}" for what, count in Counter(soak.failures).most_common(20)))
    print("all checks passed")


if __name__ == "__main__":
    main()

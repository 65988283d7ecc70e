"""Generate load with wrk and return its measurements."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Measure", "load", "usage"]

_SCRIPT = Path(__file__).with_name("report.lua")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measure:
    """The result of a run.

    Attributes:
        rate: requests per second.
        p50, p99: latency in milliseconds.
        errors: responses other than 2xx, and failed connections.
        cpu_ms: CPU milliseconds of the server's processes per request.
        memory_before, memory: memory of the server's processes before and after the run, in MiB.
    """

    rate: float
    p50: float
    p99: float
    errors: int
    cpu_ms: float
    memory_before: float
    memory: float


def load(
    url: str,
    *,
    clients: int,
    seconds: float,
    pid: int,
    headers: Mapping[str, str] | None = None,
    tokens: Path | None = None,
    moving: int | None = None,
) -> Measure:
    """Send requests from concurrent clients, each over one persistent connection.

    Args:
        url: the URL of the requests.
        clients: number of clients.
        seconds: duration.
        pid: the leader of the session whose processes are measured.
        headers: headers of each request.
        tokens: file with values of X-Auth-Token to use in turn, one per line.
        moving: seconds since the epoch of a parameter ``time`` that moves by a millisecond with each request.
    """
    command = ["wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds:.0f}s"]
    command += ["--timeout", "30s", "--script", str(_SCRIPT)]
    for name, value in (headers or {}).items():
        command += ["--header", f"{name}: {value}"]
    environment = {**os.environ, "TOKENS": str(tokens or ""), "MOVING": str(moving or "")}
    cpu, memory = usage(pid)
    out = subprocess.run([*command, url], check=True, capture_output=True, text=True, env=environment).stdout
    cpu_after, memory_after = usage(pid)
    report = json.loads(out.splitlines()[-1])
    return Measure(
        rate=report["requests"] / report["seconds"],
        p50=report["p50"] / 1000,
        p99=report["p99"] / 1000,
        errors=report["errors"],
        cpu_ms=(cpu_after - cpu) * 1000 / max(1, report["requests"]),
        memory_before=memory,
        memory=memory_after,
    )


def usage(session: int) -> tuple[float, float]:
    """Return the CPU seconds and MiB of memory of the processes of a session."""
    cpu = memory = 0.0
    for fields, status in _processes(session):
        cpu += (int(fields[11]) + int(fields[12])) / _TICKS
        memory += int(status.split("VmRSS:")[1].split()[0]) / 1024
    return cpu, memory


def _processes(session: int) -> Iterator[tuple[list[str], str]]:
    """Yield ``stat`` (the fields from the state) and ``status`` of proc(5) for each process of a session."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                status = (entry / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and "VmRSS:" in status:
                yield fields, status

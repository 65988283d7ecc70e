"""Load from wrk, and what it measured."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Measure", "load"]

_SCRIPT = Path(__file__).with_name("report.lua")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measure:
    """One run.

    Attributes:
        rate: requests a second.
        p50, p99: latency in milliseconds.
        errors: answers that were not 2xx, and connections that failed.
        cpu_ms: milliseconds of CPU that the server's processes took for a request.
        memory_before, memory: MiB that they held in memory before and behind it.
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
) -> Measure:
    """Keep a number of clients busy, each with one request at a time over a kept connection.

    Args:
        url: what is asked for.
        clients: how many.
        seconds: how long.
        pid: the leader of the server's session, whose processes are measured.
        headers: with each request.
        tokens: a file with values of X-Auth-Token to use in turn, one a line.
    """
    command = ["wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds:.0f}s"]
    command += ["--timeout", "30s", "--script", str(_SCRIPT)]
    for name, value in (headers or {}).items():
        command += ["--header", f"{name}: {value}"]
    environment = {**os.environ, "TOKENS": str(tokens or "")}
    cpu, memory = _usage(pid)
    out = subprocess.run([*command, url], check=True, capture_output=True, text=True, env=environment).stdout
    cpu_behind, memory_behind = _usage(pid)
    found = json.loads(out.splitlines()[-1])
    return Measure(
        rate=found["requests"] / found["seconds"],
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        errors=found["errors"],
        cpu_ms=(cpu_behind - cpu) * 1000 / max(1, found["requests"]),
        memory_before=memory,
        memory=memory_behind,
    )


def _usage(session: int) -> tuple[float, float]:
    """Seconds of CPU and MiB of memory of the processes of a session."""
    cpu = memory = 0.0
    for fields, status in _processes(session):
        cpu += (int(fields[11]) + int(fields[12])) / _TICKS
        memory += int(status.split("VmRSS:")[1].split()[0]) / 1024
    return cpu, memory


def _processes(session: int) -> Iterator[tuple[list[str], str]]:
    """The fields of proc(5)'s ``stat`` from the state on, and ``status``, of each process of a session."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                status = (entry / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and "VmRSS:" in status:
                yield fields, status

"""Load from wrk, and what it measured."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Measure", "load"]

_SCRIPT = Path(__file__).with_name("report.lua")


@dataclass(frozen=True, slots=True)
class Measure:
    """One run.

    Attributes:
        rate: requests a second.
        p50, p99: latency in milliseconds.
        errors: answers that were not 2xx, and connections that failed.
    """

    rate: float
    p50: float
    p99: float
    errors: int


def load(url: str, *, clients: int, seconds: float, headers: Mapping[str, str] | None = None) -> Measure:
    """Keep a number of clients busy, each with one request at a time over a kept connection."""
    command = ["wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds:.0f}s"]
    command += ["--timeout", "30s", "--script", str(_SCRIPT)]
    for name, value in (headers or {}).items():
        command += ["--header", f"{name}: {value}"]
    out = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    found = json.loads(out.splitlines()[-1])
    return Measure(
        rate=found["requests"] / found["seconds"],
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        errors=found["errors"],
    )

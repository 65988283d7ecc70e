"""A site for tests of federation: the content of its TSDB, the gate as a process, and tokens."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, ClassVar

from prometheus_client.parser import text_string_to_metric_families
from tests.support.commands import run

from chrysaetos.demo.processes import LOOPBACK, Server, answers, free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["FederationGate", "Labels", "federate_token", "new_token", "selected", "store_text"]

Labels = frozenset[tuple[str, str]]
"""All labels of a series, including ``__name__``."""

MINUTES = 90


class FederationGate(Server):
    """``chrysaetos federate``, started as by an operator.

    Args:
        directory: its directory, which must contain the token file ``tokens.json`` at the start.
        upstream: root URL of the site's Prometheus.
        arguments: further arguments.
    """

    name: ClassVar[str] = "Gate"
    ready_path: ClassVar[str] = "/-/healthy"

    def __init__(self, directory: Path, upstream: str, *arguments: str) -> None:
        super().__init__(directory)
        self.metrics_port = free_port(taken={self.port})
        self._upstream = upstream
        self._arguments = arguments

    @property
    def tokens(self) -> Path:
        """The token file."""
        return self.directory / "tokens.json"

    def command(self) -> list[str]:
        listening = ("--bind", LOOPBACK, "--port", str(self.port), "--metrics-port", str(self.metrics_port))
        files = ("--tokens", str(self.tokens), "--upstream", self._upstream)
        return [sys.executable, "-m", "chrysaetos", "federate", *listening, *files, *self._arguments]

    def _ready(self) -> bool:
        self.check()
        return answers(f"http://{LOOPBACK}:{self.metrics_port}{self.ready_path}")


def federate_token(*arguments: str, tokens: Path) -> str:
    """Run ``chrysaetos federate token`` and return its output."""
    command = [sys.executable, "-m", "chrysaetos", "federate", "token", *arguments, "--tokens", str(tokens)]
    return run(command).out


def new_token(tokens: Path, *allow: str, name: str = "portal", expires: str = "90d") -> str:
    """Generate a token that may read the series that the selectors select."""
    tokens.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    allowing = [word for selector in allow for word in ("--allow", selector)]
    return federate_token("new", name, *allowing, "--expires", expires, tokens=tokens).strip()


def store_text(series: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield a sample per minute as OpenMetrics text, until long after the end of any test."""
    now = int(time.time()) // 60 * 60
    for labels in sorted(series, key=lambda series: series["__name__"]):
        pairs = ",".join(f"{name}={_quoted(value)}" for name, value in labels.items() if name != "__name__")
        lines = (f"{labels['__name__']}{{{pairs}}} 1 {now + 60 * tick}\n" for tick in range(-10, MINUTES))
        yield "".join(lines)
    yield "# EOF\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def selected(exposition: str) -> set[Labels]:
    """Return the series in a response of ``/federate``, without the empty ``instance`` that it adds."""
    return {
        frozenset(
            (name, value) for name, value in (*sample.labels.items(), ("__name__", sample.name)) if value
        )
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }

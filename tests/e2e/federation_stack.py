"""A site for tests of federation: the content of its TSDB, the gate or HAProxy as a process, and tokens."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from typing import TYPE_CHECKING, ClassVar

from prometheus_client.parser import text_string_to_metric_families
from tests.fakes.wire import Wire, statuses
from tests.support.commands import run

from chrysaetos.demo.processes import LOOPBACK, Server, answers, free_port
from chrysaetos.federation.site import SiteSettings, site_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "FederationGate",
    "HAProxy",
    "Labels",
    "federate_token",
    "new_token",
    "selected",
    "store_text",
    "write_tokens",
]

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


class HAProxy(Server):
    """HAProxy with a site's configuration.

    Args:
        directory: its directory.
        upstream: root URL of the site's Prometheus.
        token: the token that it accepts.
    """

    name: ClassVar[str] = "HAProxy"
    ready_path: ClassVar[str] = "/"

    def __init__(self, directory: Path, upstream: str, token: str) -> None:
        super().__init__(directory)
        settings = SiteSettings("alpha", bind=LOOPBACK, port=self.port, prometheus=upstream)
        (config,) = (file.text for file in site_files(settings) if file.name == "haproxy/haproxy.cfg")
        # Log to standard output, and do not change the user unless root runs the test.
        config = config.replace("log /dev/log local0", "log stdout format raw local0 debug")
        if os.geteuid() != 0:
            config = re.sub(r"(?m)^    (user|group) haproxy\n", "", config)
        self.config = self.directory / "haproxy.cfg"
        self.config.write_text(config)
        write_tokens(self.directory, token)

    def command(self) -> list[str]:
        return ["/usr/sbin/haproxy", "-db", "-f", str(self.config)]

    def _ready(self) -> bool:
        self.check()
        try:
            with Wire((LOOPBACK, self.port), 2) as client:
                client.send(b"GET / HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n")
                return statuses(client.rest()) == [404]
        except OSError:
            return False


def write_tokens(directory: Path, *tokens: str) -> None:
    """Write the tokens that HAProxy accepts."""
    lines = [hashlib.sha256(token.encode()).hexdigest() + "\n" for token in tokens]
    (directory / "portal-tokens").write_text("".join(lines))


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

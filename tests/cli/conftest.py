"""The command ``chrysaetos``, called within the test's own process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest
from tests.fakes.environment import without_credentials
from tests.fakes.metrics_server import MetricsServer, success
from tests.support.commands import call_main

from chrysaetos.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.metrics_server import Reply, Request
    from tests.support.commands import Output


class Run(Protocol):
    """Calls the command with its arguments."""

    def __call__(self, *arguments: str) -> Output: ...


class Canned:
    """Answers by path; keeps nothing.

    Attributes:
        replies: path → the reply to it.
    """

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}

    def __call__(self, request: Request) -> Reply:
        return self.replies[request.path]

    def says(self, path: str, data: object, **notes: object) -> None:
        """From now on a path is answered with this."""
        self.replies[path] = success(data, **notes)


@pytest.fixture(autouse=True)
def nobodys_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no clouds.yaml but the test's own."""
    without_credentials(monkeypatch, tmp_path)


@pytest.fixture
def canned() -> Canned:
    """What the server answers."""
    return Canned()


@pytest.fixture
def server(canned: Canned) -> Iterator[MetricsServer]:
    """A server that answers what is canned."""
    with MetricsServer(canned) as running:
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command; a refusal of its arguments is a status as any other."""
    return lambda *arguments: call_main(main, arguments, capsys)


@pytest.fixture
def ask(run: Run, server: MetricsServer) -> Run:
    """The command, asking the server."""
    return lambda *arguments: run(*arguments, "--url", server.url)

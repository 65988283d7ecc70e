"""Run the command ``chrysaetos`` in the process of the test."""

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
    """Runs the command with arguments."""

    def __call__(self, *arguments: str) -> Output: ...


class Responses:
    """The server's responses by path.

    Attributes:
        replies: the response of each path.
    """

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}

    def __call__(self, request: Request) -> Reply:
        return self.replies[request.path]

    def set(self, path: str, data: object, **annotations: object) -> None:
        """Set the successful response of a path."""
        self.replies[path] = success(data, **annotations)


@pytest.fixture(autouse=True)
def _without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the variables and the clouds.yaml of the machine."""
    without_credentials(monkeypatch, tmp_path)


@pytest.fixture
def responses() -> Responses:
    """The responses of the server."""
    return Responses()


@pytest.fixture
def server(responses: Responses) -> Iterator[MetricsServer]:
    """A running server with these responses."""
    with MetricsServer(responses) as running:
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; an exit of argparse is returned as a status."""
    return lambda *arguments: call_main(main, arguments, capsys)


@pytest.fixture
def run_on_server(run: Run, server: MetricsServer) -> Run:
    """Run the command with the URL of the server."""
    return lambda *arguments: run(*arguments, "--url", server.url)

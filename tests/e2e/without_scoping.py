"""The gateway without its own scoping, so that only the engine enforces the scope."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.e2e.oracle import Oracle

from chrysaetos.demo.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["UnreadOracle", "Unscoped", "UnscopedFor"]


class Unscoped(Gateway):
    """A gateway that does not scope."""

    def command(self) -> list[str]:
        program = Path(__file__).with_name("unscoped.py")
        return [sys.executable, str(program), "gateway", "--config-file", str(self.config_file)]


class UnreadOracle(Oracle):
    """An oracle for a gateway that forwards texts unchanged."""

    def _for_store(self, pairs: Sequence[tuple[str, str | bytes]]) -> list[tuple[str, str | bytes]]:
        return list(pairs)


class UnscopedFor(Protocol):
    """Starts a gateway that does not scope, with options of ``[prometheus]``."""

    def __call__(self, url: str, options: Mapping[str, str], /) -> Gateway: ...

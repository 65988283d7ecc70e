"""The demo as a reader starts it, while tests use it."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.demo.processes import Process, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["running_demo", "terminal"]


def terminal() -> dict[str, str]:
    """Return the environment of a terminal, with this interpreter's programs and without credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "CHRYSAETOS_"))}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


@contextmanager
def running_demo(folder: Path, command: str = "chrysaetos demo --state-dir demo") -> Iterator[dict[str, Any]]:
    """Run the demo while the block runs.

    Args:
        folder: the working directory.
        command: starts the demo, with its state in ``demo`` in that directory.

    Yields:
        The content of ``demo.json``.
    """
    script = f"cd '{folder}' && exec {command}"
    demo = Process("demo", ["bash", "-c", script], log=folder / "demo.log", environment=terminal())
    state = folder / "demo" / "demo.json"
    try:

        def ready() -> bool:
            demo.check()
            return state.exists()

        assert wait_for(ready, timeout=120), demo.tail()
        yield json.loads(state.read_text())
    finally:
        demo.stop(grace=30)

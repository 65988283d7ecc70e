"""The names of metrics and labels for completion, read from the server and kept for some minutes."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from chrysaetos.cli.credentials import ClientManager, add_options
from chrysaetos.errors import ChrysaetosError
from chrysaetos.regular_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chrysaetos.client import MetricsClient

__all__ = ["Names"]

_KEPT_SECONDS = 300
_WINDOW = 3600
"""Only series with samples in this many seconds have their names completed."""
_MAX_NAMES = 2000
_TIMEOUT = 5.0
_Kept = dict[str, tuple[float, list[str]]]
"""The time and the names of each search."""
_SECRETS = ("PASSWORD", "SECRET", "PASSCODE")


class Names:
    """Finds names with the credentials of the words and variables. A context manager.

    The file that keeps them is readable only by the user; other credentials have another file. Nothing is
    kept if a token is given, since a token does not show whose it is. If the server fails, nothing is found.

    Args:
        words: the words of the command line, whose options select the credentials.
        environ: the variables.
    """

    def __init__(self, words: Sequence[str], environ: Mapping[str, str] = os.environ) -> None:
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        add_options(parser)
        try:
            self._options: argparse.Namespace | None = parser.parse_known_args(list(words))[0]
        except argparse.ArgumentError:
            self._options = None
            return
        self._options.timeout = _TIMEOUT
        self._client_manager = ClientManager(self._options)
        self._file = _cache_file(vars(self._options), environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._options is not None:
            self._client_manager.close()

    def metrics(self) -> list[str]:
        """Return the names of the metrics."""
        return self.values("__name__")

    def labels(self, metric: str = "") -> list[str]:
        """Return the names of the labels of a metric; of all series for an empty name."""
        return self._find(["labels", metric], lambda client, window: client.labels(_match(metric), **window))

    def values(self, label: str, metric: str = "") -> list[str]:
        """Return the values of a label of a metric; of all series for an empty name."""
        return self._find(
            ["values", label, metric],
            lambda client, window: client.label_values(label, _match(metric), **window),
        )

    def _find(
        self, key: list[str], read: Callable[[MetricsClient, dict[str, Any]], Sequence[str]]
    ) -> list[str]:
        if self._options is None:
            return []
        now = time.time()
        kept = _load(self._file, now)
        name = json.dumps(key)
        if name in kept:
            return kept[name][1]
        from keystoneauth1.exceptions import ClientException  # noqa: PLC0415  # slow to import

        try:
            window = {"start": int(now) - _WINDOW, "end": int(now), "limit": _MAX_NAMES}
            found = list(read(self._client_manager.chrysaetos, window))
        except (ChrysaetosError, ClientException):
            return []
        _save(self._file, {**kept, name: (now, found)})
        return found


def _match(metric: str) -> tuple[str, ...]:
    return (metric,) if metric else ()


def _cache_file(options: Mapping[str, Any], environ: Mapping[str, str]) -> Path | None:
    """Return the file for these credentials, None if they do not show whose they are."""
    given = {name: value for name, value in environ.items() if name.startswith(("OS_", "CHRYSAETOS_"))}
    given |= {name.upper(): str(value) for name, value in options.items() if value is not None}
    if any("TOKEN" in name for name in given):
        return None
    shown = {name: value for name, value in given.items() if not any(secret in name for secret in _SECRETS)}
    if "USER" in shown:
        shown["USER"] = shown["USER"].partition(":")[0]
    identity = hashlib.sha256(json.dumps([str(Path.cwd()), sorted(shown.items())]).encode()).hexdigest()
    folder = environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(folder) / "chrysaetos" / f"names-{identity[:32]}.json"


def _load(file: Path | None, now: float) -> _Kept:
    """Return the names that are kept, without old ones; none if the file is another release's."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        if file is not None and file.stat().st_uid == os.getuid():
            kept = json.loads(file.read_text(encoding="utf-8"))
            return {
                key: (time, list(names))
                for key, (time, names) in kept.items()
                if 0 <= now - time < _KEPT_SECONDS
            }
    return {}


def _save(file: Path | None, kept: _Kept) -> None:
    """Replace the file, which only its user can read."""
    if file is None:
        return
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(file, json.dumps(kept))

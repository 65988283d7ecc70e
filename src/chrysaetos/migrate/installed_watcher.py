"""Read from an installed Watcher which datasources and options it has."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from importlib import metadata

from chrysaetos.migrate.watcher_releases import Release, release_of

__all__ = ["installed_release"]

_TIMEOUT = 60.0
"""Seconds for the import of Watcher's options."""

_PROGRAM = """
import json
from watcher.conf import opts
sections = {}
for group, options in opts.list_opts():
    for option in options:
        named = sections.setdefault(str(getattr(group, "name", group)), {})
        named[option.dest] = option
        named.update((old.name, option) for old in option.deprecated_opts if old.name)
datasources = sections["watcher_datasources"]["datasources"]
print("\\n" + json.dumps({
    "datasources": list(datasources.type.item_type.choices),
    "default": datasources.default,
    "options": {name: list(sections[name]) for name in sections},
}))
"""


def installed_release() -> Release | None:
    """Return the release of the installed python-watcher; None if there is none.

    If Watcher cannot be imported, return the known data of its major version.
    """
    try:
        major = metadata.version("python-watcher").partition(".")[0]
    except metadata.PackageNotFoundError:
        return None
    return _read(int(major)) if major.isdigit() else None


@cache
def _read(major: int) -> Release:
    known = release_of(major)
    # A separate process: importing Watcher changes warnings, and may patch the standard library.
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=True)  # noqa: S603  # constant
        found = json.loads(done.stdout.splitlines()[-1])
        options = {name: frozenset(found["options"].get(name, ())) for name in known.options}
        return Release(major, tuple(found["datasources"]), tuple(found["default"]), options)
    except (subprocess.SubprocessError, OSError, ValueError, LookupError, TypeError):
        return known

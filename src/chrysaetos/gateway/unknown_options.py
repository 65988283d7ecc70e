"""Warn about options and sections of a configuration that nothing reads, such as misspelt ones."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from oslo_config import cfg

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["warn_of_unknown_options"]

_LOG = logging.getLogger(__name__)


_OF_AETOS = {
    ("DEFAULT", "paste_config"),
    ("oslo_policy", "enforce_scope"),
    ("oslo_policy", "enforce_new_defaults"),
}
"""Options of Aetos' configuration that may have no effect here."""


def warn_of_unknown_options(conf: cfg.ConfigOpts) -> None:
    """Log each option of the configuration files that is not registered, with the closest known name.

    A section that resembles no known one may be meant for another program, so it is no warning.
    Call this when everything that reads the configuration has registered its options.
    """
    known = _known(conf)
    for path in _files(conf):
        sections: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(path), sections).parse()
        for section, options in sections.items():
            names = known.get(section)
            if names is None:
                close = _closest(section, known)
                level, hint = (logging.WARNING, f": did you mean [{close}]?") if close else (logging.INFO, "")
                _LOG.log(level, "%s: nothing reads the section [%s]%s", path, section, hint)
                continue
            for name in options:
                if name.replace("-", "_") not in names and (section, name) not in _OF_AETOS:
                    close = _closest(name, names)
                    hint = f": did you mean {close}?" if close else ""
                    _LOG.warning("%s: nothing reads [%s] %s%s", path, section, name, hint)


def _known(conf: cfg.ConfigOpts) -> dict[str, set[str]]:
    """Return the names of the options of each section, with the deprecated ones.

    oslo.config has no public list of them; its own validator uses the same attributes.
    """
    groups = {"DEFAULT": conf._opts}  # noqa: SLF001
    groups |= {name: group._opts for name, group in conf._groups.items()}  # noqa: SLF001
    known: dict[str, set[str]] = {}
    for section, options in groups.items():
        for each in options.values():
            option = each["opt"]
            known.setdefault(section, set()).update({option.name.replace("-", "_"), option.dest})
            for old in option.deprecated_opts:
                name = (old.name or option.name).replace("-", "_")
                known.setdefault(old.group or section, set()).add(name)
    return known


def _files(conf: cfg.ConfigOpts) -> Iterator[Path]:
    """Yield the configuration files that were read."""
    yield from map(Path, conf.config_file or ())
    for directory in conf.config_dir or ():
        yield from sorted(Path(directory).glob("*.conf"))


def _closest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)

"""Find options and sections of a configuration that nothing reads, such as misspelt ones."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from oslo_config import cfg

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "Unknown",
    "configuration_files",
    "registered_options",
    "unknown_options",
    "warn_of_unknown_options",
]

_LOG = logging.getLogger(__name__)


_OF_AETOS = {
    ("DEFAULT", "paste_config"),
    ("oslo_policy", "enforce_scope"),
    ("oslo_policy", "enforce_new_defaults"),
}
"""Options of Aetos' configuration that may have no effect here."""


class Unknown(NamedTuple):
    """An option or a section that nothing reads.

    Attributes:
        path: the file.
        name: ``[section] option``, or ``the section [section]``.
        hint: the closest known name, written like the name; empty if none is close.
        likely: whether it is a mistake. A section that resembles no known one may be meant for another
            program.
    """

    path: Path
    name: str
    hint: str
    likely: bool = True


def warn_of_unknown_options(conf: cfg.ConfigOpts) -> None:
    """Log each option of the configuration files that is not registered, with the closest known name.

    Call this when everything that reads the configuration has registered its options.
    """
    for path, name, hint, likely in unknown_options(conf):
        suggestion = f": did you mean {hint}?" if hint else ""
        _LOG.log(
            logging.WARNING if likely else logging.INFO, "%s: nothing reads %s%s", path, name, suggestion
        )


def unknown_options(conf: cfg.ConfigOpts) -> Iterator[Unknown]:
    """Yield each option and section of the configuration files that is not registered."""
    known = _known(conf)
    for path in configuration_files(conf):
        sections: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(path), sections).parse()
        for section, options in sections.items():
            names = known.get(section)
            if names is None:
                close = _closest(section, known)
                yield Unknown(path, f"the section [{section}]", close and f"[{close}]", bool(close))
                continue
            for name in options:
                if name.replace("-", "_") not in names and (section, name) not in _OF_AETOS:
                    yield Unknown(path, f"[{section}] {name}", _closest(name, names))


def _known(conf: cfg.ConfigOpts) -> dict[str, set[str]]:
    """Return the names of the options of each section, with the deprecated ones."""
    known: dict[str, set[str]] = {}
    for section, options in registered_options(conf).items():
        for option in options:
            known.setdefault(section, set()).update({option.name.replace("-", "_"), option.dest})
            for old in option.deprecated_opts:
                name = (old.name or option.name).replace("-", "_")
                known.setdefault(old.group or section, set()).add(name)
    return known


def registered_options(conf: cfg.ConfigOpts) -> dict[str, list[cfg.Opt]]:
    """Return the options by section.

    oslo.config has no public list of them; its own validator uses the same attributes.
    """
    sections = {"DEFAULT": conf._opts}  # noqa: SLF001  # see above
    sections |= {name: group._opts for name, group in conf._groups.items()}  # noqa: SLF001  # see above
    return {name: [each["opt"] for each in options.values()] for name, options in sections.items()}


def configuration_files(conf: cfg.ConfigOpts) -> Iterator[Path]:
    """Yield the configuration files that were read."""
    yield from map(Path, conf.config_file or ())
    for directory in conf.config_dir or ():
        yield from sorted(Path(directory).glob("*.conf"))


def _closest(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, known, n=1)), "")

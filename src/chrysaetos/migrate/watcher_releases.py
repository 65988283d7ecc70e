"""What each release of Watcher accepts: datasources, and the options of their sections. Pure.

From python-watcher 14.1.2, 15.0.0, 16.0.2 and 17.0.0. ``installed_watcher`` reads it from an installed one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIRST_RELEASE", "OWN_OPTIONS", "REMOVED", "Release", "release_of"]

FIRST_RELEASE: Final = 15
"""The first release of Watcher with the datasource aetos."""

_NOVA_SECTION: Final = 16
"""The first release that reads the section ``[nova]``."""

_LABELS = {"fqdn_label", "instance_uuid_label"}
_TLS = {"cafile", "certfile", "keyfile"}
_PROMETHEUS = frozenset({"host", "port", "username", "password"} | _LABELS | _TLS)
_AETOS = frozenset({"interface", "region_name"} | _LABELS)
_OPTIONS = {
    "watcher_datasources": frozenset({"datasources", "query_max_retries", "query_interval", "query_timeout"}),
    "prometheus_client": _PROMETHEUS,
    "aetos_client": _AETOS,
}

OWN_OPTIONS: Final = {
    "aetos_client": frozenset({"require_at_start", "max_series", "timeout", "allow_partial"}),
    "prometheus_client": frozenset({"grouped_queries"}),
}
"""The options of ``chrysaetos.watcher``."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Watcher.

    Attributes:
        number: the major version; None if it is unknown.
        datasources: the accepted names in a list of datasources.
        default: the list if it is not set; None if it is unknown.
        options: the options of each section that concerns datasources.
    """

    number: int | None
    datasources: tuple[str, ...]
    default: tuple[str, ...] | None
    options: Mapping[str, frozenset[str]] = field(default_factory=lambda: _OPTIONS)

    @property
    def name(self) -> str:
        """The release in messages."""
        return "Watcher" if self.number is None else f"Watcher {self.number}"

    @property
    def reads_nova_section(self) -> bool:
        """Whether Watcher uses ``[nova]`` for Nova's API; else, it uses ``[nova_client]`` only."""
        return self.number is None or self.number >= _NOVA_SECTION

    def exists(self, section: str, option: str) -> bool:
        """Return whether an option exists, in Watcher or in the plugin."""
        return option in self.options[section] | OWN_OPTIONS.get(section, frozenset())


_OLD = ("gnocchi", "monasca", "grafana", "prometheus")
_NEW = ("gnocchi", "grafana", "prometheus", "aetos")
REMOVED: Final = frozenset(_OLD) - frozenset(_NEW)
"""Datasources that later releases do not have."""
_NEW_DEFAULT = ("gnocchi", "grafana", "aetos")


def release_of(number: int | None) -> Release:
    """Return what is known of a release; for a newer one, that of the newest known release."""
    match number:
        case None:
            return Release(None, (*_OLD, "aetos"), None)
        case 15:
            return Release(number, (*_OLD, "aetos"), _OLD)
        case old if old < FIRST_RELEASE:
            options = {
                "watcher_datasources": _OPTIONS["watcher_datasources"] - {"query_interval"},
                "prometheus_client": _PROMETHEUS,
            }
            return Release(number, _OLD, _OLD, options)
    return Release(number, _NEW, _NEW_DEFAULT)

"""The rules for CloudKitty: move collector and fetcher from Prometheus to Aetos. Pure.

    [collect] collector             prometheus is replaced by the collector's name
    [fetcher] backend               prometheus is replaced by the fetcher's name; other fetchers are kept
    [collector_aetos]               gets auth_section, the section with credentials; timeout, allow_partial
                                    are copied
    [fetcher_aetos]                 the same, and metric, scope_attribute, filters, look_back
    [collector_prometheus], …       are commented out

The state of rated scopes is stored under both names (``scope_states``), so it has to be moved, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.migrate.conffile import replace_value
from chrysaetos.migrate.layers import Layers, Setting, Variable
from chrysaetos.migrate.plans import Expected, Move, Plan, overridden

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chrysaetos.migrate.conffile import ConfFile

__all__ = ["Names", "make_plan", "names_in"]

_COLLECTOR = ("collect", "collector")
_FETCHER = ("fetcher", "backend")
_OLD_NAME = "prometheus"
_COPIED = {
    "collector": ("timeout", "allow_partial"),
    "fetcher": ("metric", "scope_attribute", "filters", "timeout", "allow_partial", "look_back"),
}
_AUTH_SECTIONS = ("ks_auth", "keystone_authtoken")
"""The sections for credentials in CloudKitty's own documentation."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names under which CloudKitty stores the state of a scope, in addition to the scope's id.

    Attributes:
        collector: ``[collect] collector``.
        fetcher: ``[fetcher] backend``.
        scope_key: ``[collect] scope_key``.
    """

    collector: str
    fetcher: str
    scope_key: str


def names_in(layers: Layers) -> Names:
    """Return the names in a configuration, with CloudKitty's defaults."""
    return Names(
        collector=layers.value(*_COLLECTOR, "gnocchi"),
        fetcher=layers.value(*_FETCHER, "keystone"),
        scope_key=layers.value("collect", "scope_key", "project_id"),
    )


def make_plan(
    layers: Layers,
    *,
    collector: str,
    fetcher: str,
    auth_section: str | None = None,
    interface: str | None = None,
    region: str | None = None,
) -> Plan:
    """Plan the move.

    Args:
        layers: the current configuration. If it is already moved, the plan has no changes.
        collector: the new collector's name.
        fetcher: the new fetcher's name.
        auth_section: the section with credentials for Keystone; CloudKitty's usual sections when None.
        interface: the endpoint's interface to set; None to keep the current one.
        region: the endpoint's region to set; None to keep the current one.

    Raises:
        MigrateError: a value cannot be moved.
    """
    move = _Move(layers)
    moved = [
        kind
        for kind, setting, new in (("collector", _COLLECTOR, collector), ("fetcher", _FETCHER, fetcher))
        if move.rename(setting, new)
    ]
    for kind in moved:
        move.copy_settings(kind)
        move.set_credentials(kind, auth_section)
        endpoint = {"interface": interface, "region_name": region}
        move.set_values(f"{kind}_aetos", endpoint, file=move.file_for(kind))
    for kind in moved:
        move.comment_out(f"{kind}_prometheus")
    if not moved and names_in(layers).collector != collector:
        move.warn("configuration", "neither collector nor fetcher is prometheus", "there is nothing to move")
    return move.plan(_read)


class _Move(Move):
    def rename(self, where: tuple[str, str], new: str) -> bool:
        """Rename the collector or fetcher; return whether it was prometheus."""
        group, key = where
        effective, setting = self.layers.find(*where), self.layers.find_in_files(*where)
        if isinstance(effective, Variable) and effective.value == _OLD_NAME:
            self.findings.append(overridden(effective, new))
        if setting is None or setting.value != _OLD_NAME:
            return isinstance(effective, Variable) and effective.value == _OLD_NAME
        self.editor.change(setting, replace_value(setting.lines, new))
        self.steps.append(f"{setting.location} [{group}] {key}: {_OLD_NAME} is replaced by {new}")
        return True

    def copy_settings(self, kind: str) -> None:
        """Copy the settings that both sections have."""
        for key in _COPIED[kind]:
            source = self.layers.find(f"{kind}_prometheus", key)
            if source is not None and self.layers.find(f"{kind}_aetos", key) is None:
                self.copy(
                    source, key, old=f"{kind}_prometheus", new=f"{kind}_aetos", file=self.file_for(kind)
                )

    def set_credentials(self, kind: str, section: str | None) -> None:
        """Set the section with the credentials, unless the new section has credentials."""
        group = f"{kind}_aetos"
        if any(self.layers.find(group, key) for key in ("auth_type", "auth_plugin", "auth_section")):
            return
        found = [name for name in _AUTH_SECTIONS if self.layers.find(name, "auth_type")]
        if section is None and not found:
            self.fail(
                "credentials",
                f"auth_type is not set in [{group}], nor in [{'] or ['.join(_AUTH_SECTIONS)}]",
                "pass the section with CloudKitty's credentials with --auth-section",
            )
            return
        self.add(group, "auth_section", section or found[0], file=self.file_for(kind))

    def file_for(self, kind: str) -> ConfFile:
        """Return the file for a new section: that of the old section, else of the name."""
        files = self.layers.files_with(f"{kind}_prometheus")
        named = self.layers.find_in_files(*(_COLLECTOR if kind == "collector" else _FETCHER))
        found: Iterable[ConfFile] = (*reversed(files), *([named.file] if isinstance(named, Setting) else []))
        return next(iter(found), self.layers.files[-1])


def _read(layers: Layers) -> Expected:
    """Return the values in the files, without the environment, of all settings that a move can change."""
    keys = [_COLLECTOR, _FETCHER]
    for kind, copied in _COPIED.items():
        keys += [(f"{kind}_aetos", key) for key in (*copied, "auth_section", "interface", "region_name")]
    found = {where: layers.find_in_files(*where) for where in keys}
    # References ($name) are resolved only by oslo.config.
    return {
        where: setting.value
        for where, setting in found.items()
        if setting is not None and "$" not in setting.value
    }

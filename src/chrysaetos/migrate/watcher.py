"""The rules for Watcher: move its settings from Prometheus to Aetos. Pure.

A list with both prometheus and aetos is an error in every release. ``watcher_releases`` has the differences.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chrysaetos.migrate.conffile import replace_items, replace_value
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.layers import Layers, Setting, Variable, split_list
from chrysaetos.migrate.plans import Expected, Move, Plan, overridden
from chrysaetos.migrate.watcher_releases import REMOVED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.migrate.conffile import ConfFile
    from chrysaetos.migrate.watcher_releases import Release

__all__ = ["LABELS", "labels", "make_plan", "strategy_groups"]

LABELS = {"fqdn_label": "fqdn", "instance_uuid_label": "resource"}
"""The settings of both datasources, with their defaults."""

_RENAMED = {"endpoint_type": "interface"}
"""Options of other sections for what ``[aetos_client]`` calls by another name."""

_INTERFACES = ("public", "internal", "admin")
"""The values of ``[aetos_client] interface``, each also with ``URL`` at its end."""

_UNREAD = {"datasources": "watcher_datasources"}
"""Sections that deployment tools write, and the section that Watcher reads instead."""

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_GLOBAL = "watcher_datasources"
_STRATEGY = r"watcher_strategies\..+"


def labels(layers: Layers) -> dict[str, str]:
    """Return the labels of hosts and instances for the datasource ``aetos``."""
    return {key: layers.value("aetos_client", key, default) for key, default in LABELS.items()}


def strategy_groups(layers: Layers) -> list[str]:
    """Return the groups of strategies that set their own datasources."""
    return layers.groups(_STRATEGY, "datasources")


def make_plan(
    layers: Layers, *, release: Release, interface: str | None = None, region: str | None = None
) -> Plan:
    """Plan the move.

    Args:
        layers: the current configuration. If it is already moved, the plan has no changes.
        release: the release of Watcher.
        interface: ``interface`` to set in ``[aetos_client]``; None to keep the current one.
        region: ``region_name`` to set in ``[aetos_client]``; None to keep the current one.

    Raises:
        MigrateError: a value is invalid, or cannot be moved.
    """
    move = _Move(layers, release)
    move.move({"interface": interface, "region_name": region})
    return move.plan(_read)


class _Move(Move):
    def __init__(self, layers: Layers, release: Release) -> None:
        super().__init__(layers)
        self.release = release

    def move(self, wanted: Mapping[str, str | None]) -> None:
        """Collect the changes, with these values of the endpoint."""
        used = [self._move_datasources(group) for group in (_GLOBAL, *strategy_groups(self.layers))]
        if any(used):
            self._copy_labels()
            self.set_values("aetos_client", wanted, file=self._file_for(None))
            if wanted["interface"] is None:
                self._check_interface()
            self._check_options()
            self.comment_out("prometheus_client")
            self._check_variables()
        elif not self.findings:
            self.warn("datasources", "neither prometheus nor aetos is used", "there is nothing to move")

    def _move_datasources(self, group: str) -> bool:
        """Move one list; return whether it has prometheus or aetos."""
        overriding = self.layers.find(group, "datasources")
        setting = self.layers.find_in_files(group, "datasources")
        if overriding is None:
            return self._set_default()
        names = self._names(group, overriding)
        if isinstance(overriding, Variable) and "prometheus" in names:
            self.findings.append(overridden(overriding, ",".join(_moved(names))))
        if setting is None:
            return "prometheus" in names or "aetos" in names
        listed = names if setting == overriding else self._names(group, setting)
        if "prometheus" in listed:
            new = _moved(listed)
            if len(new) == len(listed):
                self.editor.change(setting, replace_items(setting.lines, "prometheus", "aetos"))
            else:
                self.editor.change(setting, replace_value(setting.lines, ",".join(new)))
            self.steps.append(
                f"{setting.location} [{group}] datasources: {','.join(listed)} is replaced by {','.join(new)}"
            )
        return any(name in {"prometheus", "aetos"} for name in (*names, *listed))

    def _set_default(self) -> bool:
        """Set the missing ``datasources`` if its default has prometheus; return whether aetos is used."""
        existing = self.layers.files_with("prometheus_client")
        default = self.release.default
        if default is None:
            if existing:
                self.fail(
                    "datasources",
                    "[watcher_datasources] datasources is not set; its default depends on the release",
                    "pass the release with --release, or set datasources",
                )
            return False
        if "prometheus" not in default:
            return True
        # An upgrade must not end with a list that Watcher refuses. What a cloud uses has a section.
        kept = [name for name in default if name not in REMOVED or self.layers.files_with(f"{name}_client")]
        new = _moved(kept)
        files = self.layers.files_with(_GLOBAL) or existing or list(self.layers.files)
        chosen = self.editor.add(_GLOBAL, "datasources", ",".join(new), file=files[-1])
        self.steps.append(
            f"{chosen.name} [{_GLOBAL}] datasources: {','.join(new)} (default: {','.join(default)})"
        )
        return True

    def _names(self, group: str, setting: Setting | Variable) -> list[str]:
        """Return the items of a list of datasources."""
        names = split_list(setting.value)
        for name in names:
            if not _NAME.fullmatch(name):
                raise MigrateError(
                    f"{setting.location}: [{group}] datasources has the item {name!r}: text after a "
                    "value, or indented below it, is part of the value, including comments, and a reference "
                    "($name) cannot be moved; use a plain list, such as prometheus,gnocchi"
                )
        self._check_names(f"{setting.location}: [{group}] datasources has", names)
        return names

    def _check_names(self, found: str, names: list[str]) -> None:
        """Find names that this release, or a later one, does not accept."""
        unknown = [name for name in names if name not in self.release.datasources]
        if unknown:
            lower = [name.lower() for name in unknown if name.lower() in self.release.datasources]
            self.fail(
                "datasources",
                f"{found} {', '.join(unknown)}, which {self.release.name} does not accept",
                f"write {', '.join(lower)}"
                if lower
                else f"remove it; {self.release.name} has {', '.join(self.release.datasources)}",
            )
        temporary = [name for name in names if name in REMOVED and name not in unknown]
        if temporary:
            self.warn(
                "datasources",
                f"{found} {', '.join(temporary)}, which later releases do not accept",
                "remove it before Watcher is upgraded",
            )

    def _copy_labels(self) -> None:
        """Copy the labels."""
        for key in LABELS:
            source = self.layers.find("prometheus_client", key)
            target = self.layers.find("aetos_client", key)
            if source is None:
                continue
            if target is not None:
                if target.value != source.value:
                    self.warn(
                        "labels",
                        f"{target.location}: [aetos_client] {key} is {target.value}, but "
                        f"{source.location}: [prometheus_client] {key} is {source.value}",
                        f"{target.value} is used; check that it is right",
                    )
                continue
            self.copy(source, key, old="prometheus_client", new="aetos_client", file=self._file_for(source))

    def _file_for(self, source: Setting | Variable | None) -> ConfFile:
        """Return the file for a new section ``[aetos_client]``: that of the copied setting or old section."""
        if isinstance(source, Setting):
            return source.file
        files = self.layers.files_with("prometheus_client") or self.layers.files_with(_GLOBAL)
        return (files or list(self.layers.files))[-1]

    def _check_interface(self) -> None:
        """Find an interface with which Watcher does not read its configuration."""
        found = self.layers.find("aetos_client", "interface")
        if found is None or "$" in found.value or found.value.removesuffix("URL") in _INTERFACES:
            return
        likely = found.value.lower().removesuffix("url")
        self.fail(
            "interface",
            f"{found.location}: [aetos_client] interface is {found.value}, which Watcher does not accept",
            f"write {likely if likely in _INTERFACES else ', '.join(_INTERFACES)}",
        )

    def _check_options(self) -> None:
        """Find settings that Watcher ignores, because there is no such option."""
        for file in dict.fromkeys(self.layers.files):
            for section in dict.fromkeys(option.section for option in file.options):
                if section in _UNREAD:
                    self.warn(
                        "ignored",
                        f"{file.name}: [{section}] has no effect: Watcher has no such section",
                        f"move its options to [{_UNREAD[section]}], or remove the section",
                    )
            for option in file.options:
                section, key = option.section, option.key
                if section not in self.release.options or self.release.exists(section, key):
                    continue
                intended = _RENAMED.get(key, key.replace("-", "_").lower())
                self.warn(
                    "ignored",
                    f"{file.name}:{option.first + 1}: [{section}] {key} has no effect: "
                    f"{self.release.name} has no such option",
                    f"write {intended} = {option.value.removesuffix('URL')}, or remove it"
                    if self.release.exists(section, intended)
                    else f"remove it; the options are {', '.join(sorted(self.release.options[section]))}",
                )

    def _check_variables(self) -> None:
        """Find variables of the old section, which have no effect any more."""
        left = sorted(name for name in self.layers.environ if name.startswith("OS_PROMETHEUS_CLIENT__"))
        if left:
            self.warn(
                "environment",
                f"{', '.join(left)} set [prometheus_client], which is not used any more",
                "remove them from the environment of the service",
            )


def _moved(names: list[str] | tuple[str, ...]) -> list[str]:
    """Return the list with prometheus replaced by aetos, without duplicates."""
    return list(dict.fromkeys("aetos" if name == "prometheus" else name for name in names))


def _read(layers: Layers) -> Expected:
    """Return the values in the files, without the environment, of all settings that a move can change."""
    read: Expected = {}
    for group in (_GLOBAL, *strategy_groups(layers)):
        setting = layers.find_in_files(group, "datasources")
        if setting is not None:
            read[group, "datasources"] = split_list(setting.value)
    for key in (*LABELS, "interface", "region_name"):
        setting = layers.find_in_files("aetos_client", key)
        if setting is not None and "$" not in setting.value:
            read["aetos_client", key] = setting.value
    return read

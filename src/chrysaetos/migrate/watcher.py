"""The rules for Watcher: which settings move from Prometheus to Aetos, and what Watcher reads then. Pure.

Per release (the wheels 14.0.0, 15.0.0, 16.0.2 and 17.0.0 of python-watcher): 14 knows no datasource `aetos`;
the default of `datasources` names prometheus in 14 and 15, aetos in 16 and 17. Both in one list are an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chrysaetos.migrate.conffile import replaced_items, replaced_value
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.findings import Finding, failed, good, wrong
from chrysaetos.migrate.layers import Editor, Layers, Setting, Variable, items
from chrysaetos.migrate.plans import Expected, Plan, overridden, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.migrate.conffile import ConfFile

__all__ = ["FIRST_RELEASE", "LABELS", "labels", "make_plan", "strategy_groups"]

FIRST_RELEASE = 15
"""The first release of Watcher that knows the datasource."""

LABELS = {"fqdn_label": "fqdn", "instance_uuid_label": "resource"}
"""The settings that both datasources have, with their defaults."""

_DEFAULTS = {
    14: ("gnocchi", "monasca", "grafana", "prometheus"),
    15: ("gnocchi", "monasca", "grafana", "prometheus"),
}
"""`datasources` where it is not set; from 16 on the default names aetos and not prometheus."""

_KNOWN = frozenset({"gnocchi", "monasca", "grafana", "prometheus", "aetos"})
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_GLOBAL = "watcher_datasources"
_STRATEGY = r"watcher_strategies\..+"


def labels(layers: Layers) -> dict[str, str]:
    """The labels that the datasource `aetos` looks for hosts and instances by."""
    found = {key: layers.find("aetos_client", key) for key in LABELS}
    return {key: setting.value if setting else LABELS[key] for key, setting in found.items()}


def strategy_groups(layers: Layers) -> list[str]:
    """The groups of the strategies that have datasources of their own."""
    return layers.groups(_STRATEGY, "datasources")


def make_plan(
    layers: Layers, *, release: int | None, interface: str | None = None, region: str | None = None
) -> Plan:
    """Plan the move.

    Args:
        layers: what Watcher reads now. Layers that were moved already give a plan without changes.
        release: Watcher's, None when it is not known.
        interface: to be set in ``[aetos_client]``; None leaves what is there.
        region: to be set as ``region_name`` there, the same.

    Raises:
        MigrateError: a value is not one that Watcher could read, or that can be moved.
    """
    return _Move(layers, release).plan({"interface": interface, "region_name": region})


@dataclass(slots=True)
class _Move:
    layers: Layers
    release: int | None
    steps: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def plan(self, wanted: Mapping[str, str | None]) -> Plan:
        editor = Editor(self.layers)
        used = [self._datasources(editor, group) for group in (_GLOBAL, *strategy_groups(self.layers))]
        if any(used):
            self._labels(editor)
            self._endpoint(editor, wanted)
            self._ignored()
            self.steps += [
                f"{place} [prometheus_client] becomes a comment"
                for place in editor.comment_out("prometheus_client")
            ]
            self._left_over()
        elif not self.findings:
            self.findings.append(
                wrong("datasources", "neither prometheus nor aetos is used", "there is nothing to move")
            )
        contents = editor.contents()
        after = self.layers.replaced(contents)
        if contents:
            self.findings.append(
                good("configuration", f"to be changed: {', '.join(file.name for file in contents)}")
            )
        elif not self.findings:
            self.findings.append(good("configuration", "moved already; nothing to change"))
        return Plan(
            contents=contents,
            steps=tuple(self.steps),
            findings=tuple(self.findings),
            after=after,
            expected=_read(after),
        )

    def _datasources(self, editor: Editor, group: str) -> bool:
        """Move one list; whether it names prometheus or aetos."""
        overriding = self.layers.find(group, "datasources")
        setting = self.layers.find_in_files(group, "datasources")
        if overriding is None:
            return self._default(editor)
        names = self._names(group, overriding)
        if isinstance(overriding, Variable) and "prometheus" in names:
            self.findings.append(overridden(overriding, ",".join(_moved(names))))
        if setting is None:
            return "prometheus" in names or "aetos" in names
        listed = self._names(group, setting)
        if "prometheus" in listed:
            new = _moved(listed)
            if len(new) == len(listed):
                editor.change(setting, replaced_items(setting.lines, "prometheus", "aetos"))
            else:
                editor.change(setting, replaced_value(setting.lines, ",".join(new)))
            self.steps.append(
                f"{setting.place} [{group}] datasources: {','.join(listed)} becomes {','.join(new)}"
            )
        return any(name in {"prometheus", "aetos"} for name in (*names, *listed))

    def _default(self, editor: Editor) -> bool:
        """`datasources` is set nowhere."""
        having = self.layers.files_with("prometheus_client")
        if self.release is None:
            if having:
                self.findings.append(
                    failed(
                        "datasources",
                        "[watcher_datasources] datasources is not set; its default depends on the release",
                        "name the release with --release, or set datasources",
                    )
                )
            return False
        default = _DEFAULTS.get(max(self.release, min(_DEFAULTS)))
        if default is None:
            return True
        new = _moved(default)
        files = self.layers.files_with(_GLOBAL) or having or list(self.layers.files)
        chosen = editor.add(_GLOBAL, "datasources", ",".join(new), file=files[-1])
        self.steps.append(
            f"{chosen.name} [{_GLOBAL}] datasources: {','.join(new)}, for the default {','.join(default)}"
        )
        return True

    def _names(self, group: str, setting: Setting | Variable) -> list[str]:
        """The items of a list of datasources."""
        names = items(setting.value)
        for name in names:
            if not _NAME.fullmatch(name):
                raise MigrateError(
                    f"{setting.place}: [{group}] datasources has the item {name!r}: what stands behind a "
                    "value, or indented below it, is part of it, comments as well, and a reference ($name) "
                    "cannot be moved; write a plain list, such as prometheus,gnocchi"
                )
        unknown = [name for name in names if name not in _KNOWN]
        if unknown:
            self.findings.append(
                wrong(
                    "datasources",
                    f"{setting.place}: [{group}] datasources names {', '.join(unknown)}",
                    f"Watcher knows {', '.join(sorted(_KNOWN))}; remove the others",
                )
            )
        return names

    def _labels(self, editor: Editor) -> None:
        """Carry the labels over."""
        for key in LABELS:
            source = self.layers.find("prometheus_client", key)
            target = self.layers.find("aetos_client", key)
            if source is None:
                continue
            if target is not None:
                if target.value != source.value:
                    self.findings.append(
                        wrong(
                            "labels",
                            f"{target.place}: [aetos_client] {key} is {target.value}, and {source.place}: "
                            f"[prometheus_client] {key} was {source.value}",
                            f"{target.value} counts; see that it is meant",
                        )
                    )
                continue
            if "$" in source.value or "\n" in source.value:
                raise MigrateError(
                    f"{source.place}: [prometheus_client] {key} is a reference or has several lines, and "
                    f"cannot be carried over; set [aetos_client] {key} to what it means"
                )
            chosen = editor.add("aetos_client", key, quoted(source.value), file=self._home(source))
            self.steps.append(f"{chosen.name} [aetos_client] {key} = {source.value}, from {source.place}")

    def _endpoint(self, editor: Editor, wanted: Mapping[str, str | None]) -> None:
        """Set where the endpoint is looked for, if that was asked for."""
        for key, value in wanted.items():
            found = self.layers.find("aetos_client", key)
            setting = self.layers.find_in_files("aetos_client", key)
            if value is None or (found is not None and found.value == value):
                continue
            if isinstance(found, Variable):
                self.findings.append(overridden(found, value))
            if setting is None:
                chosen = editor.add("aetos_client", key, value, file=self._home(None)).name
            else:
                editor.change(setting, replaced_value(setting.lines, value))
                chosen = setting.place
            self.steps.append(f"{chosen} [aetos_client] {key} = {value}")

    def _home(self, source: Setting | Variable | None) -> ConfFile:
        """The file for ``[aetos_client]`` where there is none yet: beside what it comes from."""
        if isinstance(source, Setting):
            return source.file
        having = self.layers.files_with("prometheus_client") or self.layers.files_with(_GLOBAL)
        return (having or list(self.layers.files))[-1]

    def _ignored(self) -> None:
        """Settings that were meant but that Watcher does not see."""
        for file in dict.fromkeys(self.layers.files):
            for option in file.options:
                meant = option.key.replace("-", "_")
                if option.key != meant and meant in {*LABELS, "datasources"}:
                    self.findings.append(
                        wrong(
                            "ignored",
                            f"{file.name}:{option.first + 1}: [{option.section}] {option.key} has a dash, "
                            "and so no effect",
                            f"if it is meant, name it {meant}",
                        )
                    )

    def _left_over(self) -> None:
        """Variables of the old section in the environment: harmless, and misleading."""
        left = sorted(name for name in self.layers.environ if name.startswith("OS_PROMETHEUS_CLIENT__"))
        if left:
            self.findings.append(
                wrong(
                    "environment",
                    f"{', '.join(left)} set [prometheus_client], which nothing reads then",
                    "remove them where the service gets its environment",
                )
            )


def _moved(names: list[str] | tuple[str, ...]) -> list[str]:
    """The list with aetos in the place of prometheus, and each name once."""
    return list(dict.fromkeys("aetos" if name == "prometheus" else name for name in names))


def _read(layers: Layers) -> Expected:
    """What files alone give for everything that a move touches."""
    read: Expected = {}
    for group in (_GLOBAL, *strategy_groups(layers)):
        setting = layers.find_in_files(group, "datasources")
        if setting is not None:
            read[group, "datasources"] = items(setting.value)
    for key in (*LABELS, "interface", "region_name"):
        setting = layers.find_in_files("aetos_client", key)
        if setting is not None and "$" not in setting.value:
            read["aetos_client", key] = setting.value
    return read

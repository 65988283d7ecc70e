"""The rules for CloudKitty: collector and fetcher move from Prometheus to Aetos. Pure.

    [collect] collector             prometheus becomes the collector's name
    [fetcher] backend               prometheus becomes the fetcher's name; other fetchers stay
    [collector_aetos]               auth_section names the section with credentials; timeout is carried over
    [fetcher_aetos]                 the same, and metric, scope_attribute, filters
    [collector_prometheus], …       become comments

What is rated already is kept by the names of the two (`scope_states`), which so move with the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chrysaetos.migrate.conffile import replaced_value
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.findings import Finding, failed, good, wrong
from chrysaetos.migrate.layers import Editor, Layers, Setting, Variable
from chrysaetos.migrate.plans import Expected, Plan, overridden, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chrysaetos.migrate.conffile import ConfFile

__all__ = ["COLLECTOR", "FETCHER", "SCOPE_KEY", "Names", "make_plan", "names_in", "value_of"]

COLLECTOR = ("collect", "collector")
FETCHER = ("fetcher", "backend")
SCOPE_KEY = ("collect", "scope_key")
_DEFAULTS = {COLLECTOR: "gnocchi", FETCHER: "keystone", SCOPE_KEY: "project_id"}
_MOVED = "prometheus"
_CARRIED = {
    "collector": ("timeout",),
    "fetcher": ("metric", "scope_attribute", "filters", "timeout"),
}
_SECTIONS = ("ks_auth", "keystone_authtoken")
"""Where CloudKitty's own documentation has its credentials."""


@dataclass(frozen=True, slots=True)
class Names:
    """What CloudKitty keeps the state of a scope by, beside the scope's own id.

    Attributes:
        collector: ``[collect] collector``.
        fetcher: ``[fetcher] backend``.
        scope_key: ``[collect] scope_key``.
    """

    collector: str
    fetcher: str
    scope_key: str


def value_of(layers: Layers, setting: tuple[str, str]) -> str:
    """What CloudKitty reads for one of `COLLECTOR`, `FETCHER` and `SCOPE_KEY`."""
    found = layers.find(*setting)
    return found.value if found else _DEFAULTS[setting]


def names_in(layers: Layers) -> Names:
    """The names that a configuration has."""
    return Names(*(value_of(layers, setting) for setting in (COLLECTOR, FETCHER, SCOPE_KEY)))


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
        layers: what CloudKitty reads now. Layers that were moved already give a plan without changes.
        collector: the new collector's name.
        fetcher: the new fetcher's name.
        auth_section: the section with credentials for Keystone; None to look where CloudKitty has them.
        interface: of the endpoint in the catalog; None leaves it.
        region: of that endpoint; None leaves it.

    Raises:
        MigrateError: a value cannot be moved.
    """
    move = _Move(layers)
    moved = [
        kind
        for kind, setting, new in (("collector", COLLECTOR, collector), ("fetcher", FETCHER, fetcher))
        if move.rename(setting, new)
    ]
    for kind in moved:
        move.carry(kind)
        move.credentials(kind, auth_section)
        move.endpoint(kind, {"interface": interface, "region_name": region})
    for kind in moved:
        move.comment_out(kind)
    if not moved:
        current = names_in(layers)
        if (current.collector, current.fetcher) in {(collector, fetcher), (collector, current.fetcher)}:
            move.findings.append(good("configuration", "moved already; nothing to change"))
        else:
            move.findings.append(
                wrong(
                    "configuration", "neither collector nor fetcher is prometheus", "there is nothing to move"
                )
            )
    return move.plan()


@dataclass(slots=True)
class _Move:
    layers: Layers
    steps: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    editor: Editor = field(init=False)

    def __post_init__(self) -> None:
        self.editor = Editor(self.layers)

    def rename(self, where: tuple[str, str], new: str) -> bool:
        """Give collector or fetcher its new name; whether it was prometheus."""
        group, key = where
        counts, setting = self.layers.find(*where), self.layers.find_in_files(*where)
        if isinstance(counts, Variable) and counts.value == _MOVED:
            self.findings.append(overridden(counts, new))
        if setting is None or setting.value != _MOVED:
            return isinstance(counts, Variable) and counts.value == _MOVED
        self.editor.change(setting, replaced_value(setting.lines, new))
        self.steps.append(f"{setting.place} [{group}] {key}: {_MOVED} becomes {new}")
        return True

    def carry(self, kind: str) -> None:
        """Take over what both sections have."""
        for key in _CARRIED[kind]:
            source = self.layers.find(f"{kind}_prometheus", key)
            if source is None or self.layers.find(f"{kind}_aetos", key) is not None:
                continue
            if "$" in source.value or "\n" in source.value:
                raise MigrateError(
                    f"{source.place}: [{kind}_prometheus] {key} is a reference or has several lines, and "
                    f"cannot be carried over; set [{kind}_aetos] {key} to what it means"
                )
            self._add(kind, key, quoted(source.value), f", from {source.place}")

    def credentials(self, kind: str, section: str | None) -> None:
        """Name the section with the credentials, unless the new section has some."""
        group = f"{kind}_aetos"
        if any(self.layers.find(group, key) for key in ("auth_type", "auth_plugin", "auth_section")):
            return
        found = [name for name in _SECTIONS if self.layers.find(name, "auth_type")]
        if section is None and not found:
            self.findings.append(
                failed(
                    "credentials",
                    f"[{group}] has no auth_type, and neither has [{'] or ['.join(_SECTIONS)}]",
                    "name the section with CloudKitty's credentials with --auth-section",
                )
            )
            return
        self._add(kind, "auth_section", section or found[0])

    def endpoint(self, kind: str, wanted: Mapping[str, str | None]) -> None:
        """Set where the endpoint is looked for, if that was asked for."""
        for key, value in wanted.items():
            found = self.layers.find(f"{kind}_aetos", key)
            if value is None or (found is not None and found.value == value):
                continue
            if isinstance(found, Variable):
                self.findings.append(overridden(found, value))
            elif found is not None:
                self.editor.change(found, replaced_value(found.lines, value))
                self.steps.append(f"{found.place} [{kind}_aetos] {key} = {value}")
            else:
                self._add(kind, key, value)

    def comment_out(self, kind: str) -> None:
        """Make comments of what nothing reads any more."""
        group = f"{kind}_prometheus"
        self.steps += [f"{place} [{group}] becomes a comment" for place in self.editor.comment_out(group)]

    def plan(self) -> Plan:
        """What has come together."""
        contents = self.editor.contents()
        after = self.layers.replaced(contents)
        if contents:
            self.findings.append(
                good("configuration", f"to be changed: {', '.join(file.name for file in contents)}")
            )
        return Plan(
            contents=contents,
            steps=tuple(self.steps),
            findings=tuple(self.findings),
            after=after,
            expected=_read(after),
        )

    def _add(self, kind: str, key: str, value: str, source: str = "") -> None:
        chosen = self.editor.add(f"{kind}_aetos", key, value, file=self._home(kind))
        self.steps.append(f"{chosen.name} [{kind}_aetos] {key} = {value}{source}")

    def _home(self, kind: str) -> ConfFile:
        """The file for a new section: that of the old one, or that which names the collector or fetcher."""
        having = self.layers.files_with(f"{kind}_prometheus")
        named = self.layers.find_in_files(*(COLLECTOR if kind == "collector" else FETCHER))
        found: Iterable[ConfFile] = (*reversed(having), *([named.file] if isinstance(named, Setting) else []))
        return next(iter(found), self.layers.files[-1])


def _read(layers: Layers) -> Expected:
    """What files alone give for everything that a move touches."""
    keys = [COLLECTOR, FETCHER]
    for kind, carried in _CARRIED.items():
        keys += [(f"{kind}_aetos", key) for key in (*carried, "auth_section", "interface", "region_name")]
    found = {where: layers.find_in_files(*where) for where in keys}
    # What a reference ($name) stands for is oslo.config's to say.
    return {
        where: setting.value
        for where, setting in found.items()
        if setting is not None and "$" not in setting.value
    }

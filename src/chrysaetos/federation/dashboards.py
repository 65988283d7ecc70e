"""The portal's dashboards for Grafana 10 and later, as JSON.

They ask for what `rules` records. Names are joined at the end: a project that was renamed goes on.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chrysaetos.federation.rules import JOB_PREFIX, KEY, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["dashboards"]

_SCHEMA = 39
"""Grafana 10.4; later ones migrate it."""
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_UNITS = {"vcpu": "suffix: vCPU h", "mb": "suffix: MB h"}
_RATES = {"vcpu": "suffix: vCPU", "mb": "suffix: MB"}
_TITLES = {"vcpu": "vCPU", "mb": "memory"}
_COLUMNS = 24
_SITE = 'location=~"$location"'
_NAME = "{{location}} {{project_name}}"


def dashboards() -> dict[str, str]:
    """File name without its end → JSON."""
    made = {
        "usage-project": _project(),
        "usage-site": _site(),
        "usage-top": _top(),
        "usage-freshness": _freshness(),
    }
    return {name: json.dumps({"uid": name, **content}, indent=2) + "\n" for name, content in made.items()}


def _project() -> dict[str, Any]:
    panels = []
    for resource in RESOURCES:
        own, title = f"project:{resource}_usage", _TITLES[resource]
        panels += [
            _stat(
                f"Use of {title} in the time shown",
                [(_chosen(f"sum_over_time({own}:increase1h{{{_SITE}}}[$__range:1h])"), _NAME)],
                _UNITS[resource],
                width=6,
            ),
            _lines(
                f"Use of {title} by day (UTC)",
                [(_chosen(f"{own}:increase1d{{{_SITE}}}"), _NAME)],
                _UNITS[resource],
                width=9,
                bars=True,
            ),
            _lines(
                f"{title} in use", [(_chosen(f"{own}:burn1h{{{_SITE}}}"), _NAME)], _RATES[resource], width=9
            ),
            _lines(
                f"{title} since the start date",
                [(_chosen(f"{own}:total{{{_SITE}}}"), _NAME)],
                _UNITS[resource],
                width=24,
            ),
        ]
    return _dashboard("Usage of projects", panels, [_locations(), _projects()])


def _site() -> dict[str, Any]:
    panels = []
    for resource in RESOURCES:
        title = _TITLES[resource]
        for level, legend in (("location", "{{location}}"), ("domain", "{{location}} {{domain_id}}")):
            own = f"{level}:{resource}_usage"
            panels += [
                _lines(
                    f"Use of {title} by day (UTC), by {level}",
                    [(f"{own}:increase1d{{{_SITE}}}", legend)],
                    _UNITS[resource],
                    bars=True,
                ),
                _lines(
                    f"{title} in use, by {level}",
                    [(f"{own}:burn1h{{{_SITE}}}", legend)],
                    _RATES[resource],
                ),
            ]
        panels.append(
            _table(
                f"Use of {title} in 30 days, by domain",
                f"domain:{resource}_usage:increase30d{{{_SITE}}}",
                _UNITS[resource],
            )
        )
    return _dashboard("Usage of sites", panels, [_locations()])


def _top() -> dict[str, Any]:
    windows = (
        ("now", "burn1h", _RATES),
        ("in the last 24 full hours", "increase1d", _UNITS),
        ("in 30 days", "increase30d", _UNITS),
    )
    panels = []
    for resource in RESOURCES:
        for when, name, units in windows:
            ranked = f"topk($count, project:{resource}_usage:{name}{{{_SITE}}})"
            panels.append(
                _table(
                    f"Most {_TITLES[resource]} {when}",
                    _named(ranked),
                    units[resource],
                    width=8,
                )
            )
        ranged = f"sum_over_time(project:{resource}_usage:increase1h{{{_SITE}}}[$__range:1h])"
        panels.append(
            _table(
                f"Most {_TITLES[resource]} in the time shown (a month: from now/M)",
                _named(f"topk($count, {ranged})"),
                _UNITS[resource],
                width=24,
            )
        )
    return _dashboard("Projects that use most", panels, [_locations(), _count()])


def _freshness() -> dict[str, Any]:
    gate = f'job=~"{JOB_PREFIX}.+",{_SITE}'
    site = "{{location}}"
    by_site = "by (location, location_id)"
    panels = [
        _stat("Gate answers", [(f"up{{{gate}}}", site)], "bool_on_off", width=8),
        _stat("Exporter has fresh usage", [(f"usage_exporter_up{{{_SITE}}}", site)], "bool_on_off", width=8),
        _stat(
            "Projects",
            [(f"count {by_site} (project:vcpu_usage:total{{{_SITE}}})", site)],
            "short",
            width=8,
        ),
        _lines(
            "Age of the usage",
            [
                (
                    f"time() - max {by_site} (usage_exporter_counted_until_timestamp_seconds{{{_SITE}}} > 0)",
                    site,
                )
            ],
            "s",
        ),
        _lines("Duration of a scrape", [(f"scrape_duration_seconds{{{gate}}}", site)], "s"),
        _lines("Samples of a scrape", [(f"scrape_samples_scraped{{{gate}}}", site)], "short"),
        _lines(
            "Problems of exporters",
            [(f"usage_exporter_problem{{{_SITE}}}", "{{location}} {{reason}}")],
            "short",
        ),
        _table("Alerts", f'ALERTS{{alertstate="firing",{_SITE}}}', "short", width=24),
    ]
    return _dashboard("Freshness of sites", panels, [_locations()])


def _named(expression: str, names: str = "project:name:info") -> str:
    return f"{expression} * on ({KEY}) group_left (project_name, domain_name) {names}"


def _chosen(expression: str) -> str:
    """With its name, of the projects that are chosen."""
    return _named(expression, 'project:name:info{project_name=~"$project"}')


def _dashboard(
    title: str, panels: Sequence[dict[str, Any]], variables: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "title": title,
        "tags": ["project-usage"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "timezone": "utc",
        "time": {"from": "now-7d", "to": "now"},
        "refresh": "5m",
        "templating": {"list": [_DATASOURCES, *variables]},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "Project usage",
                "tags": ["project-usage"],
                "asDropdown": True,
                "keepTime": True,
                "includeVars": True,
            }
        ],
        "panels": _placed(panels),
    }


def _placed(panels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each panel a number and a place, row by row."""
    placed = []
    x = y = row = 0
    for number, panel in enumerate(panels, 1):
        place = panel["gridPos"]
        if x + place["w"] > _COLUMNS:
            x, y, row = 0, y + row, 0
        placed.append({**panel, "id": number, "gridPos": {**place, "x": x, "y": y}})
        x += place["w"]
        row = max(row, place["h"])
    return placed


def _panel(
    kind: str, title: str, queries: Sequence[tuple[str, str]], unit: str, *, width: int, **more: Any
) -> dict[str, Any]:
    instant = kind in ("stat", "table")
    targets = [
        {
            "refId": chr(ord("A") + number),
            "datasource": _DATASOURCE,
            "expr": expression,
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
            **({"format": "table"} if kind == "table" else {}),
        }
        for number, (expression, legend) in enumerate(queries)
    ]
    return {
        "type": kind,
        "title": title,
        "datasource": _DATASOURCE,
        "gridPos": {"w": width, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, **more.pop("defaults", {})}, "overrides": []},
        "targets": targets,
        **more,
    }


def _stat(title: str, queries: Sequence[tuple[str, str]], unit: str, *, width: int) -> dict[str, Any]:
    return _panel("stat", title, queries, unit, width=width, options={"reduceOptions": {"calcs": ["last"]}})


def _lines(
    title: str, queries: Sequence[tuple[str, str]], unit: str, *, width: int = 12, bars: bool = False
) -> dict[str, Any]:
    """Lines over time; as bars, one for each day, at the midnight that ends it."""
    if bars:
        style = {"drawStyle": "bars", "fillOpacity": 60, "stacking": {"mode": "normal", "group": "A"}}
        return _panel(
            "timeseries", title, queries, unit, width=width, defaults={"custom": style}, interval="1d"
        )
    return _panel("timeseries", title, queries, unit, width=width)


def _table(title: str, expression: str, unit: str, *, width: int = 12) -> dict[str, Any]:
    hidden = {"Time": True, "__name__": True, "job": True, "instance": True}
    return _panel(
        "table",
        title,
        [(expression, "")],
        unit,
        width=width,
        transformations=[{"id": "organize", "options": {"excludeByName": hidden}}],
        options={"sortBy": [{"displayName": "Value", "desc": True}]},
    )


_DATASOURCES = {"name": "datasource", "type": "datasource", "label": "Data source", "query": "prometheus"}


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _locations() -> dict[str, Any]:
    return _variable("location", "Site", f'label_values(up{{job=~"{JOB_PREFIX}.+"}}, location)')


def _projects() -> dict[str, Any]:
    return _variable("project", "Project", f"label_values(project:name:info{{{_SITE}}}, project_name)")


def _count() -> dict[str, Any]:
    choices = ("10", "20", "50")
    return {
        "name": "count",
        "label": "How many",
        "type": "custom",
        "query": ",".join(choices),
        "current": {"text": "10", "value": "10"},
        "options": [{"text": one, "value": one, "selected": one == "10"} for one in choices],
    }

"""The portal's dashboards for Grafana 10 and later, as JSON.

They query the metrics recorded by ``rules``. Project names are joined last, so a renamed project keeps its
history.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chrysaetos.federation.rules import JOB_PREFIX, KEY, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["dashboards"]

_SCHEMA = 39
"""The schema of Grafana 10.4; later releases migrate it."""
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_RATES = {"vcpu": "suffix: vCPU", "mb": "suffix: MB", "volume_gb": "suffix: GiB", "floating_ip": "short"}
_UNITS = {resource: "suffix: h" if unit == "short" else f"{unit} h" for resource, unit in _RATES.items()}
_TITLES = {"vcpu": "vCPU", "mb": "memory", "volume_gb": "volumes", "floating_ip": "floating IPs"}
_COLUMNS = 24
_SITE = 'location=~"$location"'
_LEGEND = "{{location}} {{project_name}}"


def dashboards() -> dict[str, str]:
    """Return the dashboards by file name without extension."""
    contents = {
        "usage-project": _project(),
        "usage-site": _site(),
        "usage-top": _top(),
        "usage-freshness": _freshness(),
        "usage-credits": _credits(),
        "usage-quotas": _quotas(),
    }
    return {name: json.dumps({"uid": name, **content}, indent=1) + "\n" for name, content in contents.items()}


def _project() -> dict[str, Any]:
    panels = []
    for resource in RESOURCES:
        own, title, unit = f"project:{resource}_usage", _TITLES[resource], _UNITS[resource]
        selected = _selected(f"sum_over_time({own}:increase1h{{{_SITE}}}[$__range:1h])")
        by_day, current, total = (
            _selected(f"{own}:{name}{{{_SITE}}}") for name in ("increase1d", "burn1h", "total")
        )
        panels += [
            _stat(f"Usage of {title} in the selected time range", selected, unit, legend=_LEGEND, width=6),
            _days(f"Usage of {title} by day (UTC)", by_day, unit, legend=_LEGEND, width=9),
            _lines(f"Current usage of {title}", current, _RATES[resource], legend=_LEGEND, width=9),
            _lines(f"Usage of {title} since the start date", total, unit, legend=_LEGEND, width=24),
        ]
    return _dashboard("Usage of projects", panels, [_locations(), _projects()])


def _site() -> dict[str, Any]:
    panels = []
    for resource in RESOURCES:
        title, unit = _TITLES[resource], _UNITS[resource]
        for level, legend in (("location", "{{location}}"), ("domain", "{{location}} {{domain_id}}")):
            by_day, current = (
                f"{level}:{resource}_usage:{name}{{{_SITE}}}" for name in ("increase1d", "burn1h")
            )
            panels += [
                _days(f"Usage of {title} by day (UTC), by {level}", by_day, unit, legend=legend),
                _lines(f"Current usage of {title}, by {level}", current, _RATES[resource], legend=legend),
            ]
        month = f"domain:{resource}_usage:increase30d{{{_SITE}}}"
        panels.append(_table(f"Usage of {title} in the last 30 days, by domain", month, unit))
    return _dashboard("Usage of sites", panels, [_locations()])


def _top() -> dict[str, Any]:
    windows = (
        ("now", "burn1h", _RATES),
        ("in the last 24 full hours", "increase1d", _UNITS),
        ("in the last 30 days", "increase30d", _UNITS),
    )
    panels = []
    for resource in RESOURCES:
        for window, name, units in windows:
            ranked = _with_names(f"topk($count, project:{resource}_usage:{name}{{{_SITE}}})")
            panels.append(_table(f"Most {_TITLES[resource]} {window}", ranked, units[resource], width=8))
        ranged = f"sum_over_time(project:{resource}_usage:increase1h{{{_SITE}}}[$__range:1h])"
        panels.append(
            _table(
                f"Most {_TITLES[resource]} in the selected time range (this month: from now/M)",
                _with_names(f"topk($count, {ranged})"),
                _UNITS[resource],
                width=24,
            )
        )
    return _dashboard("Projects with the highest usage", panels, [_locations(), _count()])


def _freshness() -> dict[str, Any]:
    gate = f'job=~"{JOB_PREFIX}.+",{_SITE}'
    site = "{{location}}"
    by_site = "by (location, location_id)"
    counted = f"max {by_site} (usage_exporter_counted_until_timestamp_seconds{{{_SITE}}} > 0)"
    projects = f"count {by_site} (project:vcpu_usage:total{{{_SITE}}})"
    problems, sources = f"usage_exporter_problem{{{_SITE}}}", f"usage_exporter_source_up{{{_SITE}}}"
    panels = [
        _stat("Gate up", f"up{{{gate}}}", "bool_on_off", legend=site, width=8),
        _stat("Usage up to date", f"usage_exporter_up{{{_SITE}}}", "bool_on_off", legend=site, width=8),
        _stat("Projects", projects, "short", legend=site, width=8),
        _lines("Age of the usage", f"time() - {counted}", "s", legend=site),
        _lines("Scrape duration", f"scrape_duration_seconds{{{gate}}}", "s", legend=site),
        _lines("Samples per scrape", f"scrape_samples_scraped{{{gate}}}", "short", legend=site),
        _lines("Exporter problems", problems, "short", legend="{{location}} {{reason}}"),
        _lines("Sources up to date", sources, "bool_on_off", legend="{{location}} {{source}}"),
        _table("Alerts", f'ALERTS{{alertstate="firing",{_SITE}}}', "short", width=24),
    ]
    return _dashboard("Freshness of sites", panels, [_locations()])


def _credits() -> dict[str, Any]:
    legend = f"{_LEGEND} {{{{resource}}}}"

    def selected(name: str) -> str:
        return _selected(f"project:credits:{name}{{{_SITE}}}")

    end = f"1000 * {selected('end_timestamp_seconds')}"
    panels = [
        _stat("Left", selected("left_ratio"), "percentunit", legend=legend, width=12),
        _stat("Used up at the rate of the last day", end, "dateTimeAsIso", legend=legend, width=12),
        _lines("Hours left", selected("left"), "short", legend=legend),
        _lines("Hours used since the first grant", selected("used"), "short", legend=legend),
        _table("Granted", selected("granted"), "short"),
        _table("Left", selected("left"), "short"),
    ]
    return _dashboard("Credits of projects", panels, [_locations(), _projects()])


def _quotas() -> dict[str, Any]:
    legend = f"{_LEGEND} {{{{service}}}} {{{{resource}}}}"
    ratio = f"project:quota:used_ratio{{{_SITE}}}"
    panels = [
        _table("Most used quotas", _with_names(f"topk($count, {ratio})"), "percentunit"),
        _lines("Used part of quotas", _selected(ratio), "percentunit", legend=legend),
        _table("Used", _selected(f"project:quota:used{{{_SITE}}}"), "short"),
        _table("Limit", _selected(f"project:quota:limit{{{_SITE}}}"), "short"),
    ]
    return _dashboard("Quotas of projects", panels, [_locations(), _projects(), _count()])


def _with_names(expression: str, names: str = "project:name:info") -> str:
    return f"{expression} * on ({KEY}) group_left (project_name, domain_name) {names}"


def _selected(expression: str) -> str:
    """Join the names of the selected projects, which drops all other projects."""
    return _with_names(expression, 'project:name:info{project_name=~"$project"}')


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
        "panels": _arrange(panels),
    }


def _arrange(panels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the panels with ids and positions, row by row."""
    arranged = []
    x = y = row_height = 0
    for number, panel in enumerate(panels, 1):
        size = panel["gridPos"]
        if x + size["w"] > _COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        arranged.append({**panel, "id": number, "gridPos": {**size, "x": x, "y": y}})
        x += size["w"]
        row_height = max(row_height, size["h"])
    return arranged


def _panel(
    kind: str, title: str, expression: str, unit: str, *, legend: str = "", width: int, **more: Any
) -> dict[str, Any]:
    instant = kind in ("stat", "table")
    target = {
        "refId": "A",
        "datasource": _DATASOURCE,
        "expr": expression,
        "legendFormat": legend,
        "instant": instant,
        "range": not instant,
        **({"format": "table"} if kind == "table" else {}),
    }
    return {
        "type": kind,
        "title": title,
        "datasource": _DATASOURCE,
        "gridPos": {"w": width, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, **more.pop("defaults", {})}, "overrides": []},
        "targets": [target],
        **more,
    }


def _stat(title: str, expression: str, unit: str, *, legend: str, width: int) -> dict[str, Any]:
    options = {"reduceOptions": {"calcs": ["last"]}}
    return _panel("stat", title, expression, unit, legend=legend, width=width, options=options)


def _lines(title: str, expression: str, unit: str, *, legend: str, width: int = 12) -> dict[str, Any]:
    return _panel("timeseries", title, expression, unit, legend=legend, width=width)


def _days(title: str, expression: str, unit: str, *, legend: str, width: int = 12) -> dict[str, Any]:
    """Return a panel in which each day is a bar at the midnight that ends the day."""
    style = {"drawStyle": "bars", "fillOpacity": 60, "stacking": {"mode": "normal", "group": "A"}}
    more = {"defaults": {"custom": style}, "interval": "1d"}
    return _panel("timeseries", title, expression, unit, legend=legend, width=width, **more)


def _table(title: str, expression: str, unit: str, *, width: int = 12) -> dict[str, Any]:
    hidden = {"Time": True, "__name__": True, "job": True, "instance": True}
    return _panel(
        "table",
        title,
        expression,
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
        "label": "Number of projects",
        "type": "custom",
        "query": ",".join(choices),
        "current": {"text": "10", "value": "10"},
        "options": [{"text": choice, "value": choice, "selected": choice == "10"} for choice in choices],
    }

"""Watcher's metric map: a YAML file that gives its metrics other names for a datasource.

It maps datasources to mappings of metrics (`load_metric_map` in Watcher's datasources/manager.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.files import explained
from chrysaetos.migrate.findings import Finding, good, wrong

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["METRICS", "check_metric_map", "metric_names", "read_metric_map"]

METRICS = {
    "host_cpu_usage": "node_cpu_seconds_total",
    "host_ram_usage": "node_memory_MemAvailable_bytes",
    "instance_cpu_usage": "ceilometer_cpu",
    "instance_ram_usage": "ceilometer_memory_usage",
}
"""The names that a map may replace, of the metrics that are asked for here."""

Names = dict[str, dict[str, str]]


def read_metric_map(path: Path) -> Names:
    """The names by datasource; none where there is no such file.

    Raises:
        MigrateError: the file is not such a map.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise explained(path, "cannot be read", error) from error
    except yaml.YAMLError as error:
        raise MigrateError(f"{path}: is not YAML, so Watcher ignores it; mend or remove it") from error
    named = content if isinstance(content, dict) else {}
    return {
        str(datasource): {str(metric): str(name) for metric, name in names.items()}
        for datasource, names in named.items()
        if isinstance(names, dict)
    }


def check_metric_map(path: Path) -> list[Finding]:
    """Whether names that prometheus has are there for aetos as well; nothing where there is no map."""
    names = read_metric_map(path)
    missing = names.get("prometheus", {}).keys() - names.get("aetos", {}).keys()
    if missing:
        return [
            wrong(
                "metric map",
                f"{path} gives prometheus, and not aetos, other names: {', '.join(sorted(missing))}",
                "copy them from the section prometheus to a section aetos",
            )
        ]
    return [good("metric map", str(path))] if names else []


def metric_names(names: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What each of `METRICS` is called for aetos."""
    return {**METRICS, **{key: name for key, name in names.get("aetos", {}).items() if key in METRICS}}

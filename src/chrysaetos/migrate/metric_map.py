"""Watcher's metric map: a YAML file with other names of metrics for each datasource.

It maps datasources to mappings of metrics (``load_metric_map`` in Watcher's datasources/manager.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from chrysaetos.findings import Finding, ok, warning
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.files import explain_os_error

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["METRICS", "check_metric_map", "metric_names", "read_metric_map"]

METRICS = {
    "host_cpu_usage": "node_cpu_seconds_total",
    "host_ram_usage": "node_memory_MemAvailable_bytes",
    "instance_cpu_usage": "ceilometer_cpu",
    "instance_ram_usage": "ceilometer_memory_usage",
}
"""The default names of the metrics that are checked here."""

Names = dict[str, dict[str, str]]


def read_metric_map(path: Path) -> Names:
    """Return the names by datasource; empty if the file does not exist.

    Raises:
        MigrateError: the file is not a metric map.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise explain_os_error(path, "cannot be read", error) from error
    except yaml.YAMLError as error:
        raise MigrateError(f"{path}: is not YAML, so Watcher ignores it; correct or remove it") from error
    named = content if isinstance(content, dict) else {}
    return {
        str(datasource): {str(metric): str(name) for metric, name in names.items()}
        for datasource, names in named.items()
        if isinstance(names, dict)
    }


def check_metric_map(path: Path) -> list[Finding]:
    """Check that names for prometheus are set for aetos, too; empty if there is no map."""
    names = read_metric_map(path)
    missing = names.get("prometheus", {}).keys() - names.get("aetos", {}).keys()
    if missing:
        return [
            warning(
                "metric map",
                f"{path} has names for prometheus but not for aetos: {', '.join(sorted(missing))}",
                "copy them from the section prometheus to the section aetos",
            )
        ]
    return [ok("metric map", str(path))] if names else []


def metric_names(path: Path) -> dict[str, str]:
    """Return the name of each of ``METRICS`` for aetos."""
    own = read_metric_map(path).get("aetos", {})
    return {metric: own.get(metric, default) for metric, default in METRICS.items()}

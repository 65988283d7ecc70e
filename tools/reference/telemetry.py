"""The tables of metrics, alerts, and fields of the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import yaml
from tools.reference.rst import escaped, heading, literal, table

from chrysaetos.gateway.build import build
from chrysaetos.gateway.options import load_conf
from chrysaetos.gateway.telemetry.audit import FIELDS
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import new_token, write_tokens
from chrysaetos.usage.health import Health, HealthCollector
from chrysaetos.usage.snapshot import (
    CREDIT_LABELS,
    CREDITS,
    FLOATING_IP_METRICS,
    LABELS,
    METRICS,
    QUOTA_LABELS,
    QUOTAS,
    VOLUME_METRICS,
)

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["gateway_metrics", "render_alerts", "render_audit", "render_metrics"]

Row = tuple[str, str, Iterable[str], str]

_GATE = "chrysaetos_federation_"
_CONFIG = """\
[gateway]
metrics_per_project = true
[prometheus]
replicas = other:9090
[keystone_authtoken]
auth_type = password
auth_url = http://keystone.example
[federation]
tokens_file = {tokens}
"""
"""A configuration with all parts of the gateway that have metrics. Nothing connects to its servers."""


def render_audit() -> str:
    """Return the table of the audit's fields."""
    return table(("Field", "Meaning"), [(literal(name), meaning) for name, meaning in FIELDS.items()])


def render_alerts() -> str:
    """Return the table of the alerts for the gateway."""
    text = (resources.files("chrysaetos.install") / "templates" / "alerts.yml").read_text(encoding="utf-8")
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    rows = (
        (
            literal(rule["alert"]),
            rule["labels"]["severity"],
            rule.get("for", "at once"),
            literal(rule["expr"]),
            escaped(rule["annotations"]["description"]),
        )
        for rule in rules
    )
    return table(("Alert", "Severity", "After", "Expression", "What to do"), rows)


def render_metrics() -> str:
    """Return a table of metrics for each part that has some."""
    totals = METRICS | VOLUME_METRICS | FLOATING_IP_METRICS
    usage: list[Row] = [(name, "gauge", LABELS, text) for name, (_, text) in totals.items()]
    usage += [(name, "gauge", QUOTA_LABELS, text) for name, (_, text) in QUOTAS.items()]
    usage += [(name, "gauge", CREDIT_LABELS, text) for name, (_, text) in CREDITS.items()]
    health = HealthCollector({"servers": Health(), "volumes": Health()})
    gateway = gateway_metrics()
    gate = [row for row in gateway if row[0].startswith(_GATE)]
    return (
        heading("The gateway", "-")
        + _table([row for row in gateway if row not in gate])
        + heading("The federation gate", "-")
        + _table(gate)
        + heading("The usage exporter", "-")
        + _table([*usage, *_rows(health.collect())])
    )


def gateway_metrics() -> list[Row]:
    """Return name, type, labels and text of each metric of a gateway with all its parts.

    The gateway is built from a configuration and has served no request.
    """
    with TemporaryDirectory() as folder:
        tokens, config = Path(folder) / "tokens.json", Path(folder) / "aetos.conf"
        write_tokens(tokens, [new_token("portal", Policy(("up",)), now=0, expires=None)[1]])
        config.write_text(_CONFIG.format(tokens=tokens), encoding="utf-8")
        telemetry = build(load_conf(["--config-file", str(config)])).telemetry
        server: Any = SimpleNamespace(refusals={}, requests=0, tasks=0)
        telemetry.watch(server)
        return _rows(telemetry.registry.collect())


def _rows(families: Iterable[Metric]) -> list[Row]:
    return [
        (
            f"{family.name}_total" if family.type == "counter" else family.name,
            family.type,
            getattr(family, "_labelnames", ()),  # prometheus-client has no public name for it
            family.documentation,
        )
        for family in families
    ]


def _table(rows: list[Row]) -> str:
    cells = (
        (literal(name), kind, ", ".join(map(literal, labels)), escaped(text))
        for name, kind, labels, text in rows
    )
    return table(("Metric", "Type", "Labels", "Meaning"), cells)

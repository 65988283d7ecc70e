"""``targets``, ``rules`` and ``alerts``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.cli.base import MetricsLister, Table
from chrysaetos.cli.cells import text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

__all__ = ["Alerts", "Rules", "Targets"]


class Targets(MetricsLister):
    """List scrape targets and their health."""

    rows_are = "targets"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the state of the targets."""
        parser.add_argument(
            "--state",
            choices=("active", "dropped", "any"),
            default="active",
            help="targets that are scraped, targets dropped by relabelling, or both (default: %(default)s)",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return a row for each target."""
        found = self.client.targets(parsed_args.state)
        active = [
            (
                "active",
                *(text(target.get("labels", {}).get(name, "")) for name in ("job", "instance")),
                *(text(str(target.get(name, ""))) for name in ("health", "lastScrape", "lastError")),
            )
            for target in found.get("activeTargets") or ()
        ]
        dropped = [
            (
                "dropped",
                *(text(target.get("discoveredLabels", {}).get(name, "")) for name in ("job", "__address__")),
                *("", "", ""),
            )
            for target in found.get("droppedTargets") or ()
        ]
        return ["state", "job", "instance", "health", "last_scrape", "last_error"], active + dropped


class Rules(MetricsLister):
    """List recording and alerting rules."""

    rows_are = "rules"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the type of the rules."""
        parser.add_argument("--type", choices=("alert", "record"), help="only rules of this type")

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Return a row for each rule."""
        found = self.client.rules(parsed_args.type)
        rows = [
            (
                text(group.get("name", "")),
                *(text(str(rule.get(name, ""))) for name in ("type", "name", "state", "health", "query")),
                text(str(rule.get("lastError", ""))),
            )
            for group in found.get("groups") or ()
            for rule in group.get("rules") or ()
        ]
        return ["group", "type", "name", "state", "health", "query", "last_error"], rows


class Alerts(MetricsLister):
    """List the alerts that are pending or firing."""

    rows_are = "alerts"

    def take_action(self, parsed_args: argparse.Namespace) -> Table:  # noqa: ARG002  # cliff's signature
        """Return a row for each alert."""
        rows = [
            (
                text(alert.get("labels", {}).get("alertname", "")),
                *(text(str(alert.get(name, ""))) for name in ("state", "activeAt", "value")),
                text(_labels(alert.get("labels", {}))),
            )
            for alert in self.client.alerts()
        ]
        return ["alert", "state", "active_since", "value", "labels"], rows


def _labels(labels: Mapping[str, str]) -> str:
    pairs = sorted((name, value) for name, value in labels.items() if name != "alertname")
    return ", ".join(f"{name}={value}" for name, value in pairs)

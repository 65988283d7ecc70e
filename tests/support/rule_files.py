"""Read the rules of a rule file."""

from __future__ import annotations

from typing import Any

import yaml


def rules_in(text: str) -> list[dict[str, Any]]:
    """Return the rules of all groups of a rule file, as Prometheus names their settings."""
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]

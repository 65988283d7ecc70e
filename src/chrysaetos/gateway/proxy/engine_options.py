"""The configuration of the engine behind the gateway: what it is, and what scoped requests tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_config import cfg

from chrysaetos.errors import ConfigError
from chrysaetos.tenancy.engine import EngineScoping, Tenants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.tenancy.labels import LabelTable

__all__ = ["ENGINE_OPTIONS", "load_engine"]

_PARAMETERS: Mapping[str, Mapping[str, str]] = {"victoriametrics": {"extra_filters[]": "{selector}"}}
_HEADERS: Mapping[str, Mapping[str, str]] = {
    "thanos": {"THANOS-TENANT": "{project}"},
    "mimir": {"X-Scope-OrgID": "{tenant}"},
}

ENGINE_OPTIONS = [
    cfg.StrOpt(
        "engine",
        default="prometheus",
        choices=[
            ("prometheus", "The gateway scopes alone."),
            ("victoriametrics", "Scoped requests carry extra_filters[] with what the caller may see."),
            ("thanos", "Scoped requests carry the project in THANOS-TENANT, for --query.enforce-tenancy."),
            ("mimir", "Scoped requests carry the tenant of the project in X-Scope-OrgID."),
        ],
        help="What speaks Prometheus' API there, and so what it is asked to enforce beside the gateway.",
    ),
    cfg.DictOpt(
        "scope_parameters",
        default={},
        help="Parameters that each scoped request carries and an unrestricted one does not, as "
        "name:template. A template may hold {selector} (what the caller may see, as series selectors), "
        "{project}, {projects}, {tenant} and {tenants}; a vertical bar joins several. They are added "
        "to those of the engine; one of the same name takes its place.",
    ),
    cfg.DictOpt(
        "scope_headers",
        default={},
        help="Headers that each scoped request carries, as scope_parameters, without {selector}. Where "
        "headers has the same name, unrestricted requests carry its value.",
    ),
    cfg.DictOpt(
        "tenants",
        default={},
        help="Tenants of the engine by project id, as 1f0c:gold; * is for all projects that are not named.",
    ),
    cfg.IntOpt(
        "tenant_buckets",
        default=0,
        min=0,
        max=100000,
        help="Projects that tenants does not name share this many tenants, named bucket-0 and so on, with "
        "the number of Prometheus' relabelling action hashmod. 0: none.",
    ),
]


def load_engine(section: cfg.ConfigOpts.GroupAttr, labels: LabelTable) -> EngineScoping:
    """Read what scoped requests tell the engine.

    Args:
        section: the section ``[prometheus]``.
        labels: the metrics that have the project in another label, or are open to all.

    Raises:
        ConfigError: a value cannot be used, or the engine cannot enforce what the configuration says.
    """
    engine = section.engine
    if engine == "thanos" and labels.entries:
        raise ConfigError(
            "[prometheus] engine: Thanos enforces one label for all metrics, so metric_label_names and "
            "open_metrics cannot be used with it"
        )
    try:
        tenants = Tenants(section.tenants, section.tenant_buckets)
    except ValueError as error:
        raise ConfigError(f"[prometheus] tenants or tenant_buckets: {error}") from error
    parameters = _merged(_PARAMETERS.get(engine, {}), section.scope_parameters)
    headers = _merged(_HEADERS.get(engine, {}), section.scope_headers)
    try:
        return EngineScoping(parameters, headers, tenants)
    except ValueError as error:
        raise ConfigError(
            f"[prometheus] scope_parameters, scope_headers, engine or tenants: {error}"
        ) from error


def _merged(preset: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the engine's templates and the operator's; of two with the same name, the operator's."""
    names = {name.lower() for name in own}
    return {name: template for name, template in preset.items() if name.lower() not in names} | dict(own)

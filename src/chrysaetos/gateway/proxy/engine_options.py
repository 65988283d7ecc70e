"""The options of the upstream's engine: its type, and the parameters and headers of scoped requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_config import cfg

from chrysaetos.errors import ConfigError
from chrysaetos.tenancy.engine import EngineScoping, Tenants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.tenancy.labels import LabelTable

__all__ = ["ENGINE_NAMES", "ENGINE_OPTIONS", "load_engine"]

ENGINE_NAMES: Mapping[str, str] = {
    "prometheus": "Prometheus",
    "victoriametrics": "VictoriaMetrics",
    "thanos": "Thanos",
    "mimir": "Mimir",
}
"""The engines' own names, by the value of the option."""

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
            ("prometheus", "Only the gateway enforces scopes."),
            ("victoriametrics", "Scoped requests have the scope's selectors in extra_filters[]."),
            ("thanos", "Scoped requests have the project in THANOS-TENANT, for --query.enforce-tenancy."),
            ("mimir", "Scoped requests have the tenant of the project in X-Scope-OrgID."),
        ],
        help="The engine that serves the Prometheus API. It determines how the engine enforces a scope in "
        "addition to the gateway.",
    ),
    cfg.DictOpt(
        "scope_parameters",
        default={},
        help="Parameters to add to scoped requests, but not to unrestricted ones, as name:template. A "
        "template may contain {selector} (selectors of the series that the caller may see), {project}, "
        "{projects}, {tenant} and {tenants}; several values are joined by a vertical bar. A parameter "
        "with the same name as one of the engine replaces it.",
    ),
    cfg.DictOpt(
        "scope_headers",
        default={},
        help="Headers to add to scoped requests, as in scope_parameters, but without {selector}. If the "
        "option headers has a header with the same name, only unrestricted requests have its value.",
    ),
    cfg.DictOpt(
        "tenants",
        default={},
        help="Tenants of the engine by project id, such as 1f0c:gold; * stands for all other projects.",
    ),
    cfg.IntOpt(
        "tenant_buckets",
        default=0,
        min=0,
        max=100000,
        help="Number of tenants, named bucket-0 and so on, that are shared by the projects that the option "
        "tenants does not name. The number of a project's bucket is that of Prometheus' relabelling action "
        "hashmod. 0: none.",
    ),
]


def load_engine(section: cfg.ConfigOpts.GroupAttr, labels: LabelTable) -> EngineScoping:
    """Return the parameters and headers of scoped requests.

    Args:
        section: the section ``[prometheus]``.
        labels: the metrics that have the project in another label, or are open to all.

    Raises:
        ConfigError: a value is invalid, or the engine cannot enforce the configured labels.
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
    """Return the templates of the engine and of the operator, whose templates take precedence."""
    names = {name.lower() for name in own}
    return {name: template for name, template in preset.items() if name.lower() not in names} | dict(own)

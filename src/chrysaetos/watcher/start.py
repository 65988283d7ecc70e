"""What the decision engine says when it starts, and whether it starts at all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from oslo_config import cfg
from watcher.common import clients
from watcher.common.nova_helper import NovaHelper
from watcher.decision_engine.loading.default import DefaultStrategyLoader

import chrysaetos
from chrysaetos.watcher.connection import RequestFailed
from chrysaetos.watcher.datasource import AetosDatasource
from chrysaetos.watcher.hosts import short_names

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["at_start"]

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

_SECONDS = 20.0
"""How long the start waits for Aetos."""

_NAMED = 10
"""How many hosts a line names."""


def at_start() -> None:
    """Report on the datasource `aetos`, if it is configured.

    Raises:
        SystemExit: it cannot be used, and `[aetos_client] require_at_start` is set.
    """
    try:
        problem = _problem()
    except Exception as error:
        # Whatever it is: a report must not keep the engine from starting, unless that is asked for.
        LOG.exception("Datasource aetos (chrysaetos %s) could not be checked", chrysaetos.__version__)
        problem = f"it could not be checked: {type(error).__name__}"
    if problem:
        LOG.error("Datasource aetos (chrysaetos %s): %s", chrysaetos.__version__, problem)
        if CONF.aetos_client.require_at_start:
            raise SystemExit(f"watcher-decision-engine: datasource aetos: {problem}")


def _problem() -> str | None:
    """Report, and return what keeps the datasource from being used."""
    lists = _datasource_lists()
    configured = {name for names in lists.values() for name in names}
    if "prometheus" in configured and CONF.prometheus_client.grouped_queries:
        LOG.info("Datasource prometheus (chrysaetos %s): grouped queries", chrysaetos.__version__)
    if "aetos" not in configured:
        LOG.info("Datasource aetos (chrysaetos %s) is installed and not configured", chrysaetos.__version__)
        return None
    return _conflict(lists) or _report()


def _datasource_lists() -> dict[str, list[str]]:
    """Section → its `datasources`; empty where it has none of its own."""
    found = {"watcher_datasources": CONF.watcher_datasources.datasources or []}
    for name, strategy in DefaultStrategyLoader().list_available().items():
        section = f"watcher_strategies.{name}"
        options = strategy.get_config_opts()
        if options:
            # Watcher does so when it loads a strategy, which is later.
            CONF.register_opts(options, group=section)
            found[section] = getattr(CONF[section], "datasources", None) or []
    return found


def _conflict(lists: dict[str, list[str]]) -> str | None:
    for section, names in lists.items():
        if {"aetos", "prometheus"} <= set(names):
            return (
                f"configuration error: [{section}] datasources has both prometheus and aetos, which Watcher "
                "does not support; remove prometheus"
            )
    return None


def _report() -> str | None:
    """Log what is there; return what keeps it from being used."""
    osc = clients.OpenStackClients()
    try:
        datasource = AetosDatasource(osc, timeout=min(_SECONDS, CONF.aetos_client.timeout))
        endpoint = datasource.prometheus.endpoint
    except RequestFailed as error:
        return str(error)
    hosts = datasource.prometheus_fqdn_labels
    options = CONF.aetos_client
    LOG.info(
        "Datasource aetos (chrysaetos %s): endpoint %s, interface %s, region %s, role %s, "
        "%d hosts by label %s, %s",
        chrysaetos.__version__,
        endpoint,
        options.interface,
        options.region_name or "any",
        ", ".join(_roles(osc)) or "unknown",
        len(hosts),
        options.fqdn_label,
        _match(hosts),
    )
    return None if hosts else "no hosts have metrics; the line above says why"


def _roles(osc: Any) -> list[str]:
    """The roles of Watcher's token; none where the kind of credentials does not say."""
    access = getattr(osc.session.auth, "get_access", None)
    return sorted(access(osc.session).role_names) if access else []


def _match(hosts: Iterable[str]) -> str:
    """How many of Nova's compute services are among the hosts."""
    try:
        services = _compute_hosts()
    except Exception as error:  # noqa: BLE001  # Nova is none of our business: without it the line is shorter
        return f"not compared with Nova ({type(error).__name__})"
    known = {*hosts, *short_names(tuple(hosts))}
    missing = sorted(set(services) - known)
    if missing:
        named = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
        LOG.warning("Datasource aetos: compute hosts without metrics (%d): %s", len(missing), named)
    return f"{len(services) - len(missing)} of {len(services)} compute hosts matched"


def _compute_hosts() -> list[str]:
    """The names that Watcher's model will have (`ComputeNode.hostname`)."""
    nodes = NovaHelper().get_compute_node_list()
    # Novaclient's hypervisors (to release 16) have the service as a dictionary.
    return [node.service_host if hasattr(node, "service_host") else node.service["host"] for node in nodes]

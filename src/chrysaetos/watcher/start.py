"""The check of the datasource ``aetos`` at the start of the decision engine."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oslo_config import cfg
from watcher.common import clients
from watcher.common.nova_helper import NovaHelper
from watcher.decision_engine.loading.default import DefaultStrategyLoader

import chrysaetos
from chrysaetos.client import errors
from chrysaetos.watcher.connection import RequestFailed
from chrysaetos.watcher.datasource import AetosDatasource
from chrysaetos.watcher.hosts import short_names

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_at_start"]

CONF = cfg.CONF
_LOG = logging.getLogger(__name__)

_TIMEOUT = 20.0
"""The maximum time for Aetos to respond, in seconds."""

_FIRST_PAUSE = 5.0
_MAX_PAUSE = 300.0
"""Pauses between repeated checks, in seconds; each is twice as long as the one before."""

_MAX_NAMES = 10
"""The maximum number of host names in a log line."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """Why the datasource is not usable.

    Attributes:
        text: the message, in one line.
        in_configuration: whether the configuration has to be changed before the engine can use Aetos.
        temporary: whether the check may succeed later without a change.
    """

    text: str
    in_configuration: bool = False
    temporary: bool = False


def check_at_start() -> None:
    """Check the datasource ``aetos`` if it is configured, and log the result.

    While Keystone or the gateway is down, a thread repeats the check until it has a result.

    Raises:
        SystemExit: the datasource is not usable; ``[aetos_client] require_at_start`` defines for which
            problems.
    """
    problem = _check()
    if problem is None:
        return
    required = CONF.aetos_client.require_at_start
    if problem.in_configuration if required is None else required:
        raise SystemExit(f"watcher-decision-engine: datasource aetos: {problem.text}")
    if problem.temporary:
        threading.Thread(target=_check_again, name="aetos-check", daemon=True).start()


def _check_again() -> None:
    """Repeat the check until there is no problem, or one that is not temporary.

    On release 17, the engine forks its worker in the first pause. This thread stays in the parent process.
    """
    pause, again = _FIRST_PAUSE, True
    while again:
        _LOG.info("Datasource aetos: the next check is in %g s", pause)
        time.sleep(pause)
        pause = min(2 * pause, _MAX_PAUSE)
        problem = _check()
        again = problem is not None and problem.temporary


def _check() -> _Problem | None:
    """Check the configured datasources; log and return the problem, None if there is none."""
    try:
        problem = _find_problem()
    except Exception as error:  # noqa: BLE001  # logged with its traceback
        # The plugin's own faults must not prevent the engine from starting.
        _LOG.exception("Cannot check the datasource aetos (chrysaetos %s)", chrysaetos.__version__)
        problem = _Problem(f"check failed: {type(error).__name__}")
    if problem:
        _LOG.error("Datasource aetos (chrysaetos %s): %s", chrysaetos.__version__, problem.text)
    return problem


def _find_problem() -> _Problem | None:
    lists = _datasource_lists()
    configured = {name for names in lists.values() for name in names}
    if "prometheus" in configured and CONF.prometheus_client.grouped_queries:
        _LOG.info("Datasource prometheus (chrysaetos %s) uses grouped queries", chrysaetos.__version__)
    if "aetos" not in configured:
        _LOG.info("Datasource aetos (chrysaetos %s) is installed but not configured", chrysaetos.__version__)
        return None
    wanted = any(_is_set_to("aetos", section) for section in lists)
    return _conflict(lists) or _check_datasource(wanted=wanted)


def _datasource_lists() -> dict[str, list[str]]:
    """Return the option ``datasources`` of each section; empty if it is not set."""
    found = {"watcher_datasources": CONF.watcher_datasources.datasources or []}
    for name, strategy in DefaultStrategyLoader().list_available().items():
        section = f"watcher_strategies.{name}"
        options = strategy.get_config_opts()
        if options:
            # Watcher registers them when it loads a strategy, which is later.
            CONF.register_opts(options, group=section)
            found[section] = getattr(CONF[section], "datasources", None) or []
    return found


def _is_set_to(name: str, section: str) -> bool:
    """Return whether an operator has set a list with a datasource: Watcher's default has aetos, too."""
    if name not in (CONF[section].get("datasources") or []):
        return False
    found = CONF.get_location("datasources", section)
    return found is not None and found.location not in {cfg.Locations.opt_default, cfg.Locations.set_default}


def _conflict(sections: Iterable[str]) -> _Problem | None:
    """Return the problem that both datasources are set, in one list or in two; None if they are not.

    Watcher itself rejects only one list with both, and only when an audit uses it.
    """
    with_prometheus, with_aetos = (
        [section for section in sections if _is_set_to(name, section)] for name in ("prometheus", "aetos")
    )
    with_both = [section for section in with_prometheus if section in with_aetos]
    if with_both:
        conflict = (
            f"[{with_both[0]}] datasources has both prometheus and aetos, which Watcher does not support; "
            "remove prometheus"
        )
    elif with_prometheus and with_aetos:
        conflict = (
            f"[{with_prometheus[0]}] datasources has prometheus and [{with_aetos[0]}] datasources has aetos, "
            "which Watcher does not support at the same time; replace prometheus by aetos"
        )
    else:
        return None
    return _Problem(f"configuration error: {conflict}", in_configuration=True)


def _check_datasource(*, wanted: bool) -> _Problem | None:
    """Create the datasource and log its properties; return the problem, None if there is none.

    Args:
        wanted: whether an operator has set aetos, so that a missing endpoint is a mistake.
    """
    osc = clients.OpenStackClients()
    try:
        datasource = AetosDatasource(osc, timeout=min(_TIMEOUT, CONF.aetos_client.timeout))
        endpoint = datasource.prometheus.endpoint
    except RequestFailed as failed:
        error = failed.__cause__
        return _Problem(
            str(failed),
            in_configuration=wanted and isinstance(error, errors.NotRegistered),
            temporary=isinstance(error, errors.Unreachable) or getattr(error, "retryable", False),
        )
    hosts = datasource.prometheus_fqdn_labels
    options = CONF.aetos_client
    _LOG.info(
        "Datasource aetos (chrysaetos %s): endpoint %s, interface %s, region %s, role %s, "
        "%d hosts by label %s, %s",
        chrysaetos.__version__,
        endpoint,
        options.interface,
        options.region_name or "any",
        ", ".join(_roles(osc)) or "unknown",
        len(hosts),
        options.fqdn_label,
        _compare_with_nova(hosts),
    )
    return None if hosts else _Problem("no host has metrics; see the previous line")


def _roles(osc: Any) -> list[str]:
    """Return the roles of Watcher's token; empty if the credentials are not Keystone's."""
    access = getattr(osc.session.auth, "get_access", None)
    return sorted(access(osc.session).role_names) if access else []


def _compare_with_nova(hosts: Iterable[str]) -> str:
    """Return how many of Nova's compute hosts have metrics, and log the others."""
    try:
        services = _compute_hosts()
    except Exception as error:  # noqa: BLE001  # Nova is not required for the datasource
        return f"not compared with Nova ({type(error).__name__})"
    known = {*hosts, *short_names(tuple(hosts))}
    missing = sorted(set(services) - known)
    if missing:
        names = ", ".join(missing[:_MAX_NAMES]) + (", …" if len(missing) > _MAX_NAMES else "")
        _LOG.warning("Datasource aetos: compute hosts without metrics (%d): %s", len(missing), names)
    return f"{len(services) - len(missing)} of {len(services)} compute hosts have metrics"


def _compute_hosts() -> list[str]:
    """Return the host names as in Watcher's model (``ComputeNode.hostname``)."""
    nodes = NovaHelper().get_compute_node_list()
    # Up to release 16, these are novaclient's hypervisors, whose service is a dictionary.
    return [node.service_host if hasattr(node, "service_host") else node.service["host"] for node in nodes]

"""The evaluator of Aodh's alarms of the type ``prometheus``.

Aodh restricts a tenant's query by editing its text, and sends it with the rights of a service. Here, the
gateway restricts the query to the project of the alarm.

This entry point has the same name as Aodh's own evaluator, and it is undefined which one Aodh loads.
Importing this module therefore also replaces the methods of Aodh's class. Aodh loads all evaluators at its
start.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

from aodh import keystone_client
from aodh.evaluator import prometheus
from aodh.evaluator.composite import CompositeEvaluator
from aodh.evaluator.threshold import InsufficientDataError

from chrysaetos.aodh.options import GROUP, register_options
from chrysaetos.aodh.queries import Queries
from chrysaetos.client import MetricsClient
from chrysaetos.client.errors import BadQuery, MetricsError, UnexpectedResult, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Callable

    from oslo_config import cfg

__all__ = ["AetosEvaluator"]

_LOG = logging.getLogger(__name__)

_OF_THE_QUERY = (BadQuery, Unprocessable, UnexpectedResult)
"""Errors that only another query of the tenant avoids."""

_PROJECT: ContextVar[str] = ContextVar("project")
"""The project of the alarm that is evaluated. It is the alarm's, and never taken from a rule."""

_QUERIES: list[tuple[cfg.ConfigOpts, Queries]] = []
"""The queries of this process, for the configuration that it has: composite alarms have evaluators of their
own, which share them."""


def _queries(conf: cfg.ConfigOpts) -> Queries:
    if not _QUERIES or _QUERIES[0][0] is not conf:
        register_options(conf)
        client = MetricsClient(
            keystone_client.get_session(conf),
            interface=conf.service_credentials.interface.removesuffix("URL"),
            region_name=conf.service_credentials.region_name,
            timeout=conf[GROUP].timeout,
            retries=1,
            require_complete=True,
        )
        queries = Queries(
            client,
            unrestricted=conf[GROUP].unrestricted_projects,
            seconds=conf.evaluator.evaluation_interval / 2,
        )
        _QUERIES[:] = [(conf, queries)]
    return _QUERIES[0][1]


def _evaluate_rule(evaluator: Any, alarm_rule: dict[str, Any]) -> Any:
    """Return what Aodh's method returns: state, trending state, statistics, number outside, reason.

    Raises:
        InsufficientDataError: the result is empty, or the query is invalid.
        MetricsError: the query could not be evaluated now.
    """
    try:
        values = _queries(evaluator.conf).values(_PROJECT.get(), alarm_rule["query"])
    except _OF_THE_QUERY as error:
        raise InsufficientDataError(f"the query failed: {error.message}", []) from error
    if not values:
        raise InsufficientDataError("datapoints are unknown", [])
    return evaluator._process_statistics(alarm_rule, values)  # noqa: SLF001  # inherited, and Aodh's own call


def _for_its_project(evaluate: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Return a method ``evaluate`` whose queries are those of the alarm's project.

    If the gateway cannot be reached, the alarm keeps its state, as with Aodh's own evaluator, and one line is
    logged instead of a traceback for each alarm.
    """

    @wraps(evaluate)
    def evaluated(evaluator: Any, alarm: Any) -> None:
        token = _PROJECT.set(alarm.project_id)
        try:
            evaluate(evaluator, alarm)
        except MetricsError as error:
            _LOG.error("alarm %s: not evaluated, its state stays %s: %s", alarm.alarm_id, alarm.state, error)
        finally:
            _PROJECT.reset(token)

    return evaluated


def _no_client(evaluator: Any, conf: cfg.ConfigOpts) -> None:
    """Create no client of Aodh's: that needs Keystone, and if it fails the alarms are never evaluated."""


class AetosEvaluator(prometheus.PrometheusEvaluator):  # type: ignore[misc]  # Aodh is not typed
    """Aodh's evaluator with the methods below, even if Aodh could not create its own."""


prometheus.PrometheusBase._set_obsclient = _no_client  # noqa: SLF001  # there is no public way in
prometheus.PrometheusEvaluator.evaluate = _for_its_project(prometheus.PrometheusEvaluator.evaluate)
prometheus.PrometheusEvaluator.evaluate_rule = _evaluate_rule
CompositeEvaluator.evaluate = _for_its_project(CompositeEvaluator.evaluate)

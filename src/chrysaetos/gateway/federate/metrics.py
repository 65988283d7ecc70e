"""Metrics of portals, by the names of their tokens: an operator chooses the names, so they are few."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from chrysaetos.gateway.federate.handler import Portal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from chrysaetos.gateway.app.exchange import Exchange
    from chrysaetos.portals.tokens import TokenFile

__all__ = ["GateMetrics"]


class GateMetrics:
    """Observes the requests of portals and collects their metrics.

    Args:
        tokens: the tokens in force, for their expiry.
        clock: seconds since the epoch.
    """

    def __init__(self, tokens: TokenFile, *, clock: Callable[[], float] = time.time) -> None:
        self._tokens = tokens
        self._clock = clock
        self._requests: dict[tuple[str, int], int] = {}
        self._answered: dict[str, float] = {}

    def on_end(self, exchange: Exchange) -> None:
        """Count the request, if it is a portal's."""
        portal = exchange.caller
        if not isinstance(portal, Portal):
            return
        name = portal.user_name or ""
        key = (name, exchange.status)
        self._requests[key] = self._requests.get(key, 0) + 1
        if exchange.status == 200 and exchange.complete:
            self._answered[name] = self._clock()

    def collect(self) -> Iterator[Metric]:
        """Return the metrics."""
        requests = CounterMetricFamily(
            "chrysaetos_federation_requests",
            "Requests of portals, by the name of the token.",
            labels=("token", "code"),
        )
        for (name, status), count in self._requests.items():
            requests.add_metric((name, str(status)), count)
        answered = GaugeMetricFamily(
            "chrysaetos_federation_answered_timestamp_seconds",
            "When a portal last received a complete response.",
            labels=("token",),
        )
        for name, moment in self._answered.items():
            answered.add_metric((name,), moment)
        expires = GaugeMetricFamily(
            "chrysaetos_federation_token_expires_timestamp_seconds",
            "When the last token with this name expires; +Inf for never.",
            labels=("token",),
        )
        for name, moment in self._tokens.expiries().items():
            expires.add_metric((name,), moment)
        usable = GaugeMetricFamily(
            "chrysaetos_federation_tokens_current",
            "Whether the token file was valid when it last changed; if 0, the previous tokens are in force.",
        )
        usable.add_metric((), float(self._tokens.is_current))
        yield from (requests, answered, expires, usable)

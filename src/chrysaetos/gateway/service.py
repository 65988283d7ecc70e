"""An application with its metrics and audit log: the gateway, or the gate alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.gateway.app.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from chrysaetos.errors import Headers
    from chrysaetos.gateway.app.application import Application
    from chrysaetos.gateway.federate.metrics import GateMetrics
    from chrysaetos.gateway.telemetry.audit import Audit
    from chrysaetos.gateway.telemetry.metrics import Telemetry
    from chrysaetos.gateway.telemetry.metrics_server import MetricsServer
    from chrysaetos.http.server.server import RefusedRequest

__all__ = ["Service"]


@dataclass(frozen=True, slots=True)
class Service:
    """An application that is ready to be served.

    Attributes:
        application: the application.
        telemetry: the metrics, with those of the server.
        audit: the audit log, empty if it is off.
        reload: reloads the policy, and the web page's session keys and exporters; for the gate alone, its
            tokens.
    """

    application: Application
    telemetry: Telemetry
    audit: Sequence[Audit]
    reload: Callable[[], None]

    @classmethod
    def observed(
        cls,
        create: Callable[..., Application],
        *,
        telemetry: Telemetry,
        portals: Sequence[GateMetrics],
        audit: Sequence[Audit],
        metrics: Sequence[MetricsServer],
        reload: Callable[[], None],
    ) -> Self:
        """Create an application whose requests are counted and audited.

        Args:
            create: creates the application; it gets ``observers`` and ``services``.
            telemetry: counts requests.
            portals: counts the requests of portals.
            audit: writes the audit log.
            metrics: serves the metrics.
            reload: see the attribute.
        """
        for each in portals:
            telemetry.registry.register(each)
        application = create(observers=(telemetry, *portals, *audit), services=(*metrics, *audit))
        return cls(application, telemetry, audit, reload)

    def on_refused(self, request: RefusedRequest) -> Headers:
        """Audit a request that the server rejected, and return the header with its id."""
        exchange = Exchange.of_rejected(request)
        for audit in self.audit:
            audit.on_end(exchange)
        return [exchange.id_header]

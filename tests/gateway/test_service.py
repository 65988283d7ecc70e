"""An application with its observers and services."""

from typing import Any

from tests.fakes.observer import Watcher

from chrysaetos.errors import HeadersTooLarge
from chrysaetos.gateway.service import Service
from chrysaetos.gateway.telemetry.metrics import Telemetry
from chrysaetos.http.server.server import RefusedRequest


def service(*audit):
    created: dict[str, Any] = {}
    telemetry = Telemetry()
    listener: Any = "listener"

    def create(**arguments):
        created.update(arguments)
        return "application"

    made = Service.observed(
        create,
        telemetry=telemetry,
        portals=(),
        audit=audit,
        metrics=(listener,),
        reload=lambda: None,
    )
    return made, created


def test_the_application_gets_its_observers_and_services():
    audit = Watcher()
    made, created = service(audit)
    assert made.application == "application"
    assert created == {"observers": (made.telemetry, audit), "services": ("listener", audit)}


def test_a_rejected_request_is_audited_and_its_response_has_the_id():
    audit = Watcher()
    made, _ = service(audit)
    headers = made.on_refused(RefusedRequest(HeadersTooLarge("too much"), "192.0.2.1", "", "", 70))
    (exchange,) = audit.seen
    assert (exchange.status, exchange.reason) == (431, "too much")
    assert headers == [exchange.id_header]

"""The details that are recorded of a request."""

from chrysaetos.errors import HeadersTooLarge
from chrysaetos.gateway.app.exchange import Exchange
from chrysaetos.http.server.server import RefusedRequest


def test_a_rejected_request_is_a_completed_exchange():
    refused = RefusedRequest(HeadersTooLarge("too much"), "192.0.2.1", "POST", "/b", answer_bytes=70)
    exchange = Exchange.of_rejected(refused)
    assert (exchange.client, exchange.method, exchange.path) == ("192.0.2.1", "POST", "/b")
    assert (exchange.status, exchange.error, exchange.reason) == (431, "bad_data", "too much")
    assert (exchange.sent, exchange.complete, exchange.seconds) == (70, True, 0.0)
    assert exchange.id_header == (b"x-openstack-request-id", exchange.request_id.encode("ascii"))
    assert exchange.request_id != Exchange.of_rejected(refused).request_id

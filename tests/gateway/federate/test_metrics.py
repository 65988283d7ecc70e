"""The metrics of portals."""

from prometheus_client import CollectorRegistry, generate_latest

from chrysaetos.gateway.app.exchange import Exchange
from chrysaetos.gateway.federate.handler import Portal
from chrysaetos.gateway.federate.metrics import GateMetrics
from chrysaetos.identity.caller import Caller
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import TokenFile, new_token, write_tokens


def exchange(caller, status, *, complete=True):
    made = Exchange("GET", "")
    made.caller, made.status, made.complete = caller, status, complete
    return made


def test_only_portals_are_counted_by_name(tmp_path):
    file = tmp_path / "tokens.json"
    tokens = [
        new_token(name, Policy(("up",)), now=0.0, expires=expires)[1]
        for name, expires in (("a", None), ("b", 4e9))
    ]
    write_tokens(file, tokens)
    metrics = GateMetrics(TokenFile(file), clock=lambda: 1234.5)
    portals = {token.name: Portal.of(token) for token in tokens}
    for one in (
        exchange(portals["a"], 200),
        exchange(portals["a"], 200),
        exchange(portals["a"], 403),
        exchange(portals["b"], 200, complete=False),
        exchange(Caller(user_id="portal:b", user_name="b"), 200),
        exchange(None, 401),
    ):
        metrics.on_end(one)
    registry = CollectorRegistry()
    registry.register(metrics)
    shown = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert shown == [
        'chrysaetos_federation_requests_total{code="200",token="a"} 2.0',
        'chrysaetos_federation_requests_total{code="403",token="a"} 1.0',
        'chrysaetos_federation_requests_total{code="200",token="b"} 1.0',
        'chrysaetos_federation_answered_timestamp_seconds{token="a"} 1234.5',
        'chrysaetos_federation_token_expires_timestamp_seconds{token="a"} +Inf',
        'chrysaetos_federation_token_expires_timestamp_seconds{token="b"} 4e+09',
        "chrysaetos_federation_tokens_current 1.0",
    ]

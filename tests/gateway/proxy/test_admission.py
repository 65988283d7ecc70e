"""Authentication and authorization of a request."""

import pytest
from tests.fakes.identity import FakeIdentity

from chrysaetos.errors import Forbidden, Unauthorized
from chrysaetos.gateway.asgi.exchange import Exchange
from chrysaetos.gateway.asgi.request import Request
from chrysaetos.gateway.proxy.admission import grant, identify
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

CALLER = Caller(user_id="u", project_id="A", roles=("member",))


def request(token):
    scope = {
        "method": "GET",
        "raw_path": b"/api/v1/query",
        "query_string": b"",
        "headers": [(b"x-auth-token", token)],
    }
    return Request(scope, GatewayOptions())


async def test_a_cached_caller_is_not_authenticated_again():
    identity = FakeIdentity({"t": CALLER})
    for asked in ([("GET", "/api/v1/query")], [("GET", "/api/v1/query")]):
        exchange = Exchange("GET", "")
        assert await identify(identity, request(b"t"), exchange) is CALLER
        assert exchange.caller is CALLER
        assert identity.asked == asked
        identity.warm.add("t")


async def test_an_unknown_caller_is_not_on_the_exchange():
    exchange = Exchange("GET", "")
    with pytest.raises(Unauthorized):
        await identify(FakeIdentity({}), request(b"t"), exchange)
    assert exchange.caller is None


class Access:
    def __init__(self, scope):
        self._scope = scope

    async def grant(self, caller, endpoint):
        return self._scope

    def narrow(self, scope, project_id):
        raise NotImplementedError


async def test_a_scoped_caller_is_rejected_where_the_response_is_about_all_projects():
    own = Scope("project", ("A",))
    operator, tenant = find_path("/api/v1/status/config").endpoint, find_path("/api/v1/query").endpoint
    assert await grant(Access(own), CALLER, tenant) is own
    assert await grant(Access(UNRESTRICTED), CALLER, operator) is UNRESTRICTED
    with pytest.raises(Forbidden):
        await grant(Access(own), CALLER, operator)

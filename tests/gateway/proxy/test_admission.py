"""Authentication and authorization of a request."""

import pytest
from tests.fakes.app_client import http_request
from tests.fakes.identity import FakeIdentity
from tests.support.scripted_gateway import gateway, pairs

from chrysaetos.errors import Forbidden, Unauthorized
from chrysaetos.gateway.app.exchange import Exchange
from chrysaetos.gateway.app.request import Request
from chrysaetos.gateway.proxy.admission import grant, identify
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

CALLER = Caller(user_id="u", project_id="A", roles=("member",))


def request(token):
    received = http_request("GET", "/api/v1/query", headers=[(b"x-auth-token", token)])
    return Request(received, GatewayOptions())


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


def narrow(project):
    return (b"x-chrysaetos-project", project)


async def test_an_admins_request_can_be_restricted_to_a_project():
    async with gateway() as g:
        response = await g.get("/api/v1/query?query=up", "admin", narrow(b"B"))
        assert pairs(g.asked()[0].split(b" ")[1].partition(b"?")[2]) == [("query", 'up{project="B"}')]
        sent = dict(response.headers)
        assert (sent[b"x-chrysaetos-scope"], sent[b"x-chrysaetos-project"]) == (b"restricted", b"B")
        assert g.watcher.seen[-1].scope.values == ("B",)
        # A response that was filtered, and one to which nothing was added.
        await g.get("/api/v1/series?match[]=up", "admin", narrow(b"C"))
        assert b"project%3D%22C%22" in g.asked()[0]
        assert b"x-chrysaetos-project" not in dict((await g.get("/api/v1/query?query=up", "admin")).headers)


@pytest.mark.parametrize(
    ("who", "path", "projects", "status"),
    [
        ("tenant", "/api/v1/query?query=up", [b"A"], 200),
        ("tenant", "/api/v1/query?query=up", [b"B"], 403),
        ("stranger", "/api/v1/query?query=up", [b"S"], 403),
        ("admin", "/api/v1/query?query=up", [b""], 400),
        ("admin", "/api/v1/query?query=up", [b"A,B"], 400),
        ("admin", "/api/v1/query?query=up", [b"A B"], 400),
        ("admin", "/api/v1/query?query=up", [b"A\xff"], 400),
        ("admin", "/api/v1/query?query=up", [b"x" * 256], 400),
        ("admin", "/api/v1/query?query=up", [b"A", b"A"], 400),
        ("admin", "/api/v1/query?query=up", [b"A", b""], 400),
        ("admin", "/api/v1/status/config", [b"A"], 400),
        ("admin", "/api/v1/targets", [b"A"], 200),
        ("admin", "/federate?match[]=up", [b"A"], 200),
    ],
)
async def test_a_request_never_sees_more_than_the_project_it_names(who, path, projects, status):
    async with gateway() as g:
        response = await g.get(path, who, *map(narrow, projects))
        assert response.status == status
        assert bool(g.server.requests) == (status == 200)


async def test_an_id_cannot_leave_its_matcher():
    async with gateway() as g:
        await g.get("/api/v1/query?query=up", "admin", narrow(b'A"}or{project=~".*'))
        sent = pairs(g.asked()[0].split(b" ")[1].partition(b"?")[2])
        assert sent == [("query", 'up{project="A\\"}or{project=~\\".*"}')]

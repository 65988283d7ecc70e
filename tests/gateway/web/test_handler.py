"""What a request with the web page's cookie may do."""

from typing import Any, cast

import pytest
from tests.fakes.app_client import http_request

from chrysaetos.errors import Conflict
from chrysaetos.gateway.app.request import Request
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.web.handler import WebPage
from chrysaetos.tenancy.paths import find
from chrysaetos.web.sessions import Named, Sealer, Session, new_id, new_key

SEALER = Sealer([new_key()])
SESSION = Session(
    token="token-of-p1",
    expires_at=2000.0,
    kind="password",
    user=Named("u1", "alice", "Default"),
    project=Named("p1", "demo", "Default"),
    domains=(("default", "Default"), ("default", "Default")),
    roles=("reader",),
    id=new_id(),
)


def a_request(*headers):
    cookie = f"__Host-chrysaetos={SEALER.seal_session(SESSION)}".encode()
    own = [(b"host", b"metrics"), (b"sec-fetch-site", b"same-origin"), (b"cookie", cookie)]
    return Request(http_request("GET", "/api/v1/query?query=up", headers=[*own, *headers]), GatewayOptions())


@pytest.fixture
def page():
    nothing = cast("Any", None)
    return WebPage(nothing, SEALER, nothing, clock=lambda: 1000.0)


@pytest.mark.parametrize("headers", [(), ((b"x-chrysaetos-page-project", b"p1"),)], ids=["none", "its own"])
def test_the_cookie_becomes_the_token_of_its_project(page, headers):
    request = a_request(*headers)
    assert page.add_token(request, find("GET", request.path).endpoint)
    assert request.header(b"x-auth-token") == b"token-of-p1"


@pytest.mark.parametrize("project", [b"p2", b""])
def test_a_page_of_another_project_gets_nothing(page, project):
    request = a_request((b"x-chrysaetos-page-project", project))
    with pytest.raises(Conflict):
        page.add_token(request, find("GET", request.path).endpoint)
    assert request.header(b"x-auth-token") is None

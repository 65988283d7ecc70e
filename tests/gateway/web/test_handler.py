"""What a request with the web page's cookie may do."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.fakes.app_client import http_request

from chrysaetos.errors import BadRequest, Conflict
from chrysaetos.gateway.app.request import Request
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.web.handler import WebPage
from chrysaetos.tenancy.paths import find_path
from chrysaetos.web.keystone import NewCredential
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


class Keystone:
    """Creates application credentials."""

    def __init__(self) -> None:
        self.created: list[str] = []

    def caller(self, session: Session) -> None:
        """Return nobody: the token was not validated recently."""

    async def create_credential(self, session: Session, name: str, expires_at: str | None) -> NewCredential:
        self.created.append(session.project.id)
        return NewCredential(id="c1", name=name, secret="of c1", roles=("reader",))


def a_request(*headers, method="GET", target="/api/v1/query?query=up", body=b""):
    cookie = f"__Host-chrysaetos={SEALER.seal_session(SESSION)}".encode()
    own = [(b"host", b"metrics"), (b"sec-fetch-site", b"same-origin"), (b"cookie", cookie)]
    received = http_request(method, target, headers=[*own, *headers], body=body)
    return Request(received, GatewayOptions())


@pytest.fixture
def keystone():
    return Keystone()


@pytest.fixture
def page(keystone):
    return WebPage(cast("Any", None), SEALER, cast("Any", keystone), clock=lambda: 1000.0)


@pytest.mark.parametrize("headers", [(), ((b"x-chrysaetos-page-project", b"p1"),)], ids=["none", "its own"])
def test_the_cookie_becomes_the_token_of_its_project(page, headers):
    request = a_request(*headers)
    assert page.add_token(request, find_path(request.path).endpoint)
    assert request.header(b"x-auth-token") == b"token-of-p1"


@pytest.mark.parametrize("project", [b"p2", b""])
def test_a_page_of_another_project_gets_nothing(page, project):
    request = a_request((b"x-chrysaetos-page-project", project))
    with pytest.raises(Conflict):
        page.add_token(request, find_path(request.path).endpoint)
    assert request.header(b"x-auth-token") is None


async def create_credential(page, *headers):
    csrf = SEALER.csrf_token(SESSION.id).encode()
    own = [(b"content-type", b"application/json"), (b"x-csrf-token", csrf)]
    request = a_request(*own, *headers, method="POST", target="/ui/credential", body=b'{"name": "grafana"}')
    exchange = cast("Any", SimpleNamespace(caller=None, client=""))
    return await page.handle(request, find_path(request.path).endpoint, exchange)


@pytest.mark.parametrize("headers", [(), ((b"x-chrysaetos-page-project", b"p1"),)], ids=["none", "its own"])
async def test_a_credential_is_created_for_the_project_that_the_page_shows(page, keystone, headers):
    status, _, _ = await create_credential(page, *headers)
    assert (status, keystone.created) == (201, ["p1"])


async def test_no_credential_is_created_for_another_project_than_the_page_shows(page, keystone):
    with pytest.raises(Conflict):
        await create_credential(page, (b"x-chrysaetos-page-project", b"p2"))
    assert keystone.created == []


async def test_no_websso_session_is_sealed_in_a_cookie_that_does_not_need_https(keystone):
    nothing = cast("Any", None)
    page = WebPage(nothing, SEALER, cast("Any", keystone), public_url="https://metrics.example.com")
    received = http_request("POST", "/ui/websso", headers=[(b"host", b"127.0.0.1:9292")])
    request = Request(received, GatewayOptions())
    with pytest.raises(BadRequest, match="Host"):
        await page.handle(request, find_path("/ui/websso").endpoint, nothing)

"""Log-in to the web page through an identity provider, with the real Keystone's federation."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.e2e.web_browser import PageClient
from tests.e2e.web_page import Tab
from tests.fakes import websso_keystone
from tests.fakes.websso_keystone import ISSUER

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

TEMPLATE = """<!doctype html><form id="sso" name="sso" action="$host" method="post">
<input type="hidden" name="token" id="token" value="$token"></form>
<script>document.forms[0].submit()</script>
"""


class FederatedKeystone(Keystone):
    """Keystone with an identity provider."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", websso_keystone.__name__, *super().command()[-2:]]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def federated(tmp_path_factory, port) -> Iterator[FederatedKeystone]:
    """A Keystone that trusts the identity provider, and maps the user ``carol`` to a group with a project."""
    folder = tmp_path_factory.mktemp("federated")
    template = folder / "callback.html"
    template.write_text(TEMPLATE)
    options = {
        "auth": {"methods": "password,token,application_credential,mapped,openid"},
        "federation": {
            "trusted_dashboard": f"http://127.0.0.1:{port}/ui/websso",
            "sso_callback_template": str(template),
        },
        "openid": {"remote_id_attribute": "HTTP_OIDC_ISS"},
    }
    with FederatedKeystone(folder / "keystone", options=options) as keystone:
        api = IdentityApi(keystone.url, keystone.admin_password)
        project = api.create_project("federated")
        group = {"name": "members", "domain_id": "default"}
        group_id = api.call("POST", "/groups", {"group": group})["group"]["id"]
        api.call("PUT", f"/projects/{project}/groups/{group_id}/roles/{api.role_id('reader')}")
        to_group = {"group": {"id": group_id}}
        rules = [
            {
                "local": [{"user": {"name": "{0}"}}, *groups],
                # The first one is the value of {0}.
                "remote": [{"type": "REMOTE_USER"}, {"type": "REMOTE_USER", "any_one_of": [user]}],
            }
            for user, groups in (("carol", [to_group]), ("outsider", []))
        ]
        api.call("PUT", "/OS-FEDERATION/mappings/company", {"mapping": {"rules": rules}})
        provider = {"remote_ids": [ISSUER], "enabled": True}
        base = "/OS-FEDERATION/identity_providers/company"
        api.call("PUT", base, {"identity_provider": provider})
        api.call("PUT", f"{base}/protocols/openid", {"protocol": {"mapping_id": "company"}})
        keystone.api = api  # type: ignore[attr-defined]
        yield keystone
        api.close()


@pytest.fixture(scope="module")
def gateway(federated, stores, port, tmp_path_factory) -> Iterator[Gateway]:
    api = federated.api
    service = api.create_account("validator", api.create_project("service"), "service", "service")
    web = {
        "enabled": "true",
        "websso": "openid:Company account",
        "public_url": f"http://127.0.0.1:{port}",
    }
    with Gateway(
        tmp_path_factory.mktemp("gateway"),
        keystone_url=federated.url,
        prometheus_url=stores.ab.url,
        user=service.user,
        password=service.password,
        port=port,
        options={"web": web},
    ) as started:
        yield started


@pytest.fixture
def page(gateway) -> PageClient:
    return PageClient(gateway)


def posted_by_keystone(page: PageClient, gateway: Gateway, user: str) -> dict[str, str]:
    """Go to Keystone and through the identity provider; return the form that Keystone's page posts."""
    answer = page.get("/ui/websso/openid", headers={"Sec-Fetch-Site": "same-origin"})
    assert "Identity provider" in answer.text
    answer = page.http.get(f"{answer.url}&user={user}", timeout=30)
    (target,) = re.findall(r'action="([^"]*)"', answer.text)
    assert target == f"{gateway.url}/ui/websso"
    (token,) = re.findall(r'value="([^"]*)"', answer.text)
    return {"token": token}


def finish(page: PageClient, gateway: Gateway, form: dict[str, str], origin: str) -> requests.Response:
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    # requests sends Secure cookies over HTTPS only; browsers also to loopback addresses.
    cookies = "; ".join(f"{each.name}={each.value}" for each in page.http.cookies)
    url = f"{gateway.url}/ui/websso"
    return page.http.post(
        url, data=form, headers=headers | {"Cookie": cookies}, allow_redirects=False, timeout=30
    )


def test_a_user_logs_in_through_the_identity_provider(page, gateway, federated):
    assert page.describe()["websso"] == [{"id": "openid", "name": "Company account"}]
    form = posted_by_keystone(page, gateway, "carol")
    answer = finish(page, gateway, form, federated.root_url)
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"] == "../ui"
    session = page.describe()["session"]
    assert (session["user"]["name"], session["project"]["name"]) == ("carol", "federated")
    assert (session["kind"], session["roles"]) == ("websso", ["reader"])
    assert page.get("/api/v1/query?query=cpu").status_code == 200
    assert [one["name"] for one in page.get("/ui/projects").json()["projects"]] == ["federated"]
    # The state was for one log-in.
    assert finish(page, gateway, form, federated.root_url).status_code == 403


def test_the_button_leads_to_the_provider_and_back_to_the_same_view(browser, gateway, federated):
    tab = Tab(browser, gateway.url, "404", (f"{federated.root_url}/",))  # the provider has no icon
    tab.go("explore", q0="vector(7)")
    tab.page.get_by_role("button", name="Company account").click()
    tab.page.get_by_role("link", name="carol").click()
    expect(tab.page.get_by_role("button", name=re.compile("federated$"))).to_be_visible()
    expect(tab.editor()).to_have_text("vector(7)")
    expect(tab.page.locator("canvas").first).to_be_visible()
    assert tab.page.url.startswith(f"{gateway.url}/ui#/explore?")
    assert "gAAAA" not in tab.page.content()
    assert tab.page.evaluate("document.cookie") == ""
    tab.close()


def test_a_user_without_a_project_is_told_so(page, gateway, federated):
    form = posted_by_keystone(page, gateway, "outsider")
    answer = finish(page, gateway, form, federated.root_url)
    assert answer.status_code == 403
    assert "no role in any project" in answer.json()["error"]


def test_a_login_that_was_not_started_here_is_refused(page, gateway, federated):
    form = posted_by_keystone(page, gateway, "carol")
    other = PageClient(gateway)
    answer = finish(other, gateway, form, federated.root_url)
    assert answer.status_code == 403
    assert other.describe()["session"] is None


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", ""])
def test_only_keystones_page_can_post_a_token(page, gateway, origin):
    """Otherwise, another site could log the browser in as somebody else."""
    form = posted_by_keystone(page, gateway, "carol")
    assert finish(page, gateway, form, origin).status_code == 403
    assert page.describe()["session"] is None


def test_an_invalid_token_is_refused(page, gateway, federated):
    posted_by_keystone(page, gateway, "carol")
    for token, status in (("gAAAA-invalid", 401), ("a b", 400), ("", 400)):
        assert finish(page, gateway, {"token": token}, federated.root_url).status_code == status


def test_other_protocols_are_not_found(page):
    assert page.get("/ui/websso/saml2").status_code == 404

"""The web page's log-in and its cookie, in front of a real Keystone and Prometheus."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import Cookie, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from tests.e2e.asking import basic
from tests.e2e.web_browser import PageClient, password_login
from tests.fakes.relay import Relay

from chrysaetos.demo.balanced import Memcached
from chrysaetos.demo.processes import wait_for
from chrysaetos.secret import new_secret
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action
from chrysaetos.web.sessions import Sealer, format_key, new_key, read_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.keystone import Keystone

OF_A = {"a1", "a2"}
CSRF_PATHS = ("/ui/login", "/ui/logout", "/ui/project", "/ui/credential")


@pytest.fixture(scope="module")
def key_file(tmp_path_factory) -> Path:
    file: Path = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(format_key(new_key()))
    file.chmod(0o600)
    return file


@pytest.fixture(scope="module")
def gateway(stores, gateway_for, key_file) -> Gateway:
    web = {"enabled": "true", "session_key_file": str(key_file)}
    started: Gateway = gateway_for(stores.ab, web=web, gateway={"audit_format": "json"})
    return started


@pytest.fixture
def page(gateway) -> PageClient:
    return PageClient(gateway)


@pytest.fixture
def relayed_keystone(keystone: Keystone) -> Iterator[Relay]:
    with Relay(keystone.port) as relay:
        yield relay


def calls(relay: Relay) -> list[bytes]:
    """Return method and path of each request that went through a relay, without parameters."""
    return re.findall(rb"^([A-Z]+ [^ ?]+)\S* HTTP/1.1\r$", bytes(relay.sent), re.MULTILINE)


def test_a_tenant_logs_in_and_sees_its_own_series(page, people):
    assert page.describe()["session"] is None
    session = page.log_in(people.a)
    assert session["user"] == {"id": people.a.user_id, "name": people.a.user, "domain": "Default"}
    assert session["project"]["id"] == people.a.project_id
    assert session["kind"] == "password"
    assert "member" in session["roles"]
    assert time.time() < session["expires_at"] < time.time() + 86_400
    assert page.vms() == OF_A
    assert page.describe()["session"] == session
    assert page.describe()["keystone_url"].endswith("/v3")
    whoami = page.get("/-/whoami").json()["data"]
    assert whoami["project"]["id"] == people.a.project_id


def test_a_log_in_is_one_call_to_keystone(relayed_keystone, gateway_for, stores, people, identity):
    url = f"{relayed_keystone.url}/v3"
    options = {"auth_url": url, "www_authenticate_uri": url}
    gateway = gateway_for(stores.ab, web={"enabled": "true"}, keystone_authtoken=options)
    page = PageClient(gateway)
    relayed_keystone.sent.clear()
    page.log_in(people.a)
    assert page.vms() == OF_A
    assert calls(relayed_keystone) == [b"POST /v3/auth/tokens"]
    # To validate a token from elsewhere, the gateway logs in itself: the relay would have seen that.
    token = identity.token(people.a.auth())
    relayed_keystone.sent.clear()
    headers = {"X-Auth-Token": token}
    assert requests.get(f"{gateway.url}/-/whoami", headers=headers, timeout=30).status_code == 200
    assert b"POST /v3/auth/tokens" in calls(relayed_keystone)


def test_an_application_credential_logs_in(page, people):
    identifier, secret = basic(people.b)
    answer = page.post("/ui/login", {"method": "application_credential", "id": identifier, "secret": secret})
    assert answer.status_code == 200, answer.text
    assert page.vms() == {"b1", "b2"}
    assert [one["id"] for one in page.get("/ui/projects").json()["projects"]] == [people.b.project_id]
    assert page.post("/ui/project", {"id": people.a.project_id}).status_code == 403
    assert page.post("/ui/credential", {"name": "more"}).status_code == 403
    assert page.vms() == {"b1", "b2"}


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"user": "nobody"}, {"domain": "None"}])
def test_wrong_credentials_are_refused_alike(page, people, wrong):
    answer = page.post("/ui/login", password_login(people.b) | wrong)
    assert answer.status_code == 401
    assert answer.json()["error"] == "Keystone does not accept these credentials"
    assert "WWW-Authenticate" not in answer.headers
    assert page.describe()["session"] is None


def test_a_user_without_a_project_is_told_so(page, people):
    answer = page.post("/ui/login", password_login(people.stranger) | {"project": None})
    assert answer.status_code == 403
    assert "no role in any project" in answer.json()["error"]


def test_failed_logins_are_limited_together_with_basic_credentials(gateway, identity):
    name = f"careless-{new_secret()}"
    account = identity.create_account(name, identity.create_project(name), name, "reader")
    page = PageClient(gateway)
    for _ in range(5):
        assert page.post("/ui/login", password_login(account) | {"password": "wrong"}).status_code == 401
    answer = page.post("/ui/login", password_login(account))
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    user = f"{account.user}@Default|{name}@Default"
    by_basic = requests.get(f"{gateway.url}/api/v1/query?query=1", auth=(user, account.password), timeout=30)
    assert by_basic.status_code == 429


def test_a_user_changes_the_project(page, fellow):
    first = page.log_in(fellow)["project"]
    projects = page.get("/ui/projects").json()["projects"]
    assert [one["name"][-2:] for one in projects] == ["-a", "-b"]
    assert {one["domain"] for one in projects} == {"Default"}
    other = next(one for one in projects if one["id"] != first["id"])
    before = page.csrf
    session = page.post("/ui/project", {"id": other["id"]}).json()["session"]
    assert session["project"] == other
    assert session["roles"] == ["reader"]
    assert page.csrf != before
    assert page.get("/-/whoami").json()["data"]["project"]["id"] == other["id"]


def test_a_log_out_ends_a_change_of_project_in_progress(relayed_keystone, gateway_for, stores, fellow):
    url = f"{relayed_keystone.url}/v3"
    options = {"auth_url": url, "www_authenticate_uri": url}
    gateway = gateway_for(stores.ab, web={"enabled": "true"}, keystone_authtoken=options)
    page, tab = PageClient(gateway), PageClient(gateway)
    first = page.log_in(fellow)["project"]
    tab.http.cookies.update(page.http.cookies)
    tab.describe()
    other = next(one for one in tab.get("/ui/projects").json()["projects"] if one["id"] != first["id"])
    relayed_keystone.hold = hold = threading.Event()
    with ThreadPoolExecutor() as pool:
        change = pool.submit(tab.post, "/ui/project", {"id": other["id"]})
        assert wait_for(lambda: relayed_keystone.held, timeout=20)
        relayed_keystone.hold = None
        assert page.post("/ui/logout", {}).status_code == 200
        hold.set()
        assert change.result().status_code == 401
    assert tab.get("/api/v1/query?query=1").status_code == 401


def test_without_a_project_a_user_gets_the_first_one(page, fellow):
    answer = page.post("/ui/login", password_login(fellow) | {"project": None})
    assert answer.json()["session"]["project"]["name"].endswith("-a")


def test_a_project_of_others_cannot_be_entered(page, people):
    page.log_in(people.a)
    assert page.post("/ui/project", {"id": people.b.project_id}).status_code == 403
    assert page.post("/ui/project", {"id": "0" * 32}).status_code == 403
    assert page.vms() == OF_A


def test_a_session_of_a_project_that_the_user_has_left_reads_nothing(stores, gateway_for, identity):
    name = f"leaver-{new_secret()}"
    account = identity.create_account(name, identity.create_project(name), name, "member")
    page = PageClient(gateway_for(stores.ab, web={"enabled": "true"}, gateway={"token_cache_seconds": "0"}))
    page.log_in(account)
    assert page.get("/api/v1/query?query=cpu").status_code == 200
    role = identity.role_id("member")
    identity.call("DELETE", f"/projects/{account.project_id}/users/{account.user_id}/roles/{role}")
    assert page.get("/api/v1/query?query=cpu").status_code == 401
    assert str(account.project_id) not in page.get("/ui/projects").text
    assert page.post("/ui/project", {"id": account.project_id}).status_code in {401, 403}
    # Keystone says 400 if it accepts the token until it looks for the roles.
    assert page.post("/ui/credential", {"name": "x"}).status_code in {400, 401, 403}
    credentials = identity.call("GET", f"/users/{account.user_id}/application_credentials")
    assert "x" not in {one["name"] for one in credentials["application_credentials"]}


def test_the_metrics_of_exporters_are_for_those_who_are_logged_in(page, people):
    assert page.get("/ui/exporters").status_code == 401
    page.log_in(people.a)
    names = [one["name"] for one in page.get("/ui/exporters").json()["exporters"]]
    assert names == ["ceilometer", "ceilometer-total", "libvirt", "openstack-exporter"]


def test_a_stolen_cookie_is_worthless_after_logout(page, gateway, people):
    page.log_in(people.a)
    thief = PageClient(gateway)
    thief.http.cookies.update(page.http.cookies)
    assert thief.vms() == OF_A
    answer = page.post("/ui/logout", {})
    assert answer.json() == {"revoked": True, "error": None}
    assert not [each for each in page.http.cookies if each.value]
    assert thief.get("/api/v1/query?query=cpu").status_code == 401
    assert page.get("/api/v1/query?query=cpu").status_code == 401
    assert page.describe()["session"] is None
    assert thief.post("/ui/project", {"id": people.a.project_id}).status_code in {401, 403}


def test_log_out_also_removes_the_token_from_memcached(*, stores, gateway_for, key_file, people, tmp_path):
    web = {"enabled": "true", "session_key_file": str(key_file)}
    with Memcached(tmp_path) as memcached:
        shared = {"memcached_servers": memcached.address}
        first, second = (
            gateway_for(stores.ab, web=web, keystone_authtoken=shared, gateway=options)
            for options in ({}, {"token_cache_seconds": "0"})
        )
        page, thief = PageClient(first), PageClient(second)
        page.log_in(people.a)
        thief.http.cookies.update(page.http.cookies)
        host = {"Host": first.url.removeprefix("http://")}  # cookies at a loopback address are of one port
        assert thief.vms(headers=host) == OF_A
        assert page.post("/ui/logout", {}).json() == {"revoked": True, "error": None}
        assert thief.get("/api/v1/query?query=cpu", host).status_code == 401


def test_a_page_of_one_project_gets_nothing_of_another(page, people):
    page.log_in(people.a)
    headers = {"X-Chrysaetos-Page-Project": people.b.project_id}
    answer = page.get("/api/v1/query?query=cpu", headers)
    assert answer.status_code == 409
    assert answer.json()["error"] == "another tab has entered another project"


def test_the_page_gets_no_challenge_for_which_a_browser_asks_for_a_password(page, gateway, people):
    answer = page.get("/api/v1/query?query=1")
    assert answer.status_code == 401
    assert "WWW-Authenticate" not in answer.headers
    page.log_in(people.a)
    cookies = dict(page.http.cookies)
    page.post("/ui/logout", {})
    page.http.cookies.update(cookies)
    answer = page.get("/api/v1/query?query=1")
    assert answer.status_code == 401
    assert "WWW-Authenticate" not in answer.headers
    other = requests.get(f"{gateway.url}/api/v1/query?query=1", timeout=30)
    assert "Basic" in other.headers["WWW-Authenticate"]


def test_a_credential_has_the_least_role_and_its_secret_is_shown_once(page, gateway, fellow):
    page.log_in(fellow)
    answer = page.post("/ui/credential", {"name": "grafana", "expires_at": time.time() + 3600})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    assert made["roles"] == ["reader"]
    whoami = requests.get(f"{gateway.url}/-/whoami", auth=(made["id"], made["secret"]), timeout=30)
    assert whoami.json()["data"]["credential"] == "application_credential"
    again = page.post("/ui/credential", {"name": "grafana"})
    assert again.status_code == 403
    assert "choose another name" in again.json()["error"]


def test_a_credential_that_has_expired_already_is_refused(page, fellow):
    page.log_in(fellow)
    answer = page.post("/ui/credential", {"name": new_secret(), "expires_at": time.time() - 3600})
    assert answer.status_code == 400
    assert "expiry is in the future" in answer.json()["error"]


@pytest.mark.parametrize("path", CSRF_PATHS)
@pytest.mark.parametrize("token", ["", "x", "of another browser", "of the browser before the log-in"])
def test_what_changes_something_needs_the_csrf_token(gateway, people, path, token):
    page = PageClient(gateway)
    before = page.csrf
    page.log_in(people.a)
    tokens = {"of another browser": PageClient(gateway).csrf, "of the browser before the log-in": before}
    page.csrf = tokens.get(token, token)
    answer = page.post(path, password_login(people.b))
    assert answer.status_code == 403
    assert "X-CSRF-Token" in answer.json()["error"]
    assert page.describe()["session"]["project"]["id"] == people.a.project_id


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "websocket", "Upgrade": "websocket"},
    {"Sec-Fetch-Site": "", "Origin": "https://evil.example.com"},
    {"Sec-Fetch-Site": "", "Origin": "null"},
    {"Sec-Fetch-Site": ""},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_other_sites_cannot_use_the_cookie(page, people, headers):
    page.log_in(people.a)
    # requests leaves out headers that are None.
    sent = {name: value or None for name, value in headers.items()}
    for path in ("/api/v1/query?query=cpu", "/-/whoami", "/ui/session", "/ui/projects", "/ui/exporters"):
        answer = page.get(path, headers=sent)
        assert answer.status_code == 403, path
        assert "a1" not in answer.text
        assert "csrf" not in answer.text
    assert page.post("/ui/logout", {}, headers=sent).status_code == 403
    assert page.vms() == OF_A


def test_a_form_of_another_site_cannot_log_in_or_out(page, gateway, people):
    page.log_in(people.a)
    text = json.dumps(password_login(people.b))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {"Content-Type": kind, "X-CSRF-Token": page.csrf, "Sec-Fetch-Site": "same-origin"}
        for path in CSRF_PATHS:
            answer = page.http.post(gateway.url + path, data=text, headers=headers, timeout=30)
            assert answer.status_code == 415
    assert page.vms() == OF_A


@pytest.mark.parametrize(
    ("body", "status"),
    [("", 400), ("[]", 400), ("{", 400), ("[" * 10_000, 400), (f'{{"user": "{"x" * 20_000}"}}', 413)],
)
def test_an_invalid_body_is_refused(page, gateway, body, status):
    headers = {
        "Content-Type": "application/json",
        "X-CSRF-Token": page.csrf,
        "Sec-Fetch-Site": "same-origin",
    }
    answer = page.http.post(f"{gateway.url}/ui/login", data=body, headers=headers, timeout=30)
    assert answer.status_code == status
    assert "Traceback" not in gateway.log.read_text()


def test_cors_does_not_open_the_page_to_other_origins(stores, gateway_for, people):
    origin = "https://dashboard.example.com"
    page = PageClient(gateway_for(stores.ab, web={"enabled": "true"}, cors={"allowed_origin": origin}))
    page.log_in(people.a)
    for path in ("/api/v1/query?query=cpu", "/ui/session"):
        answer = page.get(path, headers={"Origin": origin, "Sec-Fetch-Site": "same-site"})
        assert answer.status_code == 403
        answer = page.get(path, headers={"Origin": origin, "Sec-Fetch-Site": None})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "endpoint",
    [
        one
        for one in ENDPOINTS
        if one.name == "federate"
        or (one.guarded and (one.action in {Action.OPERATOR, Action.READ} or not one.idempotent))
    ],
    ids=lambda endpoint: endpoint.name,
)
def test_endpoints_that_are_not_for_browsers_refuse_the_cookie(gateway, people, endpoint):
    page = PageClient(gateway)
    page.log_in(people.admin)
    headers = {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": page.csrf}
    for method in endpoint.methods:
        answer = page.http.request(method, gateway.url + endpoint.path, headers=headers, timeout=30)
        assert answer.status_code == 403
        assert "cookie" in answer.json()["error"]


def test_other_credentials_take_precedence_over_the_cookie(page, people):
    page.log_in(people.a)
    assert page.vms(auth=basic(people.b)) == {"b1", "b2"}
    answer = page.get("/api/v1/query?query=cpu", headers={"X-Auth-Token": "gAAAA-invalid"})
    assert answer.status_code == 401
    assert page.get("/api/v1/query?query=cpu", auth=("nobody", "x")).status_code == 401
    # With a token, it is not the page: no restriction of the page applies.
    answer = page.get("/api/v1/status/config", auth=basic(people.a), headers={"Sec-Fetch-Site": "cross-site"})
    assert "cookie" not in answer.json()["error"]


def test_a_session_that_was_planted_before_the_login_is_not_used(gateway, people):
    planted = PageClient(gateway)
    victim = PageClient(gateway)
    victim.http.cookies.update(planted.http.cookies)
    victim.csrf = planted.csrf
    victim.log_in(people.a)
    assert planted.get("/api/v1/query?query=cpu").status_code == 401
    planted_token = planted.csrf
    victim.csrf, own = planted_token, victim.csrf
    assert victim.post("/ui/logout", {}).status_code == 403
    victim.csrf = own
    assert victim.vms() == OF_A


class OverHttps(DefaultCookiePolicy):
    """A browser that speaks HTTPS, with a proxy that speaks HTTP to the gateway."""

    def set_ok(self, cookie: Cookie, request: Any) -> bool:
        cookie.secure = False
        return super().set_ok(cookie, request)


@pytest.mark.parametrize("proxied", [False, True], ids=["at a loopback address", "behind a proxy"])
def test_each_cookie_is_kept_from_scripts_and_other_sites(page, fellow, proxied):
    flags = {"Path=/", "HttpOnly", "SameSite=Lax"} | ({"Secure"} if proxied else set())
    prefix = "__Host-chrysaetos" if proxied else "chrysaetos"
    set_by: dict[str, list[str]] = {}

    def collect(answer: requests.Response, **_: object) -> None:
        set_by[urlsplit(answer.url).path] = answer.raw.headers.getlist("Set-Cookie")

    page.http.hooks["response"].append(collect)
    if proxied:
        page.http.headers["X-Forwarded-Proto"] = "https"
        page.http.cookies.set_policy(OverHttps())
        page.describe()
        assert len(set_by["/ui/session"]) == 1
    first = page.log_in(fellow)["project"]["id"]
    other = next(one["id"] for one in page.get("/ui/projects").json()["projects"] if one["id"] != first)
    assert page.post("/ui/project", {"id": other}).status_code == 200
    assert page.describe()["session"]["project"]["id"] == other
    assert page.post("/ui/logout", {}).json()["revoked"]
    assert [len(set_by[path]) for path in ("/ui/login", "/ui/project", "/ui/logout")] == [1, 1, 2]
    for path, cookies in set_by.items():
        for cookie in cookies:
            pair, *attributes = cookie.split("; ")
            name, _, value = pair.partition("=")
            assert name.startswith(prefix)
            removed = {"Max-Age=0"} if path == "/ui/logout" else set()
            assert set(attributes) == flags | removed
            assert bool(value) != bool(removed)


def test_a_cookie_is_bound_to_its_gateway(page, stores, gateway_for, people):
    """Another gateway has another key."""
    page.log_in(people.a)
    (value,) = (
        each.value
        for each in page.http.cookies
        if each.name.startswith("chrysaetos-") and "browser" not in each.name
    )
    other = PageClient(gateway_for(stores.ab, web={"enabled": "true"}, gateway={"audit": "false"}))
    port = other._url.rpartition(":")[2]
    other.http.cookies.set(f"chrysaetos-{port}", value)
    assert other.describe()["session"] is None


def test_keys_in_a_file_are_shared_and_rotated(stores, gateway_for, people, tmp_path):
    file = tmp_path / "keys"
    keys = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
    file.write_text(f"{keys[0]}\n")
    file.chmod(0o600)
    gateway = gateway_for(stores.ab, web={"enabled": "true", "session_key_file": str(file)})
    page = PageClient(gateway)
    page.log_in(people.a)

    def reload(text: str, done: Callable[[], bool]) -> None:
        file.write_text(text)
        os.kill(gateway.pid, signal.SIGHUP)
        assert wait_for(done, timeout=30)

    def seals_with_the_new_key() -> bool:
        another = PageClient(gateway)
        another.log_in(people.a)
        new = Sealer(read_keys(file)[:1])
        return any(new.open_session(each.value or "", time.time()) for each in another.http.cookies)

    reload(f"{keys[1]}\n{keys[0]}\n", seals_with_the_new_key)
    assert page.vms() == OF_A
    assert page.post("/ui/credential", {"name": new_secret()}).status_code == 201
    reload("not a key\n", lambda: "the previous keys of sessions stay in use" in gateway.log.read_text())
    assert page.vms() == OF_A
    reload(f"{keys[1]}\n", lambda: page.get("/api/v1/query?query=cpu").status_code == 401)


def test_exporters_are_read_again(stores, gateway_for, people, tmp_path):
    file = tmp_path / "exporters.toml"
    file.write_text("[first]\nprobe = 'up'\n")
    gateway = gateway_for(stores.ab, web={"enabled": "true", "exporters_file": str(file)})
    page = PageClient(gateway)
    page.log_in(people.a)

    def known(name: str) -> bool:
        return name in {each["name"] for each in page.get("/ui/exporters").json()["exporters"]}

    assert known("first")
    file.write_text("[second]\nprobe = 'up'\n")
    os.kill(gateway.pid, signal.SIGHUP)
    assert wait_for(lambda: known("second"), timeout=30)
    assert not known("first")
    file.write_text("[")
    os.kill(gateway.pid, signal.SIGHUP)
    assert wait_for(lambda: "the previous exporters stay in use" in gateway.log.read_text(), timeout=30)
    assert known("second")


def test_nothing_secret_is_logged(gateway, key_file, identity):
    name = f"private-{new_secret()}"
    account = identity.create_account(name, identity.create_project(name), name, "reader")
    page = PageClient(gateway)
    page.post("/ui/login", password_login(account) | {"password": f"wrong-{account.password}"})
    page.log_in(account)
    page.vms()
    made = page.post("/ui/credential", {"name": "x"}).json()
    cookies = [each.value or "" for each in page.http.cookies]
    sealer = Sealer(read_keys(key_file))
    (session,) = filter(None, (sealer.open_session(each, time.time()) for each in cookies))
    page.post("/ui/logout", {})

    def endpoints() -> set[str]:
        lines = [line for line in gateway.log.read_text().splitlines() if account.user_id in line]
        return {json.loads(line[line.index("{") :])["endpoint"] for line in lines}

    assert wait_for(lambda: endpoints() >= {"web_login", "web_credential", "web_logout", "query"}, timeout=30)
    log = gateway.log.read_text()
    for secret in (account.password, made["secret"], page.csrf, session.token, session.id, *cookies):
        assert secret
        assert secret not in log


def test_the_page_is_not_there_if_it_is_not_enabled(gateway_ab):
    for endpoint in ENDPOINTS:
        if endpoint.action is Action.WEB:
            for method in endpoint.methods:
                url = gateway_ab.url + endpoint.path.replace("{name}", "x")
                assert requests.request(method, url, timeout=30).status_code == 404
    cookies = {f"chrysaetos-{gateway_ab.port}": "x"}
    answer = requests.get(f"{gateway_ab.url}/api/v1/query?query=1", cookies=cookies, timeout=30)
    assert answer.status_code == 401

"""Each endpoint by each kind of caller, with the real Keystone and the real Prometheus."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest
import requests
from tests.e2e.asking import Asker, basic
from tests.fakes.remote_read import EQ, Matcher, query, read_series

from chrysaetos.demo.processes import free_port
from chrysaetos.tenancy.snappy import compress, decompress

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stack import People, Tokens, Window

    from chrysaetos.demo.gateway import Gateway

REQUESTS = [
    ("GET", "/api/v1/query", [("query", "cpu")]),
    ("POST", "/api/v1/query", [("query", "cpu")]),
    ("GET", "/api/v1/query/", [("query", "cpu")]),
    ("GET", "/api/v1/query_range", [("query", "cpu"), ("start", "NOW"), ("end", "NOW"), ("step", "60")]),
    ("POST", "/api/v1/query_range", [("query", "cpu"), ("start", "NOW"), ("end", "NOW"), ("step", "60")]),
    ("GET", "/api/v1/query_exemplars", [("query", "cpu")]),
    ("POST", "/api/v1/query_exemplars", [("query", "cpu")]),
    ("GET", "/api/v1/series", [("match[]", "cpu")]),
    ("POST", "/api/v1/series", [("match[]", "cpu")]),
    ("GET", "/api/v1/labels", [("match[]", "cpu")]),
    ("POST", "/api/v1/labels", [("match[]", "cpu")]),
    ("GET", "/api/v1/label/vm/values", [("match[]", "cpu")]),
    ("GET", "/federate", [("match[]", "cpu")]),
    ("GET", "/api/v1/format_query", [("query", "cpu")]),
    ("POST", "/api/v1/format_query", [("query", "cpu")]),
    ("GET", "/api/v1/status/buildinfo", []),
    ("GET", "/api/v1/metadata", []),
    ("GET", "/api/v1/rules", []),
    ("GET", "/api/v1/alerts", []),
    ("GET", "/api/v1/targets", []),
    ("GET", "/api/v1/targets/", [("state", "active")]),
]
IDS = [f"{method} {path}" for method, path, _ in REQUESTS]
WITHOUT_DATA = (
    "/api/v1/format_query",
    "/api/v1/status/buildinfo",
    "/api/v1/query_exemplars",
    # These stores have no targets and no rules; the store in test_endpoints.py has both.
    "/api/v1/metadata",
    "/api/v1/rules",
    "/api/v1/alerts",
    "/api/v1/targets",
    "/api/v1/targets/",
)

# Prometheus before 3 does not have these: its 404 shows that the gateway admitted the caller.
NEWER = [
    ("GET", "/api/v1/parse_query", [("query", "cpu")]),
    ("POST", "/api/v1/parse_query", [("query", "cpu")]),
    ("GET", "/api/v1/features", []),
    ("GET", "/api/v1/search/metric_names", []),
    ("POST", "/api/v1/search/metric_names", []),
    ("GET", "/api/v1/search/label_names", []),
    ("POST", "/api/v1/search/label_names", []),
    ("GET", "/api/v1/search/label_values", [("label", "vm")]),
    ("POST", "/api/v1/search/label_values", [("label", "vm")]),
]
OPERATORS = [
    ("GET", "/api/v1/targets/metadata"),
    ("GET", "/api/v1/targets/relabel_steps"),
    ("GET", "/api/v1/scrape_pools"),
    ("GET", "/api/v1/scrape_pools/config"),
    ("GET", "/api/v1/alertmanagers"),
    ("GET", "/api/v1/status/config"),
    ("GET", "/api/v1/status/runtimeinfo"),
    ("GET", "/api/v1/status/flags"),
    ("GET", "/api/v1/status/tsdb"),
    ("GET", "/api/v1/status/tsdb/blocks"),
    ("GET", "/api/v1/status/walreplay"),
    ("GET", "/api/v1/status/self_metrics"),
    ("GET", "/api/v1/openapi.yaml"),
    ("GET", "/api/v1/notifications"),
]
# Requests without a selector and without data change nothing.
ADMINS = [
    (method, f"/api/v1/admin/tsdb/{name}")
    for method in ("POST", "PUT")
    for name in ("delete_series", "clean_tombstones")
]

A, B, NOBODY = {"a1", "a2"}, {"b1", "b2"}, {"host"}

# Caller → visible VMs, or a status for callers that see nothing.
ALLOWED: dict[str, set[str]] = {
    "member by token": A,
    "member by bearer": A,
    "member by application credential": A,
    "member by token of application credential": A,
    "member by password": A,
    "reader by token": B,
    "reader by application credential": B,
    "admin by token": A | B | NOBODY,
    "admin by application credential": A | B | NOBODY,
    "service by token": A | B | NOBODY,
    "service by application credential": A | B | NOBODY,
}
REFUSED = {
    "nobody": 401,
    "garbage token": 401,
    "empty token": 401,
    "expired token": 401,
    "revoked token": 401,
    "wrong secret": 401,
    "unknown application credential": 401,
    "stranger without a project": 403,
    "member without a project": 403,
    "reader of the domain": 403,
    "reader of the system": 403,
}


@pytest.fixture(scope="module")
def caller(people: People, tokens: Tokens, gateway_ab: Gateway) -> Callable[[str], Asker]:
    """Return a caller by its description."""

    def token(value: str) -> Asker:
        return Asker(gateway_ab, headers={"X-Auth-Token": value})

    def make(who: str) -> Asker:
        accounts = {"member": people.a, "reader": people.b, "admin": people.admin, "service": people.service}
        role, _, how = who.partition(" ")
        account = accounts.get(role, people.a)
        credential = basic(account)
        makers: dict[str, Callable[[], Asker]] = {
            "by token": lambda: token(tokens.project(account)),
            "by bearer": lambda: Asker(
                gateway_ab, headers={"Authorization": f"Bearer {tokens.project(account)}"}
            ),
            "by application credential": lambda: Asker(gateway_ab, credential),
            "by token of application credential": lambda: token(
                tokens.application_credential(tokens.new_credential(account))
            ),
            "by password": lambda: Asker(
                gateway_ab, (f"{account.user}@Default|{account.project_name}@Default", account.password)
            ),
        }
        others: dict[str, Callable[[], Asker]] = {
            "nobody": lambda: Asker(gateway_ab),
            "garbage token": lambda: token("gAAAAABnothing"),
            "empty token": lambda: token(""),
            "expired token": lambda: token(tokens.expired(people.a)),
            "revoked token": lambda: token(tokens.revoked(people.a)),
            "wrong secret": lambda: Asker(gateway_ab, (credential[0], "wrong")),
            "unknown application credential": lambda: Asker(gateway_ab, ("0" * 32, "wrong")),
            "stranger without a project": lambda: token(tokens.unscoped(people.stranger)),
            "member without a project": lambda: token(tokens.unscoped(people.a)),
            "reader of the domain": lambda: token(tokens.domain(people.auditor)),
            "reader of the system": lambda: token(tokens.system(people.auditor)),
        }
        return others[who]() if who in others else makers[how]()

    made: dict[str, Asker] = {}

    def remembered(who: str) -> Asker:
        if who not in made:
            made[who] = make(who)
        return made[who]

    return remembered


def at(window: Window, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, str(window.now) if value == "NOW" else value) for name, value in pairs]


@pytest.mark.parametrize("request_", REQUESTS, ids=IDS)
@pytest.mark.parametrize("who", ALLOWED)
def test_admitted_callers_see_their_scope_and_no_more(caller, who, request_, window):
    method, path, pairs = request_
    response = caller(who)(path, at(window, pairs), method=method)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    if path not in WITHOUT_DATA:
        seen = {vm for vm in A | B | NOBODY if f'"{vm}"' in response.text}
        assert seen == (ALLOWED[who] if path != "/api/v1/labels" else set())


@pytest.mark.parametrize("request_", REQUESTS, ids=IDS)
@pytest.mark.parametrize("who", REFUSED)
def test_other_callers_get_403(caller, who, request_, window):
    method, path, pairs = request_
    response = caller(who)(path, at(window, pairs), method=method)
    assert response.status_code == REFUSED[who], response.text
    content = response.json()
    assert content["status"] == "error"
    assert content["errorType"] == {401: "unauthorized", 403: "forbidden"}[REFUSED[who]]
    assert "vm" not in content
    if REFUSED[who] == 401:
        challenges = response.headers["www-authenticate"]
        assert "Keystone uri=" in challenges
        assert "Basic realm=" in challenges


@pytest.mark.parametrize("request_", NEWER, ids=lambda row: " ".join(row[:2]))
def test_endpoints_of_newer_versions_of_prometheus(caller, request_, stores):
    method, path, pairs = request_
    direct = requests.request(method, stores.ab.url + path, params=pairs, timeout=10)
    for who in ALLOWED:
        assert caller(who)(path, pairs, method=method).status_code == direct.status_code
    for who, status in REFUSED.items():
        assert caller(who)(path, pairs, method=method).status_code == status


@pytest.mark.parametrize("request_", OPERATORS, ids=" ".join)
@pytest.mark.parametrize("who", [*ALLOWED, *REFUSED])
def test_operator_endpoints_are_for_admins_and_services(caller, who, request_, stores):
    method, path = request_
    response = caller(who)(path, method=method)
    if who.startswith(("admin", "service")):
        assert response.status_code == requests.get(stores.ab.url + path, timeout=10).status_code
    else:
        assert response.status_code == REFUSED.get(who, 403)
        assert response.json()["status"] == "error"


@pytest.mark.parametrize("request_", [*ADMINS, ("POST", "/api/v1/admin/tsdb/snapshot")], ids=" ".join)
@pytest.mark.parametrize("who", [*ALLOWED, *REFUSED])
def test_only_admins_change_the_tsdb(caller, who, request_):
    method, path = request_
    response = caller(who)(path, method=method)
    if who.startswith("admin"):
        # 200 with the snapshot's name; Prometheus rejects a deletion without a selector.
        statuses = {"delete_series": 400, "clean_tombstones": 204, "snapshot": 200}
        assert response.status_code == statuses[path.rpartition("/")[2]]
    else:
        assert response.status_code == REFUSED.get(who, 403)


@pytest.mark.parametrize("who", [*ALLOWED, *REFUSED])
def test_remote_read_for_each_caller(caller, who, window):
    cpu = query([Matcher(EQ, "__name__", "cpu")], (window.now - 60) * 1000, window.now * 1000)
    response = caller(who).message("/api/v1/read", compress(cpu))
    if who in REFUSED:
        assert response.status_code == REFUSED[who]
    else:
        series = read_series(decompress(response.content, 1 << 20))
        assert {labels["vm"] for labels, _ in series} == ALLOWED[who]


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/healthcheck", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_gateways_own_endpoints_require_no_credentials(caller, path, method):
    response = caller("nobody")(path, method=method)
    assert response.status_code == 200
    assert (response.content == b"") is (method == "HEAD")


@pytest.mark.parametrize("who", ["member by token", "admin by token"])
@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/api/v1/write",
        "/api/v1/otlp/v1/metrics",
        "/-/reload",
        "/-/quit",
        "/debug/pprof/",
        "/graph",
        "/consoles/index.html",
        "/api/v1/status/nothing",
        "/api/v1/admin/tsdb/nothing",
    ],
)
def test_unknown_paths_are_404_for_everybody(caller, who, path):
    for method in ("GET", "POST"):
        assert caller(who)(path, method=method).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "//api/v1/query?query=1",
        "/api/v1/../v1/query?query=1",
        "/api/v1/%71uery?query=1",
        "/api/v1/query%2f?query=1",
        "/api/v1/query%00?query=1",
        "/api/v1/query;x?query=1",
        "/API/v1/query?query=1",
        "/api/v1/label/../query%3Fquery=secret/values",
    ],
)
def test_a_path_is_not_normalized(gateway_ab, people, tokens, path):
    connection = HTTPConnection("127.0.0.1", gateway_ab.port, timeout=10)
    connection.request("GET", path, headers={"X-Auth-Token": tokens.project(people.admin)})
    assert connection.getresponse().status == 404
    connection.close()


@pytest.mark.parametrize("target", ["http://192.0.2.1/api/v1/query?query=cpu", "/api/v1/query?query=cpu"])
def test_neither_host_nor_absolute_url_selects_the_upstream(gateway_ab, people, tokens, target):
    connection = HTTPConnection("127.0.0.1", gateway_ab.port, timeout=10)
    headers = {"X-Auth-Token": tokens.project(people.a), "Host": "192.0.2.1"}
    connection.request("GET", target, headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    assert {one["metric"]["vm"] for one in json.load(response)["data"]["result"]} == A
    connection.close()


def test_an_admin_gets_prometheus_response_byte_for_byte(caller, stores, window):
    pairs = [("query", "sort(cpu)"), ("time", str(window.now))]
    through = caller("admin by token")("/api/v1/query", pairs)
    directly = requests.get(f"{stores.ab.url}/api/v1/query", params=pairs, timeout=10)
    assert through.content == directly.content


def test_an_error_shows_the_tenants_own_text(caller):
    response = caller("member by token")("/api/v1/query", [("query", "sum(rate(cpu[5m])")])
    assert response.status_code == 400
    first, text, caret = json.loads(response.content)["error"].split("\n")
    assert first.startswith("1:18: unexpected end of input")
    assert text == "sum(rate(cpu[5m])"
    assert caret == " " * 17 + "^"


def test_identity_headers_of_a_client_are_ignored(gateway_ab, people, tokens):
    claims = {
        "X-Project-Id": str(people.b.project_id),
        "X_Project_Id": str(people.b.project_id),
        "X-Roles": "admin",
        "X-Identity-Status": "Confirmed",
        "X-User-Id": people.admin.user_id,
        "OpenStack-System-Scope": "all",
    }
    assert Asker(gateway_ab, headers=claims)("/api/v1/query", [("query", "cpu")]).status_code == 401
    member = Asker(gateway_ab, headers={**claims, "X-Auth-Token": tokens.project(people.a)})
    response = member("/api/v1/query", [("query", "cpu")])
    assert {series["metric"]["vm"] for series in response.json()["data"]["result"]} == A


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ([{"service": "metric-storage", "method": "GET", "path": "/api/v1/query"}], 200),
        ([{"service": "metric-storage", "method": "GET", "path": "/api/v1/*"}], 200),
        ([{"service": "metric-storage", "method": "POST", "path": "/api/v1/query"}], 401),
        ([{"service": "metric-storage", "method": "GET", "path": "/api/v1/series"}], 401),
        ([{"service": "compute", "method": "GET", "path": "/api/v1/query"}], 401),
    ],
    ids=str,
)
def test_access_rules_are_checked_for_each_request(*, gateway_ab, people, tokens, identity, rules, status):
    identity.register_endpoint("metric-storage", "aetos", gateway_ab.url)
    credential = tokens.new_credential(people.a, access_rules=rules)
    by_token = Asker(gateway_ab, headers={"X-Auth-Token": tokens.application_credential(credential)})
    by_basic = Asker(gateway_ab, (credential.id, credential.secret))
    for asker in (by_token, by_basic):
        for _ in range(2):
            assert asker("/api/v1/query", [("query", "cpu")]).status_code == status
            assert asker("/api/v1/labels").status_code == (200 if "*" in rules[0]["path"] else 401)


def test_the_metrics_include_every_parts_counters(gateway_for, stores, people, tokens):
    port = free_port()
    gateway = gateway_for(
        stores.ab,
        gateway={"metrics_port": str(port)},
        # Nothing listens there, so each request goes to the other replica.
        prometheus={"port": str(free_port()), "replicas": f"127.0.0.1:{stores.ab.port}"},
    )
    assert Asker(gateway, basic(people.a))("/api/v1/query", [("query", "cpu")]).status_code == 200
    unknown = Asker(gateway, headers={"X-Auth-Token": "unknown"})
    assert unknown("/api/v1/query", [("query", "cpu")]).status_code == 401
    domain = Asker(gateway, headers={"X-Auth-Token": tokens.domain(people.auditor)})
    assert domain("/api/v1/query", [("query", "cpu")]).status_code == 403
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.request("GET", "/", headers={"Content-Length": "1x"})
    assert connection.getresponse().status == 400
    connection.close()
    shown = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text.splitlines()
    for line in (
        'chrysaetos_requests_total{code="200",endpoint="query",method="GET",scope="own"} 1.0',
        'chrysaetos_requests_total{code="401",endpoint="query",method="GET",scope="none"} 1.0',
        'chrysaetos_requests_total{code="403",endpoint="query",method="GET",scope="none"} 1.0',
        'chrysaetos_domain_cache_requests_total{result="miss"} 0.0',
        'chrysaetos_refused_requests_total{code="400"} 1.0',
        "chrysaetos_keystone_errors_total 0.0",
    ):
        assert line in shown
    (failovers,) = (line for line in shown if line.startswith("chrysaetos_upstream_failovers_total "))
    assert float(failovers.split()[1]) >= 1

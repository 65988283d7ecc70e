"""Endpoints whose responses contain data of all tenants, remote read, and operations that change a store."""

from __future__ import annotations

import json
import struct
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.e2e.asking import Asker, basic, openstack_client, password_variables
from tests.e2e.engines import ISOLATED
from tests.e2e.stack import store_text
from tests.fakes.remote_read import EQ, NEQ, NRE, RE, Matcher, field, query, read_series

from chrysaetos.demo.cloud import Family, Series, Target
from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.processes import free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.regular_file import replace_file
from chrysaetos.tenancy.snappy import compress, decompress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from tests.e2e.stack import GatewayFor, People, Window
    from tests.support.commands import Output

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import Account, IdentityApi
    from chrysaetos.demo.keystone import Keystone

SECRETS = ("secret", "node_load1", "operator", "/b.yml", "mixed.yml", '"b1"', "b1:9100")
"""Texts in the rules, targets and metrics of B and of the operator, but not in A's."""


def rule_files(a: str, b: str) -> dict[str, list[dict[str, Any]]]:
    """Rule groups by rule file: of A, of B, of both and of the operator."""

    def group(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "interval": "1s", "rules": list(rules)}

    return {
        "a.yml": [
            group(
                "of-a",
                {"record": "a:live:sum", "expr": f'sum(live{{project="{a}"}})'},
                {
                    "alert": "OwnAlert",
                    "expr": f'live{{project="{a}"}} > 0',
                    "annotations": {"summary": "own {{ $labels.vm }}"},
                },
                {"alert": "Summed", "expr": f'sum(live{{project="{a}"}}) > 0'},
            )
        ],
        "b.yml": [
            group(
                "secret-group",
                {"record": "secret:sum", "expr": f'sum(live{{project="{b}"}})', "labels": {"project": b}},
                {
                    "alert": "SecretAlert",
                    "expr": f'live{{project="{b}"}} > 0',
                    "annotations": {"summary": "secret"},
                },
                {
                    "alert": "SecretError",
                    "expr": f'label_replace(live{{project="{b}"}}, "x", "", "vm", "(")',
                },
            )
        ],
        "mixed.yml": [
            group(
                "secret-mixed",
                {"record": "a:mixed:sum", "expr": f'sum(live{{project="{a}"}})'},
                {"record": "secret:mixed", "expr": f'live{{project="{b}"}}'},
            )
        ],
        "operator.yml": [
            group(
                "secret-operators",
                {
                    "alert": "Everybodys",
                    "expr": "live > 0",
                    "annotations": {"summary": 'secret {{ query "live" | len }}'},
                    "labels": {"severity": "page"},
                },
                {"record": "secret:live:sum", "expr": "sum(live)"},
                {"alert": "Given", "expr": "vector(42)", "labels": {"project": a}},
            )
        ],
    }


class Ruled(Prometheus):
    """Prometheus with rules.

    Args:
        directory: its directory.
        files: rule files.
    """

    def __init__(self, directory: Path, files: dict[str, list[dict[str, Any]]]) -> None:
        super().__init__(directory)
        self._files = files

    def prepare(self) -> None:
        """Write the configuration and the rule files."""
        super().prepare()
        config = self.directory / "prometheus.yml"
        content = json.loads(config.read_text())
        content["rule_files"] = list(self._files)
        content["global"]["evaluation_interval"] = "1s"
        replace_file(config, json.dumps(content))
        for name, groups in self._files.items():
            replace_file(self.directory / name, json.dumps({"groups": groups}))

    def command(self) -> list[str]:
        """Return the command line, with the search of Prometheus 3.14; older ones ignore the flag."""
        return [*super().command(), "--enable-feature=search-api"]


def exporting(project: str | None, vm: str, *families: str) -> Target:
    """A target with a gauge, a counter and a histogram with these names, of a project or of none."""
    labels = {"instance": f"{vm}:9100", "vm": vm, **({"project": project} if project else {})}

    def family(name: str) -> Family:
        kind = "counter" if name.endswith("requests") else "gauge"
        series = Series(f"{name}_total" if kind == "counter" else name, {}, lambda _: 5.0)
        return Family(name, kind, f"Help of {name}.", (series,))

    return Target("vms", f"/{vm}", labels, tuple(map(family, families)))


@pytest.fixture(scope="module")
def live(servers: ExitStack, people: People, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    """A Prometheus that scrapes targets of A, of B and of the operator, and evaluates rules of all three."""
    a, b = str(people.a.project_id), str(people.b.project_id)
    targets = [
        exporting(a, "a1", "live", "own_requests"),
        exporting(b, "b1", "live", "secret_requests"),
        exporting(None, "operator", "live", "node_load1"),
    ]
    exporter = Exporter(targets, free_port())
    servers.enter_context(exporter)
    server = Ruled(tmp_path_factory.mktemp("live"), rule_files(a, b))
    server.scrape_configs = exporter.scrape_configs("1s")
    dropping = {"source_labels": ["vm"], "regex": "dropped", "action": "drop"}
    server.scrape_configs[0]["relabel_configs"] = [dropping]
    server.scrape_configs[0]["static_configs"] += [
        {"targets": ["127.0.0.1:1"], "labels": {"vm": "a-down", "project": a}},
        {"targets": ["127.0.0.1:1"], "labels": {"vm": "dropped", "project": a}},
    ]
    servers.enter_context(server)

    def evaluated() -> bool:
        alerts = requests.get(f"{server.url}/api/v1/alerts", timeout=5).json()["data"]["alerts"]
        metadata = requests.get(f"{server.url}/api/v1/metadata", timeout=5).json()["data"]
        rules = requests.get(f"{server.url}/api/v1/rules", timeout=5).json()["data"]["groups"]
        down = requests.get(f"{server.url}/api/v1/targets", timeout=5).json()["data"]["activeTargets"]
        return (
            len(alerts) == 7
            and "secret_requests" in "".join(metadata)
            and all(rule["health"] != "unknown" for group in rules for rule in group["rules"])
            and all(target["health"] != "unknown" for target in down)
        )

    assert wait_for(evaluated, timeout=30), "the rules were not evaluated"
    return server


@pytest.fixture(scope="module")
def as_(gateway_for: GatewayFor, live: Prometheus, people: People) -> Iterator[Callable[[str], Asker]]:
    """Return a caller of the gateway over the live Prometheus."""
    gateway = gateway_for(live)
    askers = {name: Asker(gateway, basic(getattr(people, name))) for name in ("a", "b", "admin", "service")}
    yield askers.__getitem__
    for asker in askers.values():
        asker.close()


def data(response: requests.Response) -> Any:
    assert response.status_code == 200, response.text
    content = response.json()
    assert content["status"] == "success"
    return content["data"]


FILTERED = ["/api/v1/rules", "/api/v1/alerts", "/api/v1/targets", "/api/v1/metadata"]


@pytest.mark.parametrize("path", FILTERED)
def test_a_response_contains_nothing_of_other_tenants(as_, people, path):
    text = as_("a")(path).text
    for secret in (*SECRETS, str(people.b.project_id)):
        assert secret not in text, text


@pytest.mark.parametrize("path", FILTERED)
@pytest.mark.parametrize("who", ["admin", "service"])
def test_unrestricted_callers_get_prometheus_response(as_, live, path, who):
    def stable(content: bytes) -> int:
        return len(json.dumps(json.loads(content)["data"], sort_keys=True)) // 1000

    direct = requests.get(live.url + path, timeout=10)
    through = as_(who)(path)
    assert data(through).keys() == direct.json()["data"].keys()
    assert stable(through.content) == pytest.approx(stable(direct.content), abs=1)
    assert "secret" in through.text or path == "/api/v1/targets"


def test_a_tenant_sees_its_rules(as_, people):
    groups = data(as_("a")("/api/v1/rules"))["groups"]
    seen = [
        (group["name"], Path(group["file"]).name, [r["name"] for r in group["rules"]]) for group in groups
    ]
    assert seen == [
        ("of-a", "a.yml", ["a:live:sum", "OwnAlert", "Summed"]),
        ("shared-1", "", ["a:mixed:sum"]),
        ("shared-2", "", ["Everybodys", "Given"]),
    ]
    own, everybodys = groups[0]["rules"][1], groups[2]["rules"][0]
    assert own["query"] == f'live{{project="{people.a.project_id}"}} > 0'
    assert own["alerts"][0]["annotations"] == {"summary": "own a1"}
    assert everybodys["query"] == ""
    assert [(one["labels"]["vm"], one["annotations"]) for one in everybodys["alerts"]] == [("a1", {})]
    assert everybodys["labels"] == {"severity": "page"}
    asked = [("type", "alert"), ("rule_name[]", "Summed"), ("exclude_alerts", "true")]
    (group,) = data(as_("a")("/api/v1/rules", asked))["groups"]
    assert [(rule["name"], rule["alerts"]) for rule in group["rules"]] == [("Summed", None)]


def test_the_other_tenant_sees_its_own_rules_and_their_errors(as_):
    groups = data(as_("b")("/api/v1/rules"))["groups"]
    names = [rule["name"] for group in groups for rule in group["rules"]]
    assert names == ["secret:sum", "SecretAlert", "SecretError", "secret:mixed", "Everybodys"]
    (failing,) = [rule for group in groups for rule in group["rules"] if rule["name"] == "SecretError"]
    assert failing["health"] == "err"
    assert "regular expression" in failing["lastError"]


def test_no_parameter_finds_another_tenants_rule(as_):
    for pairs in (
        [("rule_group[]", "secret-group")],
        [("rule_group[]", "secret-mixed")],
        [("rule_name[]", "SecretAlert")],
        [("rule_name[]", "secret:mixed")],
        [("file[]", "b.yml")],
        [("file[]", "mixed.yml")],
    ):
        assert data(as_("a")("/api/v1/rules", pairs)) == {"groups": []}
    page = data(as_("a")("/api/v1/rules", [("group_limit", "3")]))
    assert "groupNextToken" not in page


def test_a_tenant_sees_its_alerts(as_):
    alerts = data(as_("a")("/api/v1/alerts"))["alerts"]
    seen = {(one["labels"]["alertname"], one["labels"].get("vm"), one["value"] == "NaN") for one in alerts}
    assert seen == {
        ("OwnAlert", "a1", False),
        ("Summed", None, False),
        ("Everybodys", "a1", True),
        ("Given", None, True),
    }
    assert {one["labels"]["alertname"] for one in data(as_("b")("/api/v1/alerts"))["alerts"]} == {
        "SecretAlert",
        "Everybodys",
    }


def test_visible_alerts_of_the_operator_are_also_in_the_tenants_series(as_):
    """So the filter reveals nothing more to the tenant."""
    series = data(as_("a")("/api/v1/query", [("query", "ALERTS")]))["result"]
    stored = {one["metric"]["alertname"] for one in series}
    shown = {one["labels"]["alertname"] for one in data(as_("a")("/api/v1/alerts"))["alerts"]}
    assert shown - stored == {"Summed"}  # all its series are A's, but it has no label of its own


@pytest.mark.parametrize("pairs", [[], [("state", "active")], [("state", "any")], [("scrapePool", "vms")]])
def test_a_tenant_sees_its_targets(as_, people, pairs):
    content = data(as_("a")("/api/v1/targets", pairs))
    targets = {target["labels"]["vm"]: target for target in content["activeTargets"]}
    assert set(targets) == {"a1", "a-down"}
    assert all(target["labels"]["project"] == people.a.project_id for target in targets.values())
    assert (targets["a1"]["health"], targets["a1"]["lastError"]) == ("up", "")
    assert (targets["a-down"]["health"], targets["a-down"]["lastError"]) == ("down", "the scrape failed")
    assert targets["a1"]["discoveredLabels"] == {}
    assert content["droppedTargets"] == []
    assert content["droppedTargetCounts"] == {}
    assert "127.0.0.1:1" not in targets["a1"]["scrapeUrl"]


def test_a_tenant_sees_no_dropped_targets(as_):
    content = data(as_("a")("/api/v1/targets", [("state", "dropped")]))
    assert content["activeTargets"] == content["droppedTargets"] == []


def test_a_tenant_sees_the_metadata_of_its_metrics(as_):
    own = data(as_("a")("/api/v1/metadata"))
    # Metadata of an OpenMetrics counter have the series' name since Prometheus 3, before that the family's.
    assert set(own) - {"own_requests", "own_requests_total"} == {"live"}
    assert len(own) == 2
    assert own["live"][0]["help"] == "Help of live."
    assert list(data(as_("a")("/api/v1/metadata", [("metric", "live")]))) == ["live"]
    assert len(data(as_("a")("/api/v1/metadata", [("limit", "1")]))) == 1
    assert data(as_("a")("/api/v1/metadata", [("metric", "node_load1")])) == {}
    assert data(as_("a")("/api/v1/metadata", [("metric", "nothing")])) == {}


OPERATORS = [
    "targets/metadata",
    "targets/relabel_steps",
    "scrape_pools",
    "scrape_pools/config",
    "alertmanagers",
    "status/config",
    "status/runtimeinfo",
    "status/flags",
    "status/tsdb",
    "status/tsdb/blocks",
    "status/walreplay",
    "status/self_metrics",
    "openapi.yaml",
    "notifications",
    "notifications/live",
]


@pytest.mark.parametrize("path", OPERATORS)
def test_operator_endpoints_reject_tenants(as_, path):
    for who in ("a", "b"):
        response = as_(who)(f"/api/v1/{path}")
        assert (response.status_code, response.json()["errorType"]) == (403, "forbidden")


@pytest.mark.parametrize("path", [path for path in OPERATORS if not path.startswith("notifications")])
def test_operator_endpoints_admit_unrestricted_callers(as_, live, path):
    """An older Prometheus may not have the endpoint; then its response says so."""
    direct = requests.get(f"{live.url}/api/v1/{path}", timeout=10)
    for who in ("admin", "service"):
        assert as_(who)(f"/api/v1/{path}").status_code == direct.status_code


@pytest.mark.parametrize("path", ["features", "parse_query"])
def test_endpoints_without_tenant_data_admit_every_tenant(as_, live, path):
    pairs = [("query", "live")]
    direct = requests.get(f"{live.url}/api/v1/{path}", params=pairs, timeout=10)
    for who in ("a", "b", "admin", "service"):
        response = as_(who)(f"/api/v1/{path}", pairs)
        assert response.status_code == direct.status_code
        if direct.ok:
            assert response.content == direct.content
        else:  # an older Prometheus does not have this endpoint
            assert response.json()["errorType"] == "not_found"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("metric_names", []),
        ("metric_names", [("match[]", "{vm!=''}"), ("match[]", "secret_requests_total"), ("search[]", "e")]),
        ("metric_names", [("include_metadata", "true"), ("sort_by", "alpha"), ("sort_dir", "dsc")]),
        ("label_names", []),
        ("label_names", [("match[]", "live"), ("include_score", "true"), ("search[]", "m")]),
        ("label_values", [("label", "vm")]),
        ("label_values", [("label", "vm"), ("match[]", "{project!=''}"), ("limit", "50")]),
        ("label_values", [("label", "project")]),
        ("label_values", [("label", "__name__"), ("search[]", "sec"), ("fuzz_threshold", "0")]),
    ],
)
def test_a_search_finds_only_the_tenants_series(*, as_, live, people, method, name, pairs):
    """Prometheus before 3.14 has no search, and returns 404."""
    path = f"/api/v1/search/{name}"
    direct = requests.get(live.url + path, params=pairs, timeout=10)
    everything = as_("admin")(path, pairs, method=method)
    assert everything.status_code == direct.status_code
    response = as_("a")(path, pairs, method=method)
    assert response.status_code == direct.status_code
    if response.status_code == 200:
        lines = list(map(json.loads, response.text.splitlines()))
        found = {one.get("name", one.get("value")) for line in lines for one in line.get("results", ())}
        if ("label", "vm") in pairs:
            assert found == {"a1", "a-down"}
        elif ("search[]", "sec") not in pairs:
            assert found
        for secret in (*SECRETS, str(people.b.project_id)):
            assert secret not in response.text


# Remote read


HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
}


def read(server: Gateway | Prometheus, account: Account, message: bytes) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            f"{server.url}/api/v1/read",
            data=compress(message),
            headers=HEADERS,
            auth=basic(account),
            timeout=30,
        )


def of(response: requests.Response) -> list[tuple[dict[str, str], list[tuple[float, int]]]]:
    """Return labels and samples of a response."""
    assert response.status_code == 200, response.text
    series = read_series(decompress(response.content, 1 << 26))
    return [
        (labels, [(struct.unpack("<d", raw)[0], at) for raw, at in samples]) for labels, samples in series
    ]


NAME = Matcher(EQ, "__name__", "cpu")


@pytest.mark.parametrize(
    "matchers",
    [
        [NAME],
        [NAME, Matcher(EQ, "project", "B")],
        [NAME, Matcher(NEQ, "project", "A")],
        [NAME, Matcher(RE, "project", ".*")],
        [NAME, Matcher(EQ, "project", "")],
        [NAME, Matcher(NRE, "project", "A|")],
        [Matcher(RE, "__name__", ".+")],
        [Matcher(EQ, "secret", "yes")],
        [Matcher(EQ, "vm", "host")],
        [Matcher(EQ, "job", "vm")],
        [],
    ],
    ids=lambda matchers: " ".join(f"{one.name}{one.type}{one.value}" for one in matchers),
)
def test_a_remote_read_equals_that_of_the_tenants_own_store(gateway_ab, stores, people, window, matchers):
    ids = {"A": str(people.a.project_id), "B": str(people.b.project_id)}
    matchers = [Matcher(one.type, one.name, ids.get(one.value, one.value)) for one in matchers]
    asked = [(gateway_ab, matchers)]
    # Without matchers, Prometheus returns nothing, but the gateway adds the scope's matcher.
    asked.append((stores.a, matchers or [Matcher(NEQ, "project", "")]))
    times = (window.now - 600) * 1000, window.now * 1000
    one, other = (of(read(server, people.a, query(wanted, *times))) for server, wanted in asked)
    # NaN is not equal to itself.
    assert repr(one) == repr(other)
    assert all(labels["project"] == people.a.project_id for labels, _ in one)
    streamed = [read(server, people.a, query(wanted, *times) + field(2, 1)) for server, wanted in asked]
    assert [answer.status_code for answer in streamed] == [200, 200]
    assert streamed[0].headers["content-type"].startswith("application/x-streamed-protobuf")
    assert streamed[0].content == streamed[1].content


@pytest.mark.parametrize("engine", ISOLATED, ids=str)
def test_a_remote_read_does_not_tell_what_other_tenants_have(engine, gateway_for, stores_of, people, window):
    """Prometheus 3 answers 500 to a matcher without label and value if the others match anybody's series."""
    gateway = gateway_for(stores_of(engine).ab)
    answers = [
        read(
            gateway,
            people.a,
            query([Matcher(EQ, "vm", vm), Matcher(EQ, "", "")], window.start * 1000, window.now * 1000),
        )
        for vm in ("b1", "nobody")
    ]
    assert (answers[0].status_code, answers[0].text) == (answers[1].status_code, answers[1].text)


def test_a_remote_read_finds_the_tenants_series(gateway_ab, people, window):
    message = query([NAME], (window.now - 60) * 1000, window.now * 1000)
    assert {labels["vm"] for labels, _ in of(read(gateway_ab, people.a, message))} == {"a1", "a2"}
    assert {labels["vm"] for labels, _ in of(read(gateway_ab, people.b, message))} == {"b1", "b2"}
    everything = {"a1", "a2", "b1", "b2", "host"}
    for account in (people.admin, people.service):
        assert {labels["vm"] for labels, _ in of(read(gateway_ab, account, message))} == everything


def test_a_remote_read_of_a_prometheus_is_answered(gateway_ab, people, window, tmp_path):
    """A real Prometheus reads as tenant A, and shows nothing else."""
    user, password = basic(people.a)

    class Reading(Prometheus):
        def prepare(self) -> None:
            super().prepare()
            config = self.directory / "prometheus.yml"
            content = json.loads(config.read_text())
            auth = {"username": user, "password": password}
            url = f"{gateway_ab.url}/api/v1/read"
            content["remote_read"] = [{"url": url, "basic_auth": auth, "read_recent": True}]
            replace_file(config, json.dumps(content))

    with Reading(tmp_path / "reading", port=free_port()) as server:
        asked = {"query": '{__name__=~"cpu|secret"}', "time": str(window.now)}
        answer = requests.get(f"{server.url}/api/v1/query", params=asked, timeout=30).json()
        assert {one["metric"]["vm"] for one in answer["data"]["result"]} == {"a1", "a2"}, answer


@pytest.mark.parametrize("body", [b"", b"\x00x", b"\x02\x04\x18\x01", compress(field(1, field(9, 1)))])
def test_an_invalid_message_is_rejected(gateway_ab, people, body):
    answer = requests.post(
        f"{gateway_ab.url}/api/v1/read", data=body, headers=HEADERS, auth=basic(people.a), timeout=30
    )
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")


# Operations that change a store


@pytest.fixture
def spare(people: People, window: Window, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A store of A, B and the operator that a test may change."""
    server = Prometheus(tmp_path_factory.mktemp("spare"))
    server.backfill(store_text(window, str(people.a.project_id), people.b.project_id))
    with server:
        yield server


def vms(server: Prometheus, window: Window, selector: str = "cpu") -> set[str]:
    """Return the VMs with samples in a store, queried directly."""
    asked = {"query": selector, "time": str(window.now)}
    result = requests.get(f"{server.url}/api/v1/query", params=asked, timeout=10).json()["data"]["result"]
    return {one["metric"]["vm"] for one in result}


EVERYBODY = {"a1", "a2", "b1", "b2", "host"}
ADMIN = "/api/v1/admin/tsdb"


def request(gateway: Gateway, account: Account, method: str, path: str) -> requests.Response:
    return requests.request(method, gateway.url + ADMIN + path, auth=basic(account), timeout=60)


@pytest.mark.parametrize("name", ["delete_series", "clean_tombstones", "snapshot"])
def test_only_admins_change_anything(gateway_ab, stores, people, window, name):
    before = vms(stores.ab, window)
    for account in (people.a, people.b, people.service):
        for method in ("POST", "PUT"):
            response = request(gateway_ab, account, method, f"/{name}?match[]=cpu")
            assert (response.status_code, response.json()["errorType"]) == (403, "forbidden")
    assert request(gateway_ab, people.admin, "GET", f"/{name}").status_code == 405
    assert requests.post(gateway_ab.url + ADMIN + f"/{name}", timeout=10).status_code == 401
    assert vms(stores.ab, window) == before == EVERYBODY


def test_an_admin_deletes_cleans_and_takes_a_snapshot(gateway_for, spare, people, window):
    gateway = gateway_for(spare)
    response = request(gateway, people.admin, "POST", '/delete_series?match[]=cpu{vm="b1"}')
    assert (response.status_code, response.content) == (204, b"")
    assert vms(spare, window) == EVERYBODY - {"b1"}
    response = request(gateway, people.admin, "PUT", '/delete_series?match[]=cpu{vm="b2"}')
    assert response.status_code == 204
    assert vms(spare, window) == EVERYBODY - {"b1", "b2"}
    for method in ("POST", "PUT"):
        response = request(gateway, people.admin, method, "/clean_tombstones")
        assert (response.status_code, response.content) == (204, b"")
        response = request(gateway, people.admin, method, "/snapshot?skip_head=true")
        assert (spare.data / "snapshots" / response.json()["data"]["name"]).is_dir()


def test_a_tenant_allowed_to_delete_deletes_only_its_series(gateway_for, spare, people, window):
    # A separate file, so that other gateways keep the defaults.
    policy = spare.directory / "policy.yaml"
    policy.write_text('"telemetry:admin_delete_metrics:own_project": "role:member"\n')
    gateway = gateway_for(spare, oslo_policy={"policy_file": str(policy)})
    for path in ("/delete_series", "/delete_series?start=1", "/delete_series?match=cpu"):
        assert request(gateway, people.a, "POST", path).status_code == 400
    assert vms(spare, window) == EVERYBODY
    path = '/delete_series?match[]=cpu{vm=~"a1|b1|host"}&match[]={__name__="secret"}'
    assert request(gateway, people.a, "POST", path).status_code == 204
    assert vms(spare, window) == EVERYBODY - {"a1"}
    assert request(gateway, people.a, "PUT", '/delete_series?match[]={project!=""}').status_code == 204
    assert vms(spare, window) == EVERYBODY - {"a1", "a2"}
    assert vms(spare, window, "secret") == {"b1"}
    assert request(gateway, people.a, "POST", "/clean_tombstones").status_code == 403
    assert request(gateway, people.b, "POST", "/delete_series?match[]=cpu").status_code == 403


def test_the_openstack_client_deletes_cleans_and_takes_a_snapshot(
    *,
    gateway_for: GatewayFor,
    spare: Prometheus,
    people: People,
    window: Window,
    keystone: Keystone,
    identity: IdentityApi,
):
    identity.register_endpoint("metric-storage", "aetos", gateway_for(spare).url)

    def openstack(account: Account, *words: str) -> Output:
        return openstack_client(password_variables(keystone.url, account), "metric", *words)

    refused = openstack(people.a, "delete", "cpu")
    assert refused.status != 0 or "403" in refused.printed + refused.err
    assert vms(spare, window) == EVERYBODY
    assert openstack(people.admin, "delete", 'cpu{vm="b1"}', 'cpu{vm="host"}').out == ""
    assert vms(spare, window) == EVERYBODY - {"b1", "host"}
    assert openstack(people.admin, "clean-tombstones").out == ""
    assert openstack(people.admin, "snapshot", "-f", "json").json
    assert list((spare.data / "snapshots").iterdir())


@pytest.mark.parametrize("path", ["/api/v1/targets/", "/api/v1/rules/", "/api/v1/admin/tsdb/snapshot/"])
def test_a_trailing_slash_does_not_change_the_caller(as_, gateway_for, live, path):
    connection = HTTPConnection("127.0.0.1", gateway_for(live).port, timeout=10)
    connection.request("POST" if "admin" in path else "GET", path)
    assert connection.getresponse().status == 401
    connection.close()
    status = as_("a")(path, method="POST" if "admin" in path else "GET").status_code
    assert status == (403 if "admin" in path else 200)

"""The client with a real Keystone, the real gateway and a real Prometheus."""

from __future__ import annotations

import random
import re
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests
import trustme
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from tests.e2e.stack import STEP, revoke, store_text
from tests.fakes.metrics_server import MetricsServer, failed, vector

from chrysaetos.client import Matrix, MetricsClient, Scalar, String, Vector, errors
from chrysaetos.client import promql as p
from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import DOMAIN, Account, IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack import GatewayFor, People, Stores, Tokens, Window

ClientFor = Any
SessionFor = Any
WAYS = ("password", "token", "application credential")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def plugin(auth_url: str, account: Account, way: str = "password", tokens: Tokens | None = None) -> Any:
    """Return the keystoneauth1 plugin for an account."""
    if way == "application credential":
        credential = account.application_credential
        assert credential is not None
        return v3.ApplicationCredential(
            auth_url=auth_url,
            application_credential_id=credential.id,
            application_credential_secret=credential.secret,
        )
    if way == "token":
        assert tokens is not None
        return v3.Token(auth_url=auth_url, token=tokens.project(account), project_id=account.project_id)
    return v3.Password(
        auth_url=auth_url,
        username=account.user,
        password=account.password,
        user_domain_id=DOMAIN,
        project_id=account.project_id,
    )


@pytest.fixture
def session_for(keystone: Keystone, tokens: Tokens) -> Iterator[SessionFor]:
    """Create keystoneauth1 sessions for an account or a plugin; close them after the test."""
    with ExitStack() as stack:

        def make(who: Account | v3.Auth, way: str = "password", **options: Any) -> Session:
            auth = plugin(keystone.url, who, way, tokens) if isinstance(who, Account) else who
            session = Session(auth=auth, **options)
            stack.callback(session.session.close)
            return session

        yield make


@pytest.fixture
def client_for(gateway_ab: Gateway, identity: IdentityApi, session_for: SessionFor) -> ClientFor:
    """Create clients of the gateway of store AB."""
    identity.register_endpoint("metric-storage", "aetos", gateway_ab.url)

    def make(account: Account, way: str = "password", **options: Any) -> MetricsClient:
        return MetricsClient(session_for(account, way), **options)

    return make


@pytest.fixture
def direct(stores: Stores) -> Iterator[MetricsClient]:
    """A client of the Prometheus of store AB."""
    with MetricsClient.direct(stores.ab.url) as client:
        yield client


# -- each method, for each user


@pytest.mark.parametrize("way", WAYS)
def test_a_tenant_reads_its_series(
    client_for: ClientFor, direct: MetricsClient, people: People, window: Window, way: str
):
    client = client_for(people.a, way)
    vms = {sample.labels["vm"] for sample in client.query_vector("cpu", window.now)}
    assert vms == {"a1", "a2"}
    matrix = client.query_range("cpu", window.now - 600, window.now, STEP)
    assert set(matrix.by_label("vm")) == vms
    assert {len(series) for series in matrix} == {11}
    assert {series["vm"] for series in client.series("cpu")} == vms
    assert {"vm", "zone", "project"} <= set(client.labels())
    assert not {"secret", "confidential"} & set(client.labels())
    assert client.label_values("vm", "cpu") == ["a1", "a2"]
    assert client.metadata() == {}
    assert client.rules() == {"groups": []}
    assert client.alerts() == []
    assert client.buildinfo() == direct.buildinfo()


@pytest.mark.parametrize("way", WAYS)
def test_a_tenant_may_not_call_administrative_methods(client_for: ClientFor, people: People, way: str):
    client = client_for(people.a, way)
    calls = (
        client.runtimeinfo,
        client.clean_tombstones,
        client.snapshot,
        lambda: client.delete_series("cpu"),
    )
    for call in calls:
        with pytest.raises(errors.Forbidden) as caught:
            call()
        assert (caught.value.status, caught.value.error_type) == (403, "forbidden")
        assert not caught.value.retryable


@pytest.mark.parametrize("way", WAYS)
def test_an_admin_reads_everything(
    client_for: ClientFor, direct: MetricsClient, people: People, window: Window, way: str
):
    client = client_for(people.admin, way)
    vms = {sample.labels["vm"] for sample in client.query_vector("cpu", window.now)}
    assert vms == {"a1", "a2", "b1", "b2", "host"}
    assert set(client.label_values("vm", "cpu")) == vms
    assert {series["vm"] for series in client.series("cpu")} == vms
    assert "secret" in client.labels()
    assert client.targets() == direct.targets()
    assert client.targets("active")["activeTargets"] == []
    assert client.runtimeinfo()["startTime"]


def test_an_admin_deletes_and_takes_a_snapshot(
    gateway_for: GatewayFor,
    people: People,
    window: Window,
    session_for: SessionFor,
    tmp_path: Path,
):
    assert people.a.project_id is not None
    own = Prometheus(tmp_path / "store")
    own.backfill(store_text(window, people.a.project_id))
    with own:
        gateway = gateway_for(own)
        client = MetricsClient(session_for(people.admin), endpoint_override=gateway.url)
        assert len(client.query_vector("cpu", window.now)) == 2
        client.delete_series(p.selector("cpu", {"vm": "a1"}))
        client.clean_tombstones()
        assert [sample.labels["vm"] for sample in client.query_vector("cpu", window.now)] == ["a2"]
        name = client.snapshot(skip_head=True)
        assert (own.data / "snapshots" / name).is_dir()


def test_a_user_without_a_role_is_rejected(gateway_ab: Gateway, people: People, session_for: SessionFor):
    session = session_for(people.stranger)
    with pytest.raises(errors.NotRegistered, match="the token has no catalog"):
        MetricsClient(session).query("up")
    client = MetricsClient(session, endpoint_override=gateway_ab.url)
    for call in (
        lambda: client.query("up"),
        lambda: client.query_range("up", 0, 1, 1),
        lambda: client.series("up"),
        client.labels,
        lambda: client.label_values("vm"),
        client.metadata,
        client.targets,
        client.rules,
        client.alerts,
        client.buildinfo,
        client.snapshot,
    ):
        with pytest.raises(errors.Forbidden):
            call()


def test_whoami(client_for: ClientFor, people: People):
    client = client_for(people.a, "application credential")
    answer = client.whoami()
    assert answer["user"]["name"] == people.a.user
    assert answer["project"]["id"] == people.a.project_id
    explained = client.explain("sum(cpu)")
    assert [text["sent"] for text in explained["texts"]] == [f'sum(cpu{{project="{people.a.project_id}"}})']
    with pytest.raises(errors.BadQuery) as caught:
        client.explain("sum(")
    assert caught.value.excerpt == "sum(\n    ^"


def test_a_long_query(client_for: ClientFor, people: People, window: Window):
    vms = [f"none-{number}" for number in range(2000)]
    query = p.selector("cpu", p.one_of("vm", ["a1", "b1", *vms]))
    assert len(query) > 16_000
    found = client_for(people.a).query_vector(query, window.now)
    assert [sample.labels["vm"] for sample in found] == ["a1"]


@pytest.mark.parametrize("who", ["gateway", "Prometheus"])
def test_a_bad_query_shows_the_position(
    client_for: ClientFor, direct: MetricsClient, people: People, who: str
):
    client = client_for(people.a) if who == "gateway" else direct
    with pytest.raises(errors.BadQuery) as caught:
        client.query('cpu{note="é"} + up "x"')
    error = caught.value
    assert (error.status, error.error_type, error.line) == (400, "bad_data", 1)
    assert error.excerpt == 'cpu{note="é"} + up "x"\n                   ^'


def test_an_endpoint_that_is_not_in_the_catalog(client_for: ClientFor, people: People):
    client = client_for(people.a, region_name="Elsewhere")
    with pytest.raises(errors.NotRegistered) as caught:
        client.query("up")
    assert caught.value.message == (
        "no metric-storage service in the catalog for interface public in region Elsewhere: "
        "it is registered for admin in RegionOne, internal in RegionOne, public in RegionOne"
    )
    with pytest.raises(errors.NotRegistered, match="the catalog has identity, metric-storage"):
        client_for(people.a, service_type="metrics").query("up")


def test_wrong_credentials(keystone: Keystone, session_for: SessionFor):
    auth = v3.Password(
        auth_url=keystone.url, username="alice", password="wrong", user_domain_id=DOMAIN, project_id="x"
    )
    with pytest.raises(errors.Unauthorized, match=r"^Keystone: .*HTTP 401") as caught:
        MetricsClient(session_for(auth)).query("up")
    assert "wrong" not in str(caught.value)


def test_the_examples_of_the_documentation(
    client_for: ClientFor,
    keystone: Keystone,
    people: People,
    window: Window,
    capsys: pytest.CaptureFixture[str],
):
    assert client_for(people.a).endpoint
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "client.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    credential = people.a.application_credential
    assert credential is not None
    names: dict[str, Any] = {"ID": credential.id, "SECRET": credential.secret, "server_id": "a1"}
    names |= {"start": window.now - 600, "end": window.now}
    here = {
        "https://keystone.example/v3": keystone.url,
        '"ceilometer_cpu", {"resource"': '"requests_total", {"vm"',
        '["resource"]': '["vm"]',
        '"up"': "'cpu{vm=\"a1\"}'",
        '"instance"': '"vm"',
    }
    script = "\n".join(blocks[:-1])
    for theirs, ours in here.items():
        script = script.replace(theirs, ours)
    exec(script, names)  # noqa: S102  # the documentation's
    assert capsys.readouterr().out.startswith("a1 ")
    assert len(names["matrix"].to_frame()) == 11
    exec(blocks[-1], names)  # noqa: S102  # the documentation's
    shown = [line.rsplit("  # ", 1) for line in blocks[-1].splitlines() if "  # " in line]
    assert len(shown) == 2
    for expression, expected in shown:
        assert eval(expression, names) == expected.strip()  # noqa: S307  # the documentation's


# -- Prometheus itself


def test_prometheus_itself(direct: MetricsClient, stores: Stores, window: Window):
    assert direct.endpoint == stores.ab.url
    assert isinstance(direct.query("cpu"), Vector)
    assert isinstance(direct.query("cpu[5m]"), Matrix)
    scalar, text = direct.query("1 / 0"), direct.query("'x'")
    assert isinstance(scalar, Scalar)
    assert scalar.value == float("inf")
    assert isinstance(text, String)
    assert text.value == "x"
    special = {s.labels["kind"]: s.value for s in direct.query_vector("special", window.now, exact=True)}
    assert [str(special[kind]) for kind in ("nan", "inf")] == ["NaN", "Infinity"]
    assert direct.query_vector("cpu", window.now)[0].time == window.now
    with pytest.raises(errors.NotSupported, match="not a Chrysaetos gateway"):
        direct.whoami()
    with pytest.raises(errors.NotSupported, match="not a Chrysaetos gateway"):
        direct.explain("up")
    with pytest.raises(errors.NotPrometheus, match="check the URL and its path"):
        MetricsClient.direct(f"{stores.ab.url}/wrong").query("up")


@pytest.mark.parametrize(
    "query",
    [
        "cpu",
        "sum by (vm) (rate(requests_total[5m]))",
        "cpu - cpu @ end()",
        "cpu offset 10m @ start() > 0",
        "text",
    ],
)
@pytest.mark.parametrize("asked", [(-3600, 0, 7), (-3601.5, 12.25, "13s"), (-5000, 5000, 60)])
def test_a_split_range_equals_the_whole(
    direct: MetricsClient, window: Window, query: str, asked: tuple[float, float, float | str]
):
    start, end, step = window.now + asked[0], window.now + asked[1], asked[2]
    whole = direct.query_range(query, start, end, step)
    pieces = direct.query_range(query, start, end, step, split=True, max_points=37)
    assert len(whole) > 0
    assert pieces.raw == whole.raw


def test_a_range_with_more_points_than_the_server_allows(direct: MetricsClient, window: Window):
    with pytest.raises(errors.TooLarge, match="maximum resolution"):
        direct.query_range("cpu", window.start, window.end, 1)
    matrix = direct.query_range('cpu{vm="a1"}', window.start, window.end, 1, split=True)
    (series,) = matrix
    assert len(series) == window.end - window.start + 1
    assert series.times == [float(time) for time in range(window.start, window.end + 1)]


def test_eight_threads(client_for: ClientFor, people: People, window: Window):
    client = client_for(people.a)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: client.query_vector(f"cpu + {n}", window.now), range(160)))
    base = client.query_vector("cpu", window.now).by_label("vm")
    for number, vector_ in enumerate(found):
        values = {vm: sample.value for vm, sample in vector_.by_label("vm").items()}
        assert values == pytest.approx({vm: sample.value + number for vm, sample in base.items()})


# -- what goes wrong on the way


@pytest.fixture
def forgetful(gateway_for: GatewayFor, stores: Stores) -> Gateway:
    """A gateway that validates the token of each request with Keystone."""
    return gateway_for(stores.ab, gateway={"token_cache_seconds": "0"})


def test_an_expired_token_is_renewed(
    forgetful: Gateway, identity: IdentityApi, people: People, window: Window, session_for: SessionFor
):
    session = session_for(people.a)
    before = dict(vars(session))
    client = MetricsClient(session, endpoint_override=forgetful.url)
    used = set()
    for _ in range(3):
        for _ in range(3):
            assert len(client.query_vector("cpu", window.now)) == 2
        token = session.get_token()
        used.add(token)
        revoke(identity, token)
    assert len(used) == 3
    assert vars(session) == before


def test_an_expired_token_that_cannot_be_renewed(
    forgetful: Gateway, identity: IdentityApi, people: People, session_for: SessionFor
):
    session = session_for(people.a, "token")
    client = MetricsClient(session, endpoint_override=forgetful.url)
    client.query("cpu")
    # And with it the one that it was exchanged for.
    revoke(identity, session.auth.auth_methods[0].token)
    with pytest.raises(errors.Unauthorized):
        client.query("cpu")


def test_keystone_restarts(tmp_path: Path, stores: Stores, window: Window, session_for: SessionFor):
    # Tokens live so short that keystoneauth1 asks for one before each query.
    keystone = Keystone(tmp_path / "keystone", options={"token": {"expiration": "20"}})
    with ExitStack() as stack:
        stack.enter_context(keystone)
        api = IdentityApi(keystone.url, keystone.admin_password)
        stack.callback(api.close)
        account = api.create_account("alice", api.create_project("a"), "a", "service")
        validator = api.create_account("aetos", api.create_project("service"), "service", "service")
        gateway = Gateway(
            tmp_path / "gateway",
            keystone_url=keystone.url,
            prometheus_url=stores.ab.url,
            user=validator.user,
            password=validator.password,
        )
        stack.enter_context(gateway)
        api.register_endpoint("metric-storage", "aetos", gateway.url)
        session = session_for(plugin(keystone.url, account))
        client = MetricsClient(session, retries=10, timeout=240)  # a busy machine starts Keystone slowly
        assert len(client.query_vector("cpu", window.now)) == 5
        keystone.stop()
        with pytest.raises(errors.Unreachable, match=r"^the request to Keystone at .*/v3/auth/tokens failed"):
            MetricsClient(session, retries=0).query("cpu")

        answered = threading.Event()

        def restart() -> None:
            time.sleep(0.7)
            keystone.start()
            answered.wait()  # a server ends with the thread that started it

        thread = threading.Thread(target=restart)
        thread.start()
        try:
            assert len(client.query_vector("cpu", window.now)) == 5
        finally:
            answered.set()
            thread.join()


def test_a_service_that_is_unavailable(client_for: ClientFor, people: People, identity: IdentityApi):
    later = failed(503, "unavailable", "later", **{"Retry-After": "1"})
    with MetricsServer([later, later, vector("1")]) as server:
        identity.register_endpoint("busy-metrics", "busy", server.url)
        started = time.monotonic()
        assert len(client_for(people.a, service_type="busy-metrics").query("up")) == 1
        assert time.monotonic() - started >= 2
        assert len(server.requests) == 3


def test_a_ca_of_the_session(
    client_for: ClientFor,
    people: People,
    identity: IdentityApi,
    session_for: SessionFor,
    tmp_path: Path,
):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with MetricsServer([vector("1")], context) as server:
        identity.register_endpoint("tls-metrics", "tls", server.url)
        session = session_for(people.a, verify=str(tmp_path / "ca.pem"))
        before, inner = dict(vars(session)), dict(vars(session.session))
        assert len(MetricsClient(session, service_type="tls-metrics").query_vector("up")) == 1
        assert vars(session) == before
        assert vars(session.session) == inner
        with pytest.raises(errors.Unreachable, match="the certificate of the metrics service at") as caught:
            client_for(people.a, service_type="tls-metrics").query("up")
        assert not caught.value.retryable


# -- hostile values

PARTS = (
    *(
        '"',
        "\\",
        "\n",
        "{",
        "}",
        "'",
        "`",
        "=~",
        "|",
        ".*",
        "$",
        "$1",
        "(",
        ")",
        "[5m]",
        ",",
        "#",
        "\0",
        "\x7f",
        "\r\n",
    ),
    *(
        "\t",
        "é",
        "☃",
        "😀",
        "\u2028",
        "\u202e",
        "\ufffd",
        "\ufeff",
        " ",
        "a",
        "\\n",
        "\\x00",
        '"} or up{x="',
        "%",
        "+",
        "&",
    ),
    *(
        '"}[1s])) or max(ceilometer_cpu{project=~".+',
        "/*",
        "\x1b[31m",
        "\u0000\u0001",
        "\uff41",
        "𐍈",
        "^",
        "?",
        "*",
        "\\E",
        "\\Q",
    ),
)


class Hostile(NamedTuple):
    values: list[str]
    client: MetricsClient
    url: str


def hostile_values() -> list[str]:
    """Return a thousand different values, the same in each run."""
    chance = random.Random(20)  # the same ones each time
    found = dict.fromkeys(PARTS)
    while len(found) < 1000:
        found["".join(chance.choices(PARTS, k=chance.randint(1, 6)))] = None
    return list(found)


@pytest.fixture(scope="module")
def hostile(window: Window, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """A Prometheus with a series for each value; the sample is the value's index."""
    values = hostile_values()
    server = Prometheus(tmp_path_factory.mktemp("hostile"))

    def line(number: int, value: str) -> str:
        # The three escapes of the OpenMetrics text format.
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'hostile{{v="{escaped}"}} {number} {window.now}\n'

    server.backfill([*(line(number, value) for number, value in enumerate(values)), "# EOF\n"])
    with server, MetricsClient.direct(server.url) as client:
        yield Hostile(values, client, server.url)


def test_a_thousand_hostile_values_as_matchers(hostile: Hostile, window: Window):
    stored = requests.get(f"{hostile.url}/api/v1/series", params={"match[]": "hostile"}, timeout=60).json()[
        "data"
    ]
    assert {series["v"] for series in stored} == set(hostile.values)
    for number, value in enumerate(hostile.values):
        sample = hostile.client.query_vector(p.selector("hostile", {"v": value}), window.now).one_or_none()
        assert sample is not None, repr(value)
        assert (sample.labels["v"], sample.value) == (value, number)


def test_a_thousand_hostile_values_as_literals(hostile: Hostile):
    for value in hostile.values:
        # In the replacement of label_replace a dollar sign begins a group.
        replacement = value.replace("$", "$$")
        query = p.call("label_replace", p.call("vector", 1), "x", replacement, "", "")
        sample = hostile.client.query_vector(query).one_or_none()
        assert sample is not None
        assert sample.labels == {"x": value}


def test_a_thousand_hostile_values_as_alternatives(hostile: Hostile, window: Window):
    chance = random.Random(21)  # the same ones each time
    for _ in range(20):
        wanted = chance.sample(hostile.values, 50)
        found = hostile.client.query_vector(p.selector("hostile", p.one_of("v", wanted)), window.now)
        assert set(found.by_label("v")) == set(wanted)
        others = hostile.client.query_vector(p.selector("hostile", p.none_of("v", wanted)), window.now)
        assert set(others.by_label("v")) == set(hostile.values) - set(wanted)
    for value in hostile.values[:100]:
        found = hostile.client.query_vector(p.selector("hostile", p.starts_with("v", value)), window.now)
        assert set(found.by_label("v")) == {other for other in hostile.values if other.startswith(value)}
